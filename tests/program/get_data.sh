# scripts/get_data: what it converts, on small originals that are made here. Nothing is downloaded but from this folder.
. "$(dirname "$0")/support.sh"
source_dir=$(realpath "$demo/../..")
for tool in python3 git gzip; do
    command -v "$tool" >/dev/null || { echo "no $tool"; exit 77; }
done

# gets STATUS ARGS...: leaves stdout and stderr in out and err.
gets() {
    local expected=$1 status=0
    shift
    python3 "$source_dir/scripts/get_data" "$@" >out 2>err </dev/null || status=$?
    [ "$status" = "$expected" ] || wrong "exit status of: get_data $*" "$expected" "$status; stderr: $(shortened err)"
}
# says "text" WHERE
says() {
    grep -qF -e "$1" "$2" || wrong "$2" "$1" "$(shortened "$2")"
}

# The list, and what is asked before anything is downloaded.
gets 0
equal "originals" 11 "$(grep -c '^[a-z0-9_]*: ' out)"
equal "licences" 11 "$(grep -c 'licence: ' out)"
says 'lm-sys/RouteLLM at 0b64fdaf; licence: Apache-2.0' out
gets 1 --to data routellm
says 'licence: Apache-2.0' out
says 'nothing was downloaded; answer y, or give --yes' err
[ ! -e data ] || wrong "a folder without a yes" "none" "$(ls data)"
gets 1 routellm
says '--to DIR is missing' err
gets 1 --to data routelm
says "no original is named 'routelm'; known are routellm, zeroeval," err
gets 1 --to data --convert
says 'data/originals: no original there' err

# RouteLLM: two tables of scores, and judgements.
evals=data/originals/routellm/routellm/evals
mkdir -p $evals/mmlu/responses $evals/gsm8k $evals/mt_bench
columns='prompt,mistralai/Mixtral-8x7B-Instruct-v0.1,gpt-4-1106-preview'
printf '%s\n"What is it?\nA. this\nB. that\nAnswer:",True,False\n"And ""now""?",False,True\n' "$columns" \
    >$evals/mmlu/responses/mmlu_anatomy.csv
printf '%s\nx,True,True\n' "$columns" >$evals/mmlu/responses/mmlu_virology.csv
printf '%s,mistralai/Mixtral-8x7B-Instruct-v0.1_response,gpt-4-1106-preview_response\nHow many?,False,True,"Five, I say.",6\n' \
    "$columns" >$evals/gsm8k/gsm8k_responses.csv
echo '{"question_id":81,"category":"writing","turns":["Write.","Again."]}' >$evals/mt_bench/question.jsonl
judged() {
    printf '{"question_id":81,"model":"%s","turn":%s,"score":%s,"user_prompt":"%s"}\n' "$1" "$2" "$3" "$4"
}
{
    for model in gpt-4-1106-preview mistralai/Mixtral-8x7B-Instruct-v0.1 another; do
        judged $model 1 7 "Judge.\n[The Start of Assistant's Answer]\nabcde\n[The End of Assistant's Answer]"
        judged $model 2 9.5 "### User:\nWrite.\n\n### Assistant A:\nabcde\n\n### User:\nAgain.\n\n### Assistant A:\nabc\n\n<|The End of Assistant A's Conversation with User|>"
    done
} >$evals/mt_bench/judgements.jsonl
gets 0 --to data --convert routellm
gzip -dc data/outcomes/mmlu_routellm.jsonl.gz >rows
equal "questions" 3 "$(wc -l <rows)"
equal "the first" '{"id": "mmlu-test/anatomy/0", "benchmark": "mmlu", "category": "anatomy", "score_type": "binary", "turns": ["What is it?\nA. this\nB. that\nAnswer:"], "models": {"mixtral-8x7b-instruct-v0.1": {"score": 1}, "gpt-4-1106-preview": {"score": 0}}}' \
    "$(head -n 1 rows)"
equal "with its answers' lengths" 1 \
    "$(gzip -dc data/outcomes/gsm8k_routellm.jsonl.gz | grep -c '"mixtral-8x7b-instruct-v0.1": {"score": 0, "output_chars": 12}, "gpt-4-1106-preview": {"score": 1, "output_chars": 1}')"
equal "judgements" '{"id": "mtbench/81", "benchmark": "mtbench", "category": "writing", "score_type": "judge10_gpt4", "turns": ["Write.", "Again."], "models": {"mixtral-8x7b-instruct-v0.1": {"score": 8.25, "turn_scores": [7, 9.5], "turn_output_chars": [5, 3]}, "gpt-4-1106-preview": {"score": 8.25, "turn_scores": [7, 9.5], "turn_output_chars": [5, 3]}}}' \
    "$(gzip -dc data/outcomes/mtbench.jsonl.gz)"
cp data/outcomes/mmlu_routellm.jsonl.gz once.gz
gets 0 --to data --convert
cmp -s once.gz data/outcomes/mmlu_routellm.jsonl.gz || wrong "converting again" "the same bytes" "others"
printf '%s\nx,True,maybe\n' "$columns" >$evals/mmlu/responses/mmlu_virology.csv
gets 1 --to data --convert routellm
says "mmlu_virology.csv: row 1, column gpt-4-1106-preview: expected True or False, got 'maybe'" err
rm -r $evals/mmlu
gets 1 --to data --convert routellm
says 'no mmlu_*.csv; is the original complete?' err
rm -r data

# ZeroEval: answers are graded here.
mkdir -p data/originals/zeroeval/result_dirs/gsm data/originals/zeroeval/result_dirs/math-l5
answers() {
    local id=0 comma='' answer
    printf '['
    for answer in "$@"; do
        printf '%s{"id":"x-#%s","%s":"Q%s","answer":"# 1,200","chat_history":["## Question: Q%s ## Instruction"],"output":["%s"]}' \
            "$comma" "$id" "$key" "$id" "$id" "$answer"
        comma=, id=$((id + 1))
    done
    printf ']\n'
}
key=question
answers '{\"reasoning\": \"so {it} is\", \"answer\": \"$1200.00\"}' 'Well: {\"reasoning\": \"\"x\"\", \"answer\": \"2400/2\"}' \
    '\"answer\": 1200, done' '{\"answer\": \"12 hundred\"}' 'I do not know.' >data/originals/zeroeval/result_dirs/gsm/deepseek-chat.json
key=problem
answers '{\"answer\": -1200}' >data/originals/zeroeval/result_dirs/math-l5/phi.json
gets 0 --to data --convert
gzip -dc data/outcomes/gsm8k_test.jsonl.gz >rows
equal "grades" '1 1 1 0 0' "$(sed 's/.*"score": \([01]\).*/\1/' rows | in_one_line)"
equal "without an answer" 1 "$(grep -c '"np": 1' rows)"
equal "the first" '{"id": "gsm8k-test/0", "benchmark": "gsm8k", "category": "math_word", "score_type": "binary", "turns": ["Q0"], "reference": "1,200", "models": {"deepseek-v2-chat-0628": {"score": 1, "output_chars": 49}}}' \
    "$(head -n 1 rows)"
equal "MATH" 1 "$(gzip -dc data/outcomes/math_l5_zeroeval.jsonl.gz | grep -c '"id": "math-l5/0".*"turns": \["Q0"\].*"phi": {"score": 0,')"
equal "instructions" 2 "$(grep -c '"user_example": "## Question: Q0 ## Instruction"' data/outcomes/templates.json)"
echo '[{"id": 3}]' >data/originals/zeroeval/result_dirs/gsm/phi.json
gets 1 --to data --convert
says "data/originals/zeroeval: not as expected (KeyError: 'answer'); is it of the right commit?" err
rm -r data

# Dialogues.
mkdir -p data/originals/mtbench101/data/subjective data/originals/structflow/evaluation/output/evaluation
echo '{"task":"GR","id":1,"history":[{"user":"a","bot":"b"},{"user":"c","bot":"d"}]}' \
    >data/originals/mtbench101/data/subjective/mtbench101.jsonl
cat >data/originals/structflow/evaluation/output/evaluation/phi_evaluate.json <<'JSON'
[{"conv_task": "Fact-based Q&A: definite questions", "whole_conv": [
  {"user prompt": "a", "assistant answer": "b", "response": "seven", "judge result": [{"judgement": "Yes"}, {"judgement": "Yes"}, {"judgement": "No"}]},
  {"user prompt": "c", "assistant answer": "d", "response": "xy", "judge result": [{"judgement": "Yes"}]}]}]
JSON
gets 0 --to data --convert
equal "MT-Bench-101" '{"id": "mtbench101/GR/1", "benchmark": "mtbench101", "category": "GR", "score_type": null, "turns": ["a", "c"], "assistant_ref": ["b", "d"], "models": {}}' \
    "$(gzip -dc data/outcomes/mtbench101.jsonl.gz)"
equal "its scores" 26 "$(grep -Ec '"[A-Z]{2}": [0-9.]+' data/outcomes/mtbench101_task_scores.json)"
equal "StructFlowBench" '{"id": "structflow/0", "benchmark": "structflow", "category": "Fact-based Q&A", "score_type": "constraint_fraction_gpt4o", "turns": ["a", "c"], "assistant_ref": ["b", "d"], "models": {"phi": {"score": 0.8334, "turn_scores": [0.6667, 1.0], "turn_output_chars": [5, 2]}}}' \
    "$(gzip -dc data/outcomes/structflow.jsonl.gz)"
rm -r data

# Mahimahi: packets of 1500 bytes by the millisecond. Downloaded from here.
mkdir -p host/ravinet/mahimahi/traces data/traces
(
    cd host/ravinet/mahimahi || exit
    printf '%s\n' 0 0 999 1000 3100 >traces/A-LTE-driving.down
    printf '%s\n' 5 2000 2999 3000 4000 >traces/A-LTE-driving.up
    printf '%s\n' 5 1001 >traces/B-LTE-driving.down
    printf '%s\n' 5 1001 >traces/C-UMTS-driving.down
    git init -q . && git add . && git -c user.name=x -c user.email=x@example.org commit -q -m x
) || wrong "a repository" "made" "not made"
commit=$(git -C host/ravinet/mahimahi rev-parse HEAD)
printf 'file,net,mobility\nmine.csv,wifi-edge,static\n' >data/traces/index.csv
gets 0 --to data --yes --host "file://$PWD/host" "mahimahi@$commit"
says 'licence: GPL-3.0' out
equal "the index" 'file,net,source,mobility|lte__mahimahi_A-LTE-driving.csv.gz,lte,ravinet/mahimahi,driving|lte__mahimahi_B-LTE-driving.csv.gz,lte,ravinet/mahimahi,driving|mine.csv,wifi-edge,,static|' \
    "$(grep -v UMTS data/traces/index.csv | tr '\n' '|')"
equal "both directions" 't_s,uplink_bps,downlink_bps,rtt_s,snr_db 0,12000,36000,, 1,0,12000,, 2,24000,0,,' \
    "$(gzip -dc data/traces/lte__mahimahi_A-LTE-driving.csv.gz | in_one_line)"
equal "one direction" '0,,12000,,' "$(gzip -dc data/traces/lte__mahimahi_B-LTE-driving.csv.gz | tail -n 1)"
runs 0 -- route --json --trace data/traces/lte__mahimahi_A-LTE-driving.csv.gz two.jsonl
has_turns 3 "dialogues on it"
gets 0 --to data --yes --host "file://$PWD/host" "mahimahi@$commit"
says 'is there already; remove it to download it again' out
printf '%s\n' 5 4 >data/originals/mahimahi/traces/B-LTE-driving.down
gets 1 --to data --convert
says "B-LTE-driving.down: line 2: expected milliseconds that do not fall, got '4'" err
rm -r data
gets 1 --to data --yes --host "file://$PWD/host" mahimahi
says 'git -C data/originals/mahimahi.part checkout --quiet ae477d437615b972217498ba52be07db17a15618: ' err
gets 1 --to data --yes --host "file://$PWD/host" mahimahi
says 'left over from a download that broke off; remove it' err

finish
