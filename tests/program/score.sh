# qlroute score: P(good answer) by endpoint.
. "$(dirname "$0")/support.sh"

runs 0 -- score "$demo/dialogues.jsonl"
equal "dialogues" "$(grep -c . "$demo/dialogues.jsonl")" "$(wc -l <out)"
p='(0\.[0-9]+|1\.0)'
form="^\{\"id\":\"[^\"]*\",\"p_success\":\{\"phone\":$p,\"edge\":$p\}\}\$"
equal "lines of another form" "" "$(grep -Evn "$form" out)"
cp out once
runs 0 -- score - <"$demo/dialogues.jsonl"
cmp -s once out || wrong "stdin" "the same scores" "$(shortened out)"
runs 0 -- score <"$demo/dialogues.jsonl"
cmp -s once out || wrong "stdin by default" "the same scores" "$(shortened out)"
gzip -c "$demo/dialogues.jsonl" >dialogues.jsonl.gz
runs 0 -- score dialogues.jsonl.gz
cmp -s once out || wrong "a gzipped file" "the same scores" "$(shortened out)"
for config in '{}' '{"predictor":{}}' '{"predictor":{"type":"response"}}'; do
    echo "$config" >config.json
    runs 0 -- score --config config.json "$demo/dialogues.jsonl"
    cmp -s once out || wrong "the configuration $config" "the same scores" "$(shortened out)"
done

# It is the last message that is scored, and an edit is one.
printf '%s\n' '{"id":"a","turns":["What is 12 * 17?"]}' '{"id":"a","turns":["hello","What is 12 * 17?"]}' \
    '{"id":"a","turns":["hello",{"text":"What is 12 * 17?","edit":1}]}' >last.jsonl
runs 0 -- score last.jsonl
equal "different scores of one last message" 1 "$(sort -u out | wc -l)"
equal "scores" 3 "$(wc -l <out)"

# route and score agree, endpoint by endpoint.
for place in phone edge; do
    printf '{"rule":{"type":"always","endpoint":"%s"}}' "$place" >always.json
    "$program" score last.jsonl | head -n 1 | sed 's/.*"'$place'":\([0-9.]*\).*/\1/' >scored
    runs 0 -- route --json --config always.json last.jsonl
    close=$(values p_success | head -n 1 | awk -v a="$(cat scored)" '{ d = $1 - a; print (d < 1e-12 && d > -1e-12) }')
    equal "p_success of $place, by route and by score" 1 "$close"
done

# Endpoints of the configuration, by their abilities and by their usual success.
printf '%s' '{"endpoints":[{"name":"a","ability":1.5,"prefill_rate":"1 tok/s","tpot":"1 s/tok"},
    {"name":"b","ability":"frontier","prefill_rate":"1 tok/s","tpot":"1 s/tok"}]}' >config.json
runs 0 -- score --config config.json last.jsonl
equal "endpoints of the configuration" 3 "$(grep -Ec '"p_success":\{"a":[0-9.]+,"b":[0-9.]+\}\}' out)"
printf '%s' '{"predictor":{"type":"constant"},"endpoints":[{"name":"a","usual_success":0.25,"prefill_rate":"1 tok/s",
    "tpot":"1 s/tok"},{"name":"b","prefill_rate":"1 tok/s","tpot":"1 s/tok"}]}' >config.json
runs 0 -- score --config config.json two.jsonl
equal "usual success" '{"id":"one","p_success":{"a":0.25,"b":0.5}}' "$(head -n 1 out)"

# Weights from a file: a path beside the configuration.
mkdir beside
cp -r "$demo/../../models/difficulty" beside/folder
echo '{"predictor":{"file":"folder"}}' >beside/config.json
runs 0 -- score --config beside/config.json "$demo/dialogues.jsonl"
cmp -s once out || wrong "the built-in weights from a folder" "the same scores" "$(shortened out)"
echo '{"predictor":{"type":"lexical"}}' >lexical.json
runs 0 -- score --config lexical.json "$demo/dialogues.jsonl"
if cmp -s once out; then wrong "lexical" "other scores than those of response" "the same"; fi
cp out lexical
cp "$demo/../../models/lexical.safetensors" beside/weights
echo '{"predictor":{"type":"lexical","file":"weights"}}' >beside/config.json
runs 0 -- score --config beside/config.json "$demo/dialogues.jsonl"
cmp -s lexical out || wrong "the lexical weights from a file" "the same scores" "$(shortened out)"

# Known models, by name.
known=$("$program" models | head -n 1)
other=$("$program" models | sed -n 2p)
runs 0 -- score --endpoint "$other" --endpoint "$known" two.jsonl
equal "names, in their order" 2 "$(grep -Ec '"p_success":\{"'"$other"'":0\.[0-9]+,"'"$known"'":0\.[0-9]+\}\}$' out)"
cp out by_option
with="\"prefill_rate\":\"1 tok/s\",\"tpot\":\"1 s/tok\""
echo "{\"endpoints\":[{\"name\":\"$other\",\"ability\":\"$other\",$with},{\"name\":\"$known\",\"ability\":\"$known\",$with}]}" \
    >config.json
runs 0 -- score --config config.json two.jsonl
cmp -s by_option out || wrong "known models of the configuration" "$(shortened by_option)" "$(shortened out)"
fails_with 2 "--endpoint: two endpoints are named \"$known\"; expected different names" -- \
    score --endpoint "$known" --endpoint "$known" two.jsonl
fails_with 2 "--endpoint: \"${known}x\" is no known model; nearest are $known" -- score --endpoint "${known}x" two.jsonl
fails_with 2 'cannot read "none.json": No such file or directory' -- score --endpoint none.json two.jsonl
fails_with 2 '--endpoint: expected a file, got an empty name' -- score --endpoint '' two.jsonl
fails_with 2 '--endpoint: the configuration has another predictor; expected the type response' -- \
    score --config lexical.json --endpoint "$known" two.jsonl

# --difficulty: P follows from it, and from what `models` prints.
runs 0 -- models --json
head -n 1 out >model
runs 0 -- score --endpoint "$known" --difficulty two.jsonl
close=$(head -n 1 out | cat model - | tr -d '[]{}"' | awk -F'[:,]' '
    NR == 1 { for (i = 4; i < NF - 1; i++) w[i - 4] = $i; bias = $NF; n = NF - 5; }
    NR == 1 { sub(/.*weights:/, ""); sub(/,bias.*/, ""); n = split($0, w, ","); }
    NR == 2 { p = $0; sub(/,difficulty.*/, "", p); sub(/.*:/, "", p); sub(/.*difficulty:/, "");
              if (split($0, theta, ",") != n) exit;
              for (i = 1; i <= n; i++) bias += w[i] * theta[i];
              d = p - 1 / (1 + exp(-bias)); print (d < 1e-6 && d > -1e-6); }')
equal "P from the difficulty" 1 "$close"
fails_with 2 '--difficulty: the configuration has another predictor; expected the type response' -- \
    score --config lexical.json --difficulty two.jsonl
fails_with 2 '--intervals: no endpoint is a file that qlroute calibrate wrote' -- score --intervals two.jsonl

# What is wrong, as for route.
runs 0 -- score /dev/null
equal "an empty file" "" "$(cat out err)"
printf '%s\n' '{"id":"a","turns":["x"]}' 'no' '{"id":"b","turns":["y"]}' >bad.jsonl
fails_with 1 'bad.jsonl:2: not JSON at byte 2; expected an object' -- score bad.jsonl
equal "good lines" 2 "$(wc -l <out)"
fails_with 2 'cannot read "none.jsonl": No such file or directory' -- score none.jsonl
printf '%s' '{"weights":{"uplink":"1"}}' >config.json
fails_with 2 'config.json: weights.uplink: expected a number' -- score --config config.json two.jsonl
fails_with 2 'not expected: --trace' -- score two.jsonl --trace

finish
