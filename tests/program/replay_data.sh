# A small folder of recorded answers and links, made up: bash replay_data.sh DIR
# Every workload and every network that qlroute replay knows is in it. The phone answers sums well and proofs badly, the
# edge nearly all.
set -eu
export LC_ALL=C
mkdir -p "$1/outcomes" "$1/traces/free"
cd "$1"

# each COUNT: lines of a number, the score of the small model, that of the large one, and a question
each() {
    local i kind small large
    for i in $(seq 1 "$1"); do
        if [ $((i % 2)) = 0 ]; then kind="What is $i plus $((i * 3))?" small=1
        else kind="Prove that every group of order $i squared is abelian, or find a counterexample."; small=0; fi
        [ $((i % 7)) = 0 ] && small=$((1 - small))
        large=1
        [ $((i % 11)) = 0 ] && large=0
        printf '%s\t%s\t%s\t%s\n' "$i" "$small" "$large" "$kind"
    done
}

# single FILE COUNT BENCHMARK SMALL LARGE CHOICES EXTRA: EXTRA is more of an answer, with N for a length
single() {
    each "$2" | while IFS=$'\t' read -r i small large question; do
        length=$((20 + i % 9 * 5))
        printf '{"id":"%s/%s","benchmark":"%s","category":"%s","score_type":"binary","turns":["%s%s"],"models":{"%s":{"score":%s%s},"%s":{"score":%s%s}}}\n' \
            "$3" "$i" "$3" "kind$((i % 2))" "$question" "$6" "$4" "$small" "${7//N/$length}" "$5" "$large" "${7//N/$((length + 6))}"
    done >"outcomes/$1.jsonl"
    gzip -nf "outcomes/$1.jsonl"
}

choices='\nA. 1\nB. 2\nAnswer:'
tokens=',"output_tokens":N,"input_tokens":60'
characters=',"output_tokens":null,"output_chars":N0'
single mmlu_cascade 60 mmlu llama3.2-3b llama3.1-70b "$choices" ',"output_tokens":1,"input_tokens":90,"conf":-0.4'
single mmlu_routellm 60 mmlu mixtral-8x7b-instruct-v0.1 gpt-4-1106-preview "$choices" ',"output_tokens":null'
single gsm8k_cascade_train300 40 gsm8k llama3.2-3b llama3.1-70b '' "$tokens"',"conf":-0.2'
single mmlu_pro 60 mmlu_pro Phi-3-mini-4k-instruct Meta-Llama-3.1-70B-Instruct "$choices" "$characters"
single math_oenowen 60 math qwen2.5-1.5b-instruct-bnb4 qwen2.5-14b-instruct-bnb4 '' "$tokens"
single math_l5_zeroeval 60 math_l5 Qwen2.5-3B-Instruct Qwen2.5-72B-Instruct '' "$characters"
# Two pairs in one file.
single gsm8k_test 60 gsm8k gemma-2-2b-it Meta-Llama-3.1-70B-Instruct '' "$characters"
gzip -dc outcomes/gsm8k_test.jsonl.gz |
    sed 's/"models":{"[^"]*":\({[^}]*}\),"[^"]*":\({[^}]*}\)/&,"Phi-3.5-mini-instruct":\1,"Qwen2-72B-Instruct":\2/' |
    gzip -n >outcomes/both.gz
mv outcomes/both.gz outcomes/gsm8k_test.jsonl.gz

# Dialogues of two turns.
each 24 | while IFS=$'\t' read -r i small large question; do
    printf '{"id":"mtbench/%s","benchmark":"mtbench","category":"kind%s","score_type":"judge10_gpt4","turns":["%s","And now in %s words?"],"models":{"mixtral-8x7b-instruct-v0.1":{"score":5,"turn_scores":[%s,%s],"turn_output_chars":[%s,300]},"gpt-4-1106-preview":{"score":9,"turn_scores":[%s,8],"turn_output_chars":[%s,280]}}}\n' \
        "$i" "$((i % 2))" "$question" "$i" "$((1 + small * 9))" "$((4 + i % 5))" "$((i * 20 + 80))" "$((1 + large * 9))" "$((i * 20 + 120))"
done | gzip -n >outcomes/mtbench.jsonl.gz
each 24 | while IFS=$'\t' read -r i small large question; do
    printf '{"id":"structflow/%s","benchmark":"structflow","category":"kind%s","score_type":"constraint_fraction_gpt4o","turns":["%s","Say it in %s words.","Thanks. And now as a list?"],"assistant_ref":["It is as it is, %s.","So it is.","1. so 2. it 3. is"],"models":{"phi_3_5_mini_instruct":{"score":0.5,"turn_scores":[%s,0.5,1],"turn_output_chars":[%s,300,90]},"gpt4o":{"score":1,"turn_scores":[%s,1,1],"turn_output_chars":[%s,280,100]},"qwen2_5_14b_instruct":{"score":0.9,"turn_scores":[1,1,0.7],"turn_output_chars":[200,240,90]}}}\n' \
        "$i" "$((i % 2))" "$question" "$i" "$i" "$small" "$((i * 20 + 80))" "$large" "$((i * 20 + 120))"
done | gzip -n >outcomes/structflow.jsonl.gz
each 24 | while IFS=$'\t' read -r i small large question; do
    task=CM
    [ $((i % 2)) = 0 ] && task=MR
    printf '{"id":"mtbench101/%s/%s","benchmark":"mtbench101","category":"%s","score_type":null,"turns":["%s","Go on, %s."],"assistant_ref":["It is as it is.","And so on, and so forth."],"models":{}}\n' \
        "$task" "$i" "$task" "$question" "$i"
done | gzip -n >outcomes/mtbench101.jsonl.gz
printf '{"tasks":["CM","MR"],"scores":{"Yi-6B-Chat":{"CM":7.3,"MR":1.9},"Yi-34B-Chat":{"CM":8.2,"MR":4.6}}}\n' \
    >outcomes/mtbench101_task_scores.json
# A few tokens of instructions around an example question.
printf '{"zeroeval/gsm":{"user_example":"## Question: How many? ## Instruction"},"zeroeval/math-l5":{"user_example":"## Question: Which? ## Instruction"}}\n' \
    >outcomes/templates.json

# trace FILE SECONDS UP DOWN RTT: rates in Mbit/s that swing by a half, empty: not measured
trace() {
    local t
    printf 't_s,uplink_bps,downlink_bps,rtt_s,snr_db\n' >"traces/free/$1"
    for t in $(seq 0 $(($2 - 1))); do
        printf '%s,%s,%s,%s,\n' "$t" "${3:+$(($3 * (500000 + 100000 * (t % 11))))}" \
            "${4:+$(($4 * (500000 + 100000 * (t % 7))))}" "$5"
    done >>"traces/free/$1"
    gzip -nf "traces/free/$1"
}
trace wifi.csv 120 20 15 0.003
trace lte_static.csv 120 9 14 0.04
trace driving_1.csv 90 2 8 ''
trace driving_2.csv 60 1 6 ''
trace driving_down.csv 60 '' 9 ''
trace transit.csv 60 '' 9 ''
trace sa_up.csv 90 28 '' ''
trace sa_down_1.csv 90 '' 40 ''
trace sa_down_2.csv 90 '' 36 ''
trace nsa_up.csv 90 70 '' ''
trace nsa_down.csv 90 '' 100 ''
trace star_up.csv 90 18 '' ''
trace star_down.csv 90 '' 80 ''
cat >traces/index.csv <<'INDEX'
file,net,source,has_ul,has_dl,mobility,note
free/wifi.csv.gz,wifi-edge,"made up, here",True,True,static,"so it is said: ""made up"""
free/lte_static.csv.gz,lte-edge,made up,True,True,static,
free/driving_1.csv.gz,lte,made up,True,True,driving,
free/driving_2.csv.gz,lte,made up,True,True,driving,
free/driving_down.csv.gz,lte,made up,False,True,driving,
free/transit.csv.gz,lte,made up,False,True,transit,
free/sa_up.csv.gz,5g-sa-low,made up,True,False,walking,
free/sa_down_1.csv.gz,5g-sa-low,made up,False,True,walking,
free/sa_down_2.csv.gz,5g-sa-low,made up,False,True,walking,
free/nsa_up.csv.gz,5g-nsa-low,made up,True,False,walking,
free/nsa_down.csv.gz,5g-nsa-low,made up,False,True,walking,
free/star_up.csv.gz,leo-starlink,made up,True,False,driving,
free/star_down.csv.gz,leo-starlink,made up,False,True,driving,
INDEX
