# qlroute route, as people read it.
. "$(dirname "$0")/support.sh"

# turn_lines: those of out, without tables and summary.
turn_lines() {
    grep -E '^ *[0-9]+ s  .* s = ' out
}

runs 0 -- route --config "$demo/config.json" --trace "$demo/train.csv.gz" "$demo/dialogues.jsonl"
equal "lines of the demo" 107 "$(turn_lines | wc -l)"
equal "titles" 1 "$(grep -c 'dialogue/turn  *endpoint  *cost  *term by term' out)"
equal "lines besides title and turns" 108 "$(wc -l <out)"
equal "stderr" "" "$(cat err)"
grep -Eq '^    0 s  .*monday-morning/1  ' out || wrong "the first turn" "0 s ... monday-morning/1" "$(shortened out)"
equal "the last turn's time, at one in 20 s" "2120 s" \
    "$(turn_lines | tail -n 1 | grep -Eo '^ *[0-9]+ s' | sed 's/^ *//')"
grep -q 'no link' out || wrong "the uplink in the tunnel" "no link" "no such line"

# What is shown adds up to the cost, but for the rounding of at most eight numbers.
complaints=$(turn_lines | sed 's/.* \([0-9.]*\) s = /\1 /' | awk '
    { sum = 0; for (i = 3; i <= NF; i += 3) sum += $i; }
    sum - $1 > 0.04 || $1 - sum > 0.04 { print NR ": " $1 " is not " sum; }')
equal "terms and totals of the lines" "" "$complaints"

# A change of place is marked, and --json says the same.
equal "marked changes" "$("$program" route --config "$demo/config.json" --trace "$demo/train.csv.gz" --json \
    "$demo/dialogues.jsonl" | grep -c '"switched":true')" "$(turn_lines | grep -c ' <- ')"

# --explain N: N tables, each with all terms for both endpoints.
runs 0 -- route --config "$demo/config.json" --trace "$demo/train.csv.gz" --explain 2 "$demo/dialogues.jsonl"
equal "lines of turns beside tables" 107 "$(turn_lines | wc -l)"
for line in quality_loss uplink queueing switching prefill decode downlink total 'P(good answer)' 'history cached'; do
    equal "tables' lines of $line" 2 "$(grep -cE "^    ${line//[()]/.}  " out)"
done
complaints=$(awk '
    NF == 3 && $2 == "phone" && $3 == "edge" { here = 0; there = 0; inside = 1; next; }
    inside && NF == 5 && $1 != "total" { here += $2; there += $4; }
    inside && $1 == "total" {
        if ((here - $2)^2 > 0.005^2) print "phone: " here " is not " $2;
        if ((there - $4)^2 > 0.005^2) print "edge: " there " is not " $4;
        inside = 0;
    }' out)
equal "columns of the tables" "" "$complaints"
runs 0 -- route --explain 0 two.jsonl
equal "tables of --explain 0" 0 "$(grep -c 'history cached' out)"

# --compare: this configuration, each endpoint alone, and chance.
runs 0 -- route --config "$demo/config.json" --trace "$demo/train.csv.gz" --compare "$demo/dialogues.jsonl"
for rule in 'this configuration' 'always phone' 'always edge' 'random, rate 0.89'; do
    grep -Eq "^  $rule +107 +[0-9.]+ s +[0-9.]+ s +0\.[0-9]{3} +[0-9]+ % +[0-9]+\$" out ||
        wrong "--compare" "a line of $rule over 107 turns" "$(tail -n 9 out | tr '\n' '|')"
done
grep -Eq '^  always phone .* 0 % +0$' out || wrong "always phone" "0 % remote, 0 switches" "$(grep 'always phone' out)"
grep -Eq '^  always edge .* 100 % +0$' out || wrong "always edge" "100 % remote, 0 switches" "$(grep 'always edge' out)"
runs 0 -- route --compare /dev/null
grep -Eq '^  this configuration +0 +0.00 s +0.00 s +0.000 +0 % +0$' out || wrong "no turns" "zeros" "$(shortened out)"

# The recorded latency, by hand. Prompt: 4 bytes + 2 for the border of a message, 600 B of headers: 4848 bit.
# Outage until 10 s, then 1 Mbit/s: 10 s + 4.848 ms. rtt 100 ms. Prefill 1 token at 100 tok/s, the first of the answer with it; decode one more in 1 s.
# The last token of 297 B goes down at 1 Mbit/s in 2.376 ms. In all 11.117224 s.
printf '%s\n' 't_s,uplink_bps,downlink_bps,rtt_s,snr_db' '0,0,1000000,0.1,' '10,1000000,1000000,0.1,' \
    '100,1000000,1000000,0.1,' >late.csv
printf '%s\n' '{"endpoints":[{"name":"far","remote":true,"prefill_rate":"100 tok/s","tpot":"1 s/tok"}],' \
    '"expected_output":"2 tok"}' >far.json
printf '%s\n' '{"id":"a","turns":["1234"]}' >a.jsonl
runs 0 -- route --config far.json --trace late.csv --compare a.jsonl
grep -Eq '^  always far +1 +11\.12 s +11\.12 s' out ||
    wrong "latency through an outage" "11.12 s" "$(grep 'always far' out)"
# Without a trace the link is that of the configuration: 10 Mbit/s up, 40 Mbit/s down, 50 ms: 1.0605 s.
runs 0 -- route --config far.json --compare a.jsonl
grep -Eq '^  always far +1 +1\.06 s' out || wrong "latency without a trace" "1.06 s" "$(grep 'always far' out)"

# A cache that is moved rather than read again: 3 tokens of 1 Mbit at 1 Mbit/s, not 3 tokens at 0.1 tok/s.
printf '%s\n' '{"endpoints":[{"name":"a","prefill_rate":"0.1 tok/s","tpot":"1 s/tok","kv_size":"1 Mbit/tok",' \
    '"kv_rate":"1 Mbit/s","context_window":"4 tok"},{"name":"b","prefill_rate":"0.1 tok/s","tpot":"1 s/tok",' \
    '"kv_size":"1 Mbit/tok","kv_rate":"1 Mbit/s","queue_delay":"1 s"}],"expected_output":"2 tok"}' >move.json
printf '%s\n' '{"id":"a","turns":["1234","5678"]}' >move.jsonl
runs 0 -- route --config move.json --compare move.jsonl
grep -Eq 'a/2 .*b <- .* queueing 1\.00 \+ switching 3\.00 \+ prefill 10\.00 \+ decode 1\.00$' out ||
    wrong "a moved cache" "switching 3.00" "$(shortened out)"
grep -Eq '^  this configuration +2 +13\.00 s +15\.00 s' out ||
    wrong "its latency" "11 s and 15 s" "$(grep 'this conf' out)"

# A name may hold anything; a line stays a line.
printf '%s\n' '{"id":"a\u001b[31m\nb","turns":["x"]}' >name.jsonl
runs 0 -- route name.jsonl
equal "lines of an id with a line break" 2 "$(wc -l <out)"
grep -qF 'a?[31m?b/1' out || wrong "control characters" "a?[31m?b/1" "$(shortened out)"

# Nothing in, nothing out.
runs 0 -- route /dev/null
equal "an empty file" "" "$(cat out err)"

finish
