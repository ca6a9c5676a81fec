# qlroute thresholds: theta of the rule score_threshold.
. "$(dirname "$0")/support.sh"
prompts="$demo/dialogues.jsonl"
count=$(grep -c . "$prompts")
small=$("$program" models | grep -m 1 -e '2b' -e '7b' -e '8b')
large=$("$program" models | grep -m 1 -e 'gpt-4' -e '70b')
pair="--small $small --large $large"

# p_small, one a line.
"$program" score --endpoint "$small" "$prompts" | sed 's/.*:\([0-9.e-]*\)}}$/\1/' >p_small

# The rule says the same: so many prompts have 1 - P(small) > theta.
runs 0 -- thresholds --rows "$prompts" $pair --call-rate 0.3 --json
equal "objects" 1 "$(wc -l <out)"
called=$(awk -v theta="$(values theta)" '1 - $1 > theta' p_small | wc -l)
equal "prompts above theta" $((count * 3 / 10)) "$called"
equal "rows" "$count" "$(values rows)"
equal "aim" call_rate "$(values aim)"
equal "met" true "$(values met)"
runs 0 -- thresholds --rows - $pair --call-rate 0.3 --json <"$prompts"
equal "call rate, from standard input" 1 "$(values call_rate | awk '{ print ($1 > 0.29 && $1 <= 0.3) }')"
runs 0 -- thresholds --rows "$prompts" $pair --call-rate 0.3
equal "for people" 1 "$(grep -Ec "^theta +0\.[0-9]+: $large answers where 1 - P\($small\) is more$" out)"
equal "for people" 1 "$(grep -Ec "^call rate +30.0 % of $count prompts$" out)"

# None, and all.
runs 0 -- thresholds --rows "$prompts" $pair --call-rate 0 --json
equal "theta of no call" none "$(values theta)"
runs 0 -- thresholds --rows "$prompts" $pair --call-rate 1 --json
equal "theta of all calls" all "$(values theta)"
runs 0 -- thresholds --rows "$prompts" $pair --call-rate 0
grep -q "^theta *none: no prompt goes to $large; in a rule, 1$" out || wrong "no call" "none" "$(shortened out)"
runs 0 -- thresholds --rows "$prompts" $pair --call-rate 1
grep -q "^theta *all: every prompt goes to $large; in a rule, 0$" out || wrong "all calls" "all" "$(shortened out)"

# Quality and cost.
runs 0 -- thresholds --rows "$prompts" $pair --quality 0 --json
equal "calls for no quality" none "$(values theta)"
runs 0 -- thresholds --rows "$prompts" $pair --quality 1 --json
equal "a quality that no model has" false "$(values met)"
runs 0 -- thresholds --rows "$prompts" $pair --quality 1
equal "it is said" 1 "$(grep -c '^The aim cannot be reached; this is what comes nearest.$' out)"
runs 0 -- thresholds --rows "$prompts" $pair --cost 0.5 --small-cost 0.1 --large-cost 1 --json
equal "cost" 1 "$(values reached | awk '{ print ($1 <= 0.5 + 1e-9) }')"
runs 0 -- thresholds --rows "$prompts" $pair --cost 0.05 --small-cost 0.1 --large-cost 1 --json
equal "a budget that nothing fits" 'false none' "$(values met) $(values theta)"
runs 0 -- thresholds --rows "$prompts" $pair --cost 0.5 --small-cost 0.1 --large-cost 1
equal "cost for people" 1 "$(grep -Ec '^cost +0\.[0-9]+ a prompt$' out)"

# An endpoint file.
outcome_rows >rows.jsonl
"$program" calibrate --rows rows.jsonl --endpoint phone --out phone.json >/dev/null
runs 0 -- thresholds --rows rows.jsonl --small phone.json --large "$large" --call-rate 0.5 --json
equal "its name" phone "$(values small)"

# What is wrong.
fails_with 2 'thresholds needs --rows: JSON lines' -- thresholds $pair --call-rate 0.3
fails_with 2 'thresholds needs --small and --large: endpoint files (.json) or known models' -- \
    thresholds --rows two.jsonl --small "$small" --call-rate 0.3
fails_with 2 'thresholds needs one of --call-rate, --quality and --cost' -- thresholds --rows two.jsonl $pair
fails_with 2 'excludes' -- thresholds --rows two.jsonl $pair --call-rate 0.3 --quality 0.5
fails_with 2 '--cost, --small-cost and --large-cost go together: a budget, and what a call costs' -- \
    thresholds --rows two.jsonl $pair --cost 1
fails_with 2 '--cost, --small-cost and --large-cost go together' -- \
    thresholds --rows two.jsonl $pair --call-rate 0.3 --small-cost 1
fails_with 2 '--call-rate: Value 1.5 not in range' -- thresholds --rows two.jsonl $pair --call-rate 1.5
fails_with 2 '--small: "nobody" is no known model; nearest are ' -- \
    thresholds --rows two.jsonl --small nobody --large "$large" --call-rate 0.3
fails_with 2 'cannot read "none.json"' -- thresholds --rows two.jsonl --small "$small" --large none.json --call-rate 0.3
fails_with 2 'cannot read "none.jsonl"' -- thresholds --rows none.jsonl $pair --call-rate 0.3
fails_with 2 '/dev/null: no prompt in it' -- thresholds --rows /dev/null $pair --call-rate 0.3
printf '%s\n' '{"id":"a","turns":["x"]}' 'no' '{"id":"b","turns":["y"]}' >bad.jsonl
fails_with 1 'bad.jsonl:2: not JSON at byte 2' -- thresholds --rows bad.jsonl $pair --call-rate 0.5 --json
equal "good lines" 2 "$(values rows)"

finish
