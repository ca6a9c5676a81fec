# The rules: what they choose, and what they refuse.
. "$(dirname "$0")/support.sh"

two='{"name":"phone","usual_success":0.4,"prefill_rate":"100 tok/s","tpot":"10 ms/tok"},'
two+='{"name":"edge","usual_success":0.9,"prefill_rate":"100 tok/s","tpot":"15 ms/tok"}'

# chooses RULE "endpoints": for the turns of three dialogues. On 100 tokens the edge is 0.5 s slower.
chooses() {
    printf '{"endpoints":[%s],"predictor":{"type":"constant"},"expected_output":"100 tok","weights":%s,"rule":%s}' \
        "$two" "${weights:-{\}}" "$1" >config.json
    printf '%s\n' '{"id":"a","turns":["x","y"]}' '{"id":"b","turns":["x"]}' >dialogues.jsonl
    runs 0 -- route --config config.json --json dialogues.jsonl
    equal "endpoints by $1" "$2" "$(values endpoint | in_one_line)"
}

# lowest_cost: 6 s * 0.5 of quality against 0.5 s; 0.5 s * 0.5 against 0.5 s.
chooses '{}' 'edge edge edge'
chooses '{"type":"lowest_cost"}' 'edge edge edge'
weights='{"quality_loss":"500 ms"}' chooses '{"type":"lowest_cost"}' 'phone phone phone'
weights='{"quality_loss":"0 s"}' chooses '{"type":"lowest_cost","hysteresis":"0 s"}' 'phone phone phone'
weights='{"quality_loss":"500 ms","decode":0}' chooses '{"type":"lowest_cost"}' 'edge edge edge'

# fused_score: 1 - 0.4 - alpha * 0.5 s against theta; a tie goes to small.
chooses '{"type":"fused_score"}' 'edge edge edge'
chooses '{"type":"fused_score","alpha_per_s":0.25}' 'phone phone phone'
chooses '{"type":"fused_score","alpha_per_s":0,"theta":0.59}' 'edge edge edge'
chooses '{"type":"fused_score","alpha_per_s":0,"theta":0.61}' 'phone phone phone'
chooses '{"type":"fused_score","alpha_per_s":0,"theta":0,"small":"edge","large":"phone"}' 'phone phone phone'

# score_threshold: 0.6 against theta.
chooses '{"type":"score_threshold"}' 'edge edge edge'
chooses '{"type":"score_threshold","theta":0.7}' 'phone phone phone'
chooses '{"type":"score_threshold","theta":1}' 'phone phone phone'
chooses '{"type":"score_threshold","theta":0}' 'edge edge edge'

# always.
chooses '{"type":"always"}' 'phone phone phone'
chooses '{"type":"always","endpoint":"edge"}' 'edge edge edge'

# random_rate: by the dialogue, the same each time; another seed, another choice.
chooses '{"type":"random_rate","rate":0}' 'phone phone phone'
chooses '{"type":"random_rate","rate":1}' 'edge edge edge'
echo '{"rule":{"type":"random_rate","rate":0.5,"seed":7}}' >config.json
runs 0 -- route --config config.json --json "$demo/dialogues.jsonl"
cp out once
runs 0 -- route --config config.json --json "$demo/dialogues.jsonl"
cmp -s once out || wrong "random_rate, again" "the same endpoints" "$(shortened out)"
remote=$(values endpoint | grep -c edge)
[ "$remote" -gt 30 ] && [ "$remote" -lt 77 ] || wrong "share of random_rate 0.5" "about half of 107" "$remote"
echo '{"rule":{"type":"random_rate","rate":0.5,"seed":8}}' >config.json
runs 0 -- route --config config.json --json "$demo/dialogues.jsonl"
if cmp -s once out; then wrong "another seed" "other endpoints" "the same"; fi

# Hysteresis: leaving costs nothing here, so the dialogue goes to and fro with the cost, or stays.
echo '{"rule":{"type":"lowest_cost","hysteresis":"1 h"}}' >config.json
runs 0 -- route --config config.json --trace "$demo/train.csv.gz" --json "$demo/dialogues.jsonl"
equal "switches under a hysteresis of an hour" 0 "$(grep -c '"switched":true' out)"

# An endpoint that is down, or whose window is too small, is left out.
printf '%s' '{"endpoints":[{"name":"down","available":false,"ability":"frontier","prefill_rate":"1e6 tok/s",
    "tpot":"1 us/tok"},{"name":"short","context_window":"300 tok","prefill_rate":"1000 tok/s","tpot":"1 ms/tok"},
    {"name":"slow","prefill_rate":"100 tok/s","tpot":"30 ms/tok"}]}' >config.json
printf '%s\n' '{"id":"a","turns":["x","y"]}' >dialogues.jsonl
runs 0 -- route --config config.json --json dialogues.jsonl
equal "endpoints that can serve" "short slow" "$(values endpoint | in_one_line)"
equal "switched" "false true" "$(sed -n 's/.*"switched":\([a-z]*\).*/\1/p' out | in_one_line)"

# Refused.
config_fails '{"rule":"always"}' 'rule: expected an object, such as {...}, got "always"'
config_fails '{"rule":{"type":"best"}}' \
    'rule.type: expected one of lowest_cost, fused_score, score_threshold, always, random_rate, got "best"'
config_fails '{"rule":{"type":7}}' 'rule.type: expected one of'
config_fails '{"rule":{"type":"always","endpoint":"cloud"}}' \
    'rule.endpoint: expected the name of an endpoint (phone, edge), got "cloud"'
config_fails '{"rule":{"type":"always","endpoint":0}}' \
    'rule.endpoint: expected the name of an endpoint (phone, edge), got 0'
config_fails '{"rule":{"type":"fused_score","large":"cloud"}}' \
    'rule.large: expected the name of an endpoint (phone, edge), got "cloud"'
config_fails '{"rule":{"type":"fused_score","small":"cloud"}}' 'rule.small: expected the name of an endpoint'
config_fails '{"rule":{"type":"fused_score","alpha_per_s":-0.1}}' \
    'rule.alpha_per_s: expected a number from 0 to 1000000000, got -0.1'
config_fails '{"rule":{"type":"fused_score","alpha":0.1}}' 'rule.alpha: unknown key; known here are type, small, large'
config_fails '{"rule":{"type":"fused_score","theta":1.5}}' 'rule.theta: expected a number from 0 to 1, got 1.5'
config_fails '{"rule":{"type":"score_threshold","theta":-1}}' 'rule.theta: expected a number from 0 to 1, got -1'
config_fails '{"rule":{"type":"score_threshold","alpha_per_s":1}}' 'rule.alpha_per_s: unknown key'
config_fails '{"rule":{"type":"score_threshold","small":"edge","large":"edge"}}' \
    'rule.large: expected another endpoint than small, got edge'
config_fails '{"rule":{"type":"random_rate","rate":2}}' 'rule.rate: expected a number from 0 to 1, got 2'
config_fails '{"rule":{"type":"random_rate","seed":1.5}}' 'rule.seed: expected a whole number, got 1.5'
config_fails '{"rule":{"type":"random_rate","seed":-1}}' 'rule.seed: expected a number from 0 to'
config_fails '{"rule":{"type":"lowest_cost","hysteresis":"-1 ms"}}' 'rule.hysteresis: must not be negative'
config_fails '{"rule":{"type":"lowest_cost","hysteresis":150}}' \
    'rule.hysteresis: expected a time such as "38 ms", got "150"'

# One endpoint is enough for lowest_cost and always, and for no other.
one='"endpoints":[{"name":"alone","prefill_rate":"9 tok/s","tpot":"9 ms/tok"}]'
for type in fused_score score_threshold random_rate; do
    config_fails "{$one,\"rule\":{\"type\":\"$type\"}}" \
        'rule.large: this rule needs two endpoints, but only alone is configured'
done
for type in lowest_cost always; do
    echo "{$one,\"rule\":{\"type\":\"$type\"}}" >config.json
    runs 0 -- route --config config.json --json --compare two.jsonl
    has_turns 3 "one endpoint and $type"
done

finish
