# qlroute replay: what it prints and writes, on a small folder of recorded answers and links.
. "$(dirname "$0")/support.sh"
root=$(realpath "$demo/../..")
bash "$root/tests/program/replay_data.sh" data || wrong "replay_data.sh" "status 0" "$?"
few='--resamples 20 --no-ablations --links wifi,5g --policies random --most-dialogues 16'
brief="--rounds 1 $few"

# keys KEY: its values in report.json, one a line; texts and numbers only.
keys() {
    sed -n 's/^ *"'"$1"'": "\{0,1\}\([^",]*\)"\{0,1\},\{0,1\}$/\1/p' "$2"
}

# What is printed and written.
runs 0 -- replay --data data --workload mtbench,gsm8k --rounds 1 --resamples 20 --most-dialogues 12 --out report
equal "progress in a pipe" "" "$(cat err)"
cmp -s out report/report.txt || wrong "report.txt" "what was printed" "$(diff out report/report.txt | head -n 4)"
equal "workloads, in the order asked for" "mtbench gsm8k" "$(sed -n 's/^\([a-z0-9_]*\): .* dialogues, .* turns, 1 rounds$/\1/p' out | in_one_line)"
grep -q '^gsm8k: gemma-2-2b-it on phone_8elite_cpu, Meta-Llama-3.1-70B-Instruct on rtx4090x2; 7 dialogues, 7 turns, 1 rounds$' out ||
    wrong "who answers where" "gsm8k" "$(shortened out)"
for line in '  policy .* quality .* latency s .* regret s$' '  qlroute ' '  oracle ' '  at the quality of each competitor$' \
    '  best competitor: [a-z_]*: latency .* %.*, large calls .*, quality ' '  the oracle there: latency ' \
    '    5g  *latency ' '  against qlroute, at the same quality$'; do
    equal "lines $line" 2 "$(grep -c "^$line" out)"
done

# report.json: whole, and with no field that its page does not name.
equal "schema" "qlroute.replay/1" "$(keys schema report/report.json)"
equal "in the headline, then in full, then its own headline" "mtbench gsm8k mtbench mtbench gsm8k gsm8k" \
    "$(keys workload report/report.json | in_one_line)"
equal "links" "wifi lte_static lte_driving 5g starlink" \
    "$(sed -n '/"links"/,/^  *\],/p' report/report.json | sed -n 's/^ *"name": "\(.*\)",$/\1/p' | head -n 5 | in_one_line)"
for key in $(grep -o '^ *"[A-Za-z0-9_]*":' report/report.json | tr -d ' ":' | sort -u); do
    grep -qF "\`$key\`" "$root/docs/replay.md" || wrong "docs/replay.md" "a word of the field $key" "none"
done
if [ -x /usr/bin/python3 ]; then
    /usr/bin/python3 -B "$root/scripts/plot_report" report/report.json --check >checked 2>&1 ||
        wrong "report.json" "a whole report" "$(shortened checked)"
fi

# The same seed, the same bytes.
runs 0 -- replay --data data --workload gsm8k $brief --out one
cp out one.out
runs 0 -- replay --data data --workload gsm8k $brief --out two --seed 1
cmp -s one.out out || wrong "printed with the same seed" "the same" "$(diff one.out out | head -n 4)"
diff -r one two >differences || wrong "written with the same seed" "the same" "$(shortened differences)"
runs 0 -- replay --data data --workload gsm8k $brief --out other --seed 2
equal "the seed" 2 "$(keys seed other/report.json)"
! cmp -s one.out out || wrong "printed with another seed" "another draw" "the same"

# What is compared: those asked for, and those that every comparison needs.
equal "policies" "always_device always_edge random qlroute oracle" \
    "$(keys policy one/report.json | awk '!seen[$0]++' | grep -v , | in_one_line)"
equal "ablations" 0 "$(grep -c -e ablation -e 'against qlroute' one/report.json one.out | awk -F: '{ n += $2 } END { print n }')"
equal "networks" "wifi 5g" "$(keys network one/report.json | awk '!seen[$0]++' | in_one_line)"

# Options that change what is replayed.
runs 0 -- replay --data data --workload mmlu $few --rounds 2 --calibration 0.25 --load 0.3 \
    --quality-price 12 --device phone_8gen3_gpu --edge a100_80 --out options
equal "dialogues to tune on" 4 "$(keys calibration_dialogues options/report.json)"
equal "and to measure on" 12 "$(keys test_dialogues options/report.json)"
equal "turns" 12 "$(keys test_turns options/report.json)"
equal "rounds" 2 "$(keys rounds options/report.json)"
equal "load" 0.3 "$(keys load options/report.json)"
equal "price" 12.0 "$(keys quality_price_s options/report.json)"
equal "devices" "phone_8gen3_gpu a100_80" "$(keys device options/report.json | in_one_line)"
zcat data/outcomes/mmlu_cascade.jsonl.gz |
    sed 's/.*"id":"\([^"]*\)".*"score":\([01]\).*"score":\([01]\).*/{"id":"\1","p_small":\2,"p_large":\3}/' >perfect.jsonl
runs 0 -- replay --data data --workload mmlu $brief --predictions perfect.jsonl --out given
equal "whose predictions" given "$(keys predictions given/report.json | head -n 1)"
grep -qF 'response: predictions of perfect.jsonl' given/report.json || wrong "notes" "perfect.jsonl" "none"

# Rows of one question are all tuned on, or all measured on: of stems of 1, 2, 4 and 8 rows, half of the stems.
for stem in 1 2 4 8; do
    for choice in $(seq 1 "$stem"); do
        printf '{"id":"%s-%s","score_type":"binary","turns":["What is %s?\\nA. %s\\nB. 0\\nAnswer:"],"models":{"llama3.2-3b":{"score":%s,"output_tokens":1},"llama3.1-70b":{"score":1,"output_tokens":1}}}\n' \
            "$stem" "$choice" "$stem" "$choice" "$((choice % 2))"
    done
done >stems.jsonl
mkdir -p stems/outcomes
cp -r data/traces stems/
gzip -c stems.jsonl >stems/outcomes/mmlu_cascade.jsonl.gz
for seed in 1 2 3; do
    runs 0 -- replay --data stems --workload mmlu $brief --calibration 0.5 --seed "$seed" --out stems.out
    tuned=$(keys calibration_dialogues stems.out/report.json)
    case "$tuned" in 3 | 5 | 6 | 9 | 10 | 12) ;; *) wrong "rows of two stems, seed $seed" "3, 5, 6, 9, 10 or 12" "$tuned" ;; esac
    equal "the others" "$((15 - tuned))" "$(keys test_dialogues stems.out/report.json)"
done

# A bad line is skipped.
{ cat stems.jsonl; echo '{"id":"x"}'; } | gzip >stems/outcomes/mmlu_cascade.jsonl.gz
runs 1 -- replay --data stems --workload mmlu $brief
equal "complaints" 1 "$(wc -l <err)"
grep -q 'stems/outcomes/mmlu_cascade.jsonl.gz:16: turns: missing;.*; the line is skipped$' err ||
    wrong "a bad line" "its number" "$(shortened err)"

# What is wrong.
fails_with 2 '--data is required' -- replay
fails_with 2 '--workload: unknown workload "chess"; known are mmlu, mmlu_routellm, gsm8k,' -- \
    replay --data data --workload gsm8k,chess
fails_with 2 '--links: unknown network "3g"; known are wifi, lte_static, lte_driving, 5g, starlink' -- \
    replay --data data --links 3g
fails_with 2 '--policies: unknown policy "best"; known are always_device, always_edge, random,' -- \
    replay --data data --policies best
fails_with 2 'cannot read "nowhere/traces/index.csv": No such file or directory' -- replay --data nowhere
rm stems/outcomes/mmlu_cascade.jsonl.gz stems/traces/free/wifi.csv.gz
fails_with 2 'workload "mmlu": cannot read "stems/outcomes/mmlu_cascade.jsonl.gz": No such file or directory' -- \
    replay --data stems --workload mmlu --links 5g
fails_with 2 'cannot read "stems/traces/free/wifi.csv.gz": No such file or directory' -- \
    replay --data stems --workload mmlu --links 5g,wifi
fails_with 2 'workload "gsm8k": 3 different questions; expected at least 4,' -- \
    replay --data data --workload gsm8k --most-dialogues 3
fails_with 2 'no device preset named "abacus" has a reading and a writing speed; those that do are ' -- \
    replay --data data --workload gsm8k --device abacus
fails_with 2 'cannot read "none.jsonl": No such file or directory' -- \
    replay --data data --workload gsm8k --predictions none.jsonl
: >file
fails_with 2 '--out: cannot make the folder file/report: Not a directory' -- \
    replay --data data --workload gsm8k --out file/report
mkdir -p blocked/report.json
runs 2 -- replay --data data --workload gsm8k $brief --out blocked
grep -q '^qlroute: --out: cannot write blocked/report.json' err || wrong "a file that cannot be written" "which" "$(shortened err)"
fails_with 2 '--calibration: Value 1 not in range' -- replay --data data --calibration 1
fails_with 2 '--rounds: Value 0 not in range' -- replay --data data --rounds 0

finish
