# The router decides, after both engines were measured.
. "$(dirname "$0")/support.sh"

models=(--device device.gguf --edge edge.gguf --tokens 8)
runs 0 -- "${models[@]}" --script "$demo/dialogues.jsonl" --turns 8 --calibration 0.2 --json
equal "turns" 8 "$(wc -l <out)"
holds "the predictor tells prompts apart" 'len({t["p_success"] for t in turns}) > 4'
holds "who is better answers, where time is nothing" 'all(t["endpoint"] == "edge" for t in turns)'

# Time decides where quality is worth nothing; and the other way round.
engine_file slow.json 0.1
runs 0 -- "${models[@]}" --device-engine device.json --edge-engine slow.json --quality-price 0 --script "$demo/dialogues.jsonl" --turns 3 --json
equal "endpoints" "device device device" "$(values endpoint | in_one_line)"
runs 0 -- "${models[@]}" --device-engine slow.json --edge-engine device.json --quality-price 0 --script "$demo/dialogues.jsonl" --turns 3 --json
equal "endpoints" "edge edge edge" "$(values endpoint | in_one_line)"
runs 0 -- "${models[@]}" --device-engine slow.json --edge-engine slow.json --device-ability gpt-4o-2024-08-06 --edge-ability llama-2-7b-hf \
    --quality-price 1000 --script "$demo/dialogues.jsonl" --turns 3 --json
equal "endpoints" "device device device" "$(values endpoint | in_one_line)"
# A wrong figure is learnt away: 0.1 s a token was said.
runs 0 -- "${models[@]}" --device-engine slow.json --edge-engine edge.json --plan device --script "$demo/dialogues.jsonl" --turns 12 --json
holds "predictions come closer" 'abs(turns[-1]["predicted"]["total_s"] - turns[-1]["measured"]["total_s"]) < 0.2 * abs(turns[0]["predicted"]["total_s"] - turns[0]["measured"]["total_s"])'

# What was measured is kept.
rm -f new.json
runs 0 -- "${models[@]}" --device-engine new.json --edge-engine edge.json --calibration 0.2 --script "$demo/dialogues.jsonl" --turns 1
grep -q '"format": "qlroute.endpoint"' new.json || wrong "the endpoint file" "its format" "$(shortened new.json)"
cp new.json kept.json
runs 0 -- "${models[@]}" --device-engine new.json --edge-engine edge.json --script "$demo/dialogues.jsonl" --turns 1
cmp -s new.json kept.json || wrong "the endpoint file" "as it was" "$(shortened new.json)"
grep -q calibrating err && wrong "with two endpoint files" "nothing to measure" "$(shortened err)"

# For people: the text, both times, and medians.
chat 0 --script "$demo/dialogues.jsonl" --turns 3 --plan device,edge
for text in 'monday-morning/2> ugh' 'device> ' 'edge> ' 'ttft' '(predicted ' 'cost ' 'medians of |predicted - measured|' 'switches'; do
    grep -qF -e "$text" out || wrong "what is printed" "$text" "$(shortened out)"
done
chat 0 --script "$demo/dialogues.jsonl" --turns 3 --plan device --quiet
grep -q '^device> ' out && wrong "--quiet" "no replies" "$(shortened out)"
printf 'hello\n\nand you?\n' | chat 0 --json
equal "turns of standard input, without the empty line" "1 2" "$(values turn | in_one_line)"
chat 0 --json --temperature 5 --seed 1 --plan device --script "$demo/dialogues.jsonl" --turns 1
cp out one
chat 0 --json --temperature 5 --seed 2 --plan device --script "$demo/dialogues.jsonl" --turns 1
[ "$(sed 's/.*"text"//' one)" != "$(sed 's/.*"text"//' out)" ] || wrong "another seed" "another text" "$(shortened out)"
finish
