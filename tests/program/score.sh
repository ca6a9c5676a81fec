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
runs 0 -- score --config "$demo/config.json" "$demo/dialogues.jsonl"
cmp -s once out || wrong "the demo's configuration, of the same abilities" "the same scores" "$(shortened out)"

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
cp "$demo/../../models/lexical.safetensors" beside/weights
printf '%s' '{"predictor":{"type":"lexical","file":"weights"}}' >beside/config.json
runs 0 -- score --config beside/config.json "$demo/dialogues.jsonl"
cmp -s once out || wrong "the built-in weights from a file" "the same scores" "$(shortened out)"

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
