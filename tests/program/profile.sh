# qlroute profile --from: engines fitted to measured times, and the endpoint files that route prices by.
. "$(dirname "$0")/support.sh"

# An engine that reads batches of 512, of 64 and more by a fast kernel, without noise.
engine='
function reading(p, n,    all, b) {
    all = 0
    while (n > 0) {
        b = n < 512 ? n : 512
        if (b >= 64) all += 0.008 + 0.0008 * b + 2e-6 * b * (p + (b + 1) / 2)
        else all += 0.012 + 0.0009 * b + 30e-6 * b * (p + (b + 1) / 2)
        p += b
        n -= b
    }
    return all
}
function writing(c, n) { return n * (0.012 + 40e-6 * (c + (n - 1) / 2)) }'
measure() {
    awk "$engine"' BEGIN {
        print "{\"test\": \"load\", \"ub\": 512, \"engine\": \"made up\"}"
        split("0 128 512 1024 2048", pasts)
        split("1 4 16 32 48 63 64 96 128 256 512 600 1100", counts)
        for (i = 1; i in pasts; ++i) {
            for (k = 1; k in counts; ++k)
                printf "{\"test\": \"%s\", \"past\": %d, \"new\": %d, \"ms_min\": %.12g, \"ms_med\": 1e9}\n",
                    (pasts[i] > 0 ? "extend" : "prefill"), pasts[i], counts[k], 1e3 * reading(pasts[i], counts[k])
            printf "{\"test\": \"decode\", \"ctx\": %d, \"ms\": %.12g}\n", pasts[i], 1e3 * writing(pasts[i], 1)
        }
        print "{\"test\": \"perplexity\", \"value\": 7}"
        print ""
    }'
}
# near WHAT EXPECTED FOUND: within half a percent.
near() {
    awk -v a="$2" -v b="$3" 'BEGIN { exit !(b != "" && b <= a * 1.005 && b >= a * 0.995) }' || wrong "$1" "$2" "$3"
}
measure >edge.jsonl

# The report.
runs 0 -- profile --from edge.jsonl --json
cp out report
equal "lines of --json" 1 "$(wc -l <out)"
number='[-+0-9.e]+'
errors="\{\"n\":65,\"median_error\":$number,\"mean_error\":$number,\"max_error\":$number\}"
for form in linear_rate full_attention batched profiled; do
    grep -Eq "\"leave_one_out\":\{[^}]*(\}[^}]*)*\"$form\":$errors" out || wrong "leave_one_out of $form" "$errors" "$(shortened out)"
done
grep -q '"measurements":70,' out || wrong "measurements" 70 "$(shortened out)"
grep -q '"chosen":"batched"' out || wrong "the form of a batched engine" batched "$(grep -o '"chosen":"[a-z_]*"' out)"
grep -q '"roofline"' out && wrong "forms without the sizes of a model" "no roofline" "$(shortened out)"
for form in batched profiled; do
    far=$(sed 's/.*"leave_one_out":{\(.*\)},"all_rows".*/\1/; s/.*"'$form'":{[^}]*"max_error":\([-+0-9.e]*\)}.*/\1/' out)
    awk -v e="$far" 'BEGIN { exit !(e < 0.01) }' || wrong "largest error of $form" "less than 0.01" "$far"
done
far=$(sed 's/.*"leave_one_out":{"linear_rate":{[^}]*"mean_error":\([-+0-9.e]*\),.*/\1/' out)
awk -v e="$far" 'BEGIN { exit !(e > 0.1) }' || wrong "mean error of linear_rate" "more than 0.1" "$far"
runs 0 -- profile --from edge.jsonl
grep -Eq '^\* batched ' out || wrong "the table" "a star at batched" "$(shortened out)"
gzip -c edge.jsonl >edge.jsonl.gz
runs 0 -- profile --from edge.jsonl.gz --json
cmp -s report out || wrong "gzipped measurements" "the same report" "$(shortened out)"

# The endpoint file.
runs 0 -- profile --from edge.jsonl --out fitted.json
grep -qF 'fitted.json: edge' out || wrong "what was written" "fitted.json: edge" "$(shortened out)"
[ -e fitted.json.part ] && wrong "the unfinished file" "none" "fitted.json.part"
grep -q '"format": "qlroute.endpoint"' fitted.json || wrong "format" qlroute.endpoint "$(shortened fitted.json)"
grep -q '"name": "edge"' fitted.json || wrong "name" edge "$(shortened fitted.json)"
fails_with 2 '--out: "fitted.json" exists; give another path, or --force' -- profile --from edge.jsonl --out fitted.json
runs 0 -- profile --from edge.jsonl --out fitted.json --force --name mine
grep -q '"name": "mine"' fitted.json || wrong "--name" mine "$(shortened fitted.json)"
for form in linear_rate full_attention profiled; do
    runs 0 -- profile --from edge.jsonl --out "$form.json" --form "$form" --json
    grep -q "\"chosen\":\"$form\"" out || wrong "--form $form" "$form" "$(shortened out)"
done
sizes='{"test": "load", "n_params": 1.5e9, "n_layer": 28, "n_embd": 1536, "n_head": 12, "n_head_kv": 2, "n_vocab": 151936, "size": 1e9, "ub": 512}'
{ echo "$sizes"; tail -n +2 edge.jsonl; } >sizes.jsonl
runs 0 -- profile --from sizes.jsonl --out roofline.json --form roofline --json
grep -q '"roofline":{"n":65' out || wrong "a roofline" "its error" "$(shortened out)"

# What route makes of it. Lengths: 4 bytes are a token. The second turn comes behind 1 + 10 tokens.
text() { head -c $((4 * $1)) /dev/zero | tr '\0' 'x'; }
printf '{"id":"a","turns":["%s","%s"],"assistant_ref":["%s"]}\n' "$(text 1)" "$(text 1)" "$(text 10)" >short.jsonl
printf '{"id":"b","turns":["%s","%s"],"assistant_ref":["%s"]}\n' "$(text 600)" "$(text 512)" "$(text 100)" >long.jsonl
# configured FILE: an endpoint with this engine. 50 tokens of answer: 49 are written after the first.
configured() {
    printf '{"predictor":{"type":"constant"},"endpoints":[{"name":"x","engine":"%s"}],"expected_output":"50 tok"}' \
        "$1" >config.json
}
by_hand() {
    awk "$engine BEGIN { printf \"%.9g\", $1 }"
}
configured fitted.json
runs 0 -- route --json --config config.json short.jsonl
near "prefill of the first turn" 0.01293 "$(values prefill | head -n 1)"  # 12 + 0.9 + 0.03 ms
near "prefill of the second" "$(by_hand 'reading(11, 1)')" "$(values prefill | tail -n 1)"
near "decode of the first turn" 0.637 "$(values decode | head -n 1)"  # 49 (12 + 0.04 (1 + 24)) ms
near "decode of the second" "$(by_hand 'writing(12, 49)')" "$(values decode | tail -n 1)"
runs 0 -- route --json --config config.json long.jsonl
near "prefill of two batches" 0.8566 "$(values prefill | head -n 1)"
near "prefill of a batch behind 700 tokens" "$(by_hand 'reading(700, 512)')" "$(values prefill | tail -n 1)"
for form in linear_rate full_attention profiled roofline; do
    configured "$form.json"
    runs 0 -- route --json --config config.json long.jsonl
    cp out "of_$form"
    has_turns 2 "the engine of $form"
done
near "prefill of two batches, by a table" 0.8566 "$(sed -n 's/.*"prefill":\([-+0-9.e]*\).*/\1/p' of_profiled | head -n 1)"
equal "engines that price differently" 4 "$(cat of_* | grep '"turn":1' | grep -o '"prefill":[-+0-9.e]*' | sort -u | wc -l)"

# By hand, without a fit in between; a path is relative to the configuration.
mkdir -p beside
printf '%s' '{"format":"qlroute.endpoint","version":1,"name":"x","engine":{"policy":"batched","batch_tok":512,"tile_tok":64,
    "tiled":{"fixed_s":0.008,"per_token_s":0.0008,"per_pair_s":2e-6},
    "untiled":{"fixed_s":0.012,"per_token_s":0.0009,"per_pair_s":30e-6},
    "decode":{"fixed_s":0.012,"per_context_s":40e-6}},"request_time":{"fixed_s":0.003,"per_byte_s":1e-9}}' >beside/x.json
printf '%s' '{"format":"qlroute.endpoint","version":1,"name":"y","engine":{"policy":"batched","batch_tok":0,"tile_tok":0,
    "tiled":{"fixed_s":0,"per_token_s":0.01,"per_pair_s":0},"untiled":{"fixed_s":0,"per_token_s":1,"per_pair_s":1},
    "decode":{"fixed_s":0.001,"per_context_s":0}}}' >beside/y.json
printf '%s' '{"predictor":{"type":"constant"},"endpoints":[
    {"name":"x","engine":"x.json","context_window":"701 tok"},
    {"name":"y","engine":"y.json","queue_delay":"100 s"},
    {"name":"z","prefill_rate":"10 tok/s","tpot":"1 s/tok","queue_delay":"1000 s"}],"expected_output":"1 tok"}' \
    >beside/config.json
runs 0 -- route --json --config beside/config.json long.jsonl
equal "where" "x y" "$(values endpoint | in_one_line)"
equal "prefill by two engines" "0.8566 5.12" "$(values prefill | awk '{ printf "%.9g\n", $1 }' | in_one_line)"
equal "the history of 700 tokens, read again" "0 7" "$(values switching | awk '{ printf "%.9g\n", $1 }' | in_one_line)"
equal "how" "null kv_recompute" "$(values switching_by | in_one_line)"
# Its server takes 3 ms for a request, and 1 ns for each of the 2402 B.
equal "what servers take beside" "0.003002402 100" "$(values queueing | awk '{ printf "%.9g\n", $1 }' | in_one_line)"
# As recorded: 0.8566 s, and 100 s + 1212 tokens at 10 ms, each with the 99 or 0 tokens of the answer after its first.
runs 0 -- route --config beside/config.json --compare long.jsonl
first=$(by_hand 'reading(0, 600) + writing(600, 99) + 0.003')
grep -Eq "^  this configuration +2 +$(by_hand "($first + 112.12) / 2" | awk '{ printf "%.2f", $1 }') s +112\.12 s" out ||
    wrong "latency by engines" "112.12 s at most" "$(grep 'this configuration' out)"
# History that is read together with what is new: not 5 batches and 1, but the batches of 1212 tokens.
printf '%s' '{"predictor":{"type":"constant"},"endpoints":[{"name":"y","engine":"y.json","context_window":"701 tok"},
    {"name":"x","engine":"x.json","queue_delay":"100 s"}],"expected_output":"1 tok"}' >beside/config.json
runs 0 -- route --json --config beside/config.json long.jsonl
equal "switching between batches" "0 $(by_hand 'reading(0, 1212) - reading(700, 512)')" \
    "$(values switching | awk '{ printf "%.9g\n", $1 }' | in_one_line)"

# fused_score counts by the engine: 0.6 - 0.01 * 4.9 s against 0.5, where a rate taken behind 512 tokens says 50 s.
sed 's/"fixed_s":0.001,"per_context_s":0}/"fixed_s":0.00001,"per_context_s":0.001}/' beside/y.json >beside/grows.json
printf '%s' '{"predictor":{"type":"constant"},"endpoints":[{"name":"y","engine":"y.json","usual_success":0.4},
    {"name":"grows","engine":"grows.json","usual_success":0.9}],"expected_output":"100 tok",
    "rule":{"type":"fused_score","alpha_per_s":0.01}}' >beside/config.json
runs 0 -- route --json --config beside/config.json <(echo '{"id":"a","turns":["1234"]}')
equal "fused_score by engines" grows "$(values endpoint)"

# A preset beside an engine gives the rest.
printf '%s' '{"predictor":{"type":"constant"},"endpoints":[{"name":"x","engine":"beside/x.json","device":"phone_8elite_cpu",
    "model":"qwen2.5-1.5b","kv_rate":"1 Gbit/s"}],"expected_output":"1 tok"}' >config.json
runs 0 -- route --json --config config.json long.jsonl
equal "prefill with a preset" 0.8566 "$(values prefill | head -n 1 | awk '{ printf "%.9g\n", $1 }')"

# Refused: the options.
fails_with 2 'profile: expected either --from FILE, measurements as JSON lines, or --url URL, a server' -- profile
fails_with 2 'profile: expected either --from FILE' -- profile --from edge.jsonl --url http://127.0.0.1:9
fails_with 2 '--from: expected a file, got an empty name' -- profile --from ''
fails_with 2 '--url: expected a URL such as http://127.0.0.1:8080' -- profile --url ''
fails_with 2 '--seconds requires --url' -- profile --from edge.jsonl --seconds 9
fails_with 2 '--form' -- profile --from edge.jsonl --form cubic
fails_with 2 '--form: a roofline needs the sizes of the model; expected a line {"test": "load", "n_params": ' -- \
    profile --from edge.jsonl --form roofline
fails_with 2 'cannot write "none/x.json.part"' -- profile --from edge.jsonl --out none/x.json
fails_with 2 '--out: "beside" is not a file' -- profile --from edge.jsonl --out beside --force

# Refused: measurements.
fails_with 2 'cannot read "none.jsonl": No such file or directory' -- profile --from none.jsonl
# row_fails LINE MESSAGE: as the second of a file.
row_fails() {
    printf '%s\n' '{"test": "prefill", "new": 512, "ms": 611}' "$1" >row.jsonl
    fails_with 2 "row.jsonl: line 2: $2" -- profile --from row.jsonl
    equal "lines of the complaint about $1" 1 "$(wc -l <err)"
}
row_fails 'prefill 512 611' 'not valid JSON; expected an object such as {"test": "prefill", "new": 512, "ms_min": 611}'
row_fails '[]' 'test: expected an object with "test", such as {"test": "prefill"'
row_fails '{"new": 512, "ms": 611}' 'test: expected an object with "test", such as {"test": "prefill"'
row_fails '{"test": 7, "new": 512, "ms": 611}' 'test: expected an object with "test"'
row_fails '{"test": "prefill", "ms": 611}' 'new: missing; expected a number of tokens from 0 to 1e9'
row_fails '{"test": "prefill", "new": -5, "ms": 611}' 'new: expected a number of tokens from 0 to 1e9, got -5'
row_fails '{"test": "prefill", "new": 0, "ms": 611}' 'new: expected at least 1, got 0'
row_fails '{"test": "prefill", "new": "many", "ms": 611}' 'new: expected a number of tokens from 0 to 1e9, got "many"'
row_fails '{"test": "extend", "new": 5, "ms": 611}' 'past: missing; expected a number of tokens'
row_fails '{"test": "extend", "past": -1, "new": 5, "ms": 611}' 'past: expected a number of tokens from 0 to 1e9, got -1'
row_fails '{"test": "decode", "ms": 611}' 'ctx: missing; expected a number of tokens'
row_fails '{"test": "request", "past": 1, "new": 1, "ms": 611}' 'output: missing; expected a number of tokens'
row_fails '{"test": "prefill", "new": 5}' 'ms: missing; expected milliseconds, as ms_min, ms_med or ms'
row_fails '{"test": "prefill", "new": 5, "ms": 0}' 'ms: expected milliseconds above 0, got 0'
row_fails '{"test": "prefill", "new": 5, "ms": -1}' 'ms: expected milliseconds above 0, got -1'
row_fails '{"test": "prefill", "new": 5, "ms_min": null, "ms_med": "fast"}' 'ms_med: expected milliseconds above 0, got "fast"'
row_fails '{"test": "load", "n_params": 5}' 'n_embd: missing; expected a number of at least 1'
row_fails "${sizes/1.5e9/1e6}" 'n_params: expected more than n_vocab * n_embd'
: >empty.jsonl
fails_with 2 'empty.jsonl: no measurements; expected lines such as {"test": "prefill"' -- profile --from empty.jsonl
printf '%s\n' '{"test": "perplexity"}' '{"test": "load"}' '{"test": "embed", "new": 5, "ms": 1}' >other.jsonl
fails_with 2 'other.jsonl: no measurements, only 2 lines of other tests; expected lines such as' -- \
    profile --from other.jsonl

# Few measurements are enough for some engine; one that never wrote is refused where it would be priced.
echo '{"test": "prefill", "new": 512, "ms": 611}' >one.jsonl
runs 0 -- profile --from one.jsonl --out one.json
configured one.json
fails_with 2 'config.json: endpoints[0].engine: "one.json": by its figures writing takes no time; measure again, with lines {"test": "decode"} too' -- \
    route --config config.json short.jsonl
echo '{"test": "decode", "ctx": 512, "ms": 30}' >one.jsonl
runs 0 -- profile --from one.jsonl --out one.json --force
fails_with 2 'config.json: endpoints[0].engine: "one.json": by its figures reading takes no time; measure again' -- \
    route --config config.json short.jsonl

# Refused: endpoint files.
engine_fails() {
    configured x.json
    fails_with 2 "config.json: endpoints[0].engine: x.json: $1" -- route --config config.json short.jsonl
    equal "lines of the complaint about $1" 1 "$(wc -l <err)"
}
# edited SED: x.json is beside/x.json with this edit.
edited() {
    sed "$1" beside/x.json >x.json
    cmp -s x.json beside/x.json && wrong "the edit $1" "another file" "the same"
}
fails_with 2 'cannot read "none.json": No such file or directory' -- route --config none.json short.jsonl
configured none.json
fails_with 2 'config.json: endpoints[0].engine: cannot read "none.json": No such file or directory' -- \
    route --config config.json short.jsonl
echo 'speed: 7' >x.json
engine_fails 'not valid JSON: parse error at line 1, column 1'
: >x.json
engine_fails 'not valid JSON: parse error at line 1, column 1'
echo '[]' >x.json
engine_fails 'not an endpoint file; expected one that qlroute profile wrote'
edited 's/qlroute.endpoint/qlroute.engine/'
engine_fails 'not an endpoint file; expected one that qlroute profile wrote'
edited 's/"version":1/"version":2/'
engine_fails 'version: expected 1, got 2; profile again with this program'
edited 's/"version":1,//'
engine_fails 'version: expected 1, got nothing; profile again with this program'
edited 's/"engine"/"motor"/'
engine_fails 'engine: missing; expected a file that qlroute profile wrote'
edited 's/"policy":"batched"/"policy":"magic"/'
engine_fails 'engine.policy: expected batched, profiled or roofline, got "magic"'
edited 's/"policy":"batched",//'
engine_fails 'engine.policy: missing; expected what qlroute profile writes'
edited 's/"per_pair_s":2e-6/"per_tree_s":2e-6/'
engine_fails 'engine.tiled.per_pair_s: missing; expected what qlroute profile writes'
edited 's/"fixed_s":0.008/"fixed_s":-0.008/'
engine_fails 'engine.tiled.fixed_s: expected a number of at least 0, got -0.008'
edited 's/"fixed_s":0.008/"fixed_s":"8 ms"/'
engine_fails 'engine.tiled.fixed_s: expected a number of at least 0, got "8 ms"'
edited 's/"batch_tok":512/"batch_tok":1e31/'
engine_fails 'engine.batch_tok: expected a number of at most 1e30, got 1e+31'
edited 's/"fixed_s":0.003/"fixed_s":-3/'
engine_fails 'request_time.fixed_s: expected a number of at least 0, got -3'
edited 's/,"per_byte_s":1e-9//'
engine_fails 'request_time.per_byte_s: missing'
edited 's/"request_time":{[^}]*}/"request_time":7/'
engine_fails 'request_time: expected an object, got 7'
# table READING: of a profiled engine.
table() {
    sed 's/"engine":{"policy":"batched",\(.*\)}},"request_time.*/"engine":{"policy":"profiled","formula":{\1}},"reading":'"$1"',"writing":{"rows":[],"columns":[],"ratios":[],"kink":0}}}/' \
        beside/x.json | tr -d '\n' >x.json
}
tr -d '\n' <beside/x.json >joined && mv joined beside/x.json
table '{"rows":[0,100],"columns":[1,512],"ratios":[2,2,2,2],"kink":64}'
configured x.json
runs 0 -- route --json --config config.json long.jsonl
equal "prefill, twice of what the formula says" 1.7132 "$(values prefill | head -n 1 | awk '{ printf "%.9g\n", $1 }')"
table '{"rows":[0,100],"columns":[1,512],"ratios":[2,2,2],"kink":64}'
engine_fails 'engine.reading.ratios: expected 4 numbers, one for each row and column, got 3'
table '{"rows":[0,100],"columns":[],"ratios":[],"kink":64}'
engine_fails 'engine.reading.columns: expected numbers that grow, at least one'
table '{"rows":[100,0],"columns":[1],"ratios":[1,1],"kink":64}'
engine_fails 'engine.reading.rows: expected numbers that grow, at least one'
table '{"rows":[0],"columns":[1],"ratios":[-1],"kink":64}'
engine_fails 'engine.reading.ratios[0]: expected a number of at least 0, got -1'
table '{"rows":0,"columns":[1],"ratios":[1],"kink":64}'
engine_fails 'engine.reading.rows: expected a list of numbers, got 0'
sed 's/"operations_per_s": [^,]*/"operations_per_s": 0/' roofline.json >x.json
engine_fails 'engine.operations_per_s: expected a number above 0, got 0'

# Refused: the configuration's key.
config_fails '{"endpoints":[{"name":"x","engine":7}]}' \
    'endpoints[0].engine: expected the path of an endpoint file that qlroute profile wrote, got 7'
config_fails '{"endpoints":[{"name":"x","engine":""}]}' 'endpoints[0].engine: expected the path of an endpoint file'
for speed in '"prefill_rate":"9 tok/s"' '"tpot":"9 ms/tok"'; do
    key=${speed%%\":*}
    config_fails '{"endpoints":[{"name":"x","engine":"beside/x.json",'"$speed"'}]}' \
        "endpoints[0].${key#\"}: the engine of \"beside/x.json\" says this; leave out the one or the other"
done
if "$program" calibrate --rows <(outcome_rows) --endpoint edge --out calibrated.json >/dev/null 2>err; then
    configured calibrated.json
    fails_with 2 'calibrated.json: engine: missing; expected a file that qlroute profile wrote, this one is from qlroute calibrate' -- \
        route --config config.json short.jsonl
fi

finish
