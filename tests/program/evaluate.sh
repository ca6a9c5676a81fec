# qlroute evaluate: the predictor beside others on outcome rows.
. "$(dirname "$0")/support.sh"
outcome_rows >rows.jsonl
small=$("$program" models | grep -m 1 -e '2b' -e '7b' -e '8b')
large=$("$program" models | grep -m 1 -e 'gpt-4' -e '70b')
pair='--small phone --large edge --resamples 50'
ends="--small-endpoint $small --large-endpoint $large"

# For people.
runs 0 -- evaluate --rows rows.jsonl $pair $ends
equal "complaints" "" "$(cat err)"
grep -q '^60 rows; phone answers 0.[0-9]* of them well, edge 0.917$' out || wrong "the beginning" "60 rows" "$(shortened out)"
for method in ours tfidf_logistic nearest lexical length; do
    equal "lines of $method" 2 "$(grep -c "^$method  " out)"
done
equal "titles" 2 "$(grep -Ec '^ +(AUC small +AUC large +Brier small +ECE small|ECE large +APGR +CPT\(50%\) +CPT\(80%\))$' out)"
equal "differences" 1 "$(grep -Ec '^ours - tfidf_logistic, paired: AUC small -?[0-9.]+ \(.*\), APGR -?[0-9.]+ \(.*\)$' out)"
grep -q '^tfidf_logistic, nearest: fitted to the other 4 of 5 folds of these rows$' out ||
    wrong "what the baselines are fitted to" "folds" "$(shortened out)"
equal "length gives no probabilities" 1 "$(grep -Ec '^length +0\.[0-9]+ .* - +-$' out)"
equal "RouteLLM, for another pair" 0 "$(grep -c RouteLLM out)"
cp out once
runs 0 -- evaluate --rows rows.jsonl $pair $ends --seed 1
cmp -s once out || wrong "the same seed" "the same numbers" "$(diff once out | head -n 4)"
gzip -c rows.jsonl >rows.jsonl.gz
runs 0 -- evaluate --rows rows.jsonl.gz $pair $ends
cmp -s once out || wrong "gzipped" "the same numbers" "$(diff once out | head -n 4)"
runs 0 -- evaluate --rows rows.jsonl $pair $ends --reliability
equal "bins of two tables" 20 "$(grep -Ec '^  [01]\.[0-9] to [01]\.[0-9] ' out)"
equal "rows in them" 120 "$(awk '/^  [01]\.[0-9] to/ { sum += $4 } END { print sum }' out)"

# As JSON.
runs 0 -- evaluate --rows rows.jsonl $pair $ends --json
equal "objects" 1 "$(wc -l <out)"
for key in '"rows":60,' '"small":{"model":"phone","endpoint":"'"$small"'","mean":0.' '"unscored":0,' \
    '"methods":\[{"name":"ours","auc_small":\[' '{"name":"length",' '"brier_small":null,"ece_small":null,"ece_large":null' \
    '"ours_minus_tfidf_logistic":{"auc_small":\[' '"published":\[\]'; do
    equal "$key" 1 "$(grep -c "$key" out)"
done
equal "reliability where it is not asked for" 0 "$(grep -c reliability out)"
runs 0 -- evaluate --rows rows.jsonl $pair $ends --json --reliability
equal "reliability" 1 "$(grep -c '"reliability":{"small":\[{"rows":' out)"

# Predictions of another: perfect ones.
sed 's/.*"id":"\([^"]*\)".*"phone":{"score":\([01]\)},"edge":{"score":\([01]\)}.*/{"id":"\1","p_small":\2,"p_large":\3}/' \
    rows.jsonl >perfect.jsonl
runs 0 -- evaluate --rows rows.jsonl $pair --predictions perfect.jsonl --json
equal "perfect predictions" 1 "$(grep -c '"name":"ours","auc_small":\[1.0,1.0,1.0\],"auc_large":\[1.0,1.0,1.0\],"brier_small":\[0.0,' out)"
equal "where they come from" 1 "$(grep -c '"ours":"predictions"' out)"
cp out perfect.out
{ sed 's/}$/,"small":"phone","large":"edge","benchmark":"made-up"}/' perfect.jsonl
  sed 's/"p_small":[01]/"p_small":0.5/; s/}$/,"small":"tablet"}/' perfect.jsonl; } >pairs.jsonl
runs 0 -- evaluate --rows rows.jsonl $pair --predictions pairs.jsonl --json
sed 's/pairs.jsonl/perfect.jsonl/g' out | cmp -s perfect.out - || wrong "predictions of several pairs" "those of this one" "$(shortened out)"
head -n 40 perfect.jsonl >some.jsonl
runs 0 -- evaluate --rows rows.jsonl $pair --predictions some.jsonl
grep -q '^20 rows are not in some.jsonl and are left out$' out || wrong "rows without prediction" "20" "$(shortened out)"
fails_with 2 'rows.jsonl: no row is in /dev/null; do their ids belong together?' -- \
    evaluate --rows rows.jsonl $pair --predictions /dev/null
prediction_fails() {
    { cat perfect.jsonl; printf '%s\n' "$1"; } >bad.jsonl
    fails_with 1 "bad.jsonl:61: $2" -- evaluate --rows rows.jsonl $pair --predictions bad.jsonl
}
prediction_fails 'x' 'not JSON at byte 1; expected an object such as {"id": "a", "p_small": 0.4, "p_large": 0.9}'
prediction_fails '{"id":"z","p_small":0.4}' 'p_large: missing; expected a number from 0 to 1'
prediction_fails '{"id":"z","p_small":7,"p_large":1}' 'p_small: expected a number from 0 to 1, got 7'
prediction_fails '{"id":"z","p_small":1,"p_large":1,"small":3}' 'small: expected a text, got 3'
prediction_fails '{"id":"q1","p_small":1,"p_large":1}' 'id: found twice in this file; expected each once'
fails_with 2 '--predictions says what is predicted; leave --small-endpoint and --large-endpoint out' -- \
    evaluate --rows rows.jsonl $pair $ends --predictions perfect.jsonl

# Baselines from other rows. Questions that are asked are not learnt from.
sed 's/What is/What makes/; s/Prove that/Show that/; s/"id":"q/"id":"t/' rows.jsonl >train.jsonl
runs 0 -- evaluate --rows rows.jsonl $pair $ends --train train.jsonl
grep -q '^tfidf_logistic, nearest: fitted to 60 rows of train.jsonl$' out || wrong "--train" "60 rows" "$(shortened out)"
cat train.jsonl rows.jsonl >both.jsonl
runs 0 -- evaluate --rows rows.jsonl $pair $ends --train both.jsonl
grep -q '^tfidf_logistic, nearest: fitted to 60 rows of both.jsonl; 60 with a question of these rows were left out$' out ||
    wrong "rows of which the question is asked" "left out" "$(shortened out)"
fails_with 2 '--train: no row of rows.jsonl has a score of "phone" for a question that is not in rows.jsonl' -- \
    evaluate --rows rows.jsonl $pair $ends --train rows.jsonl

# Endpoints: calibrated, and by the name of the model.
"$program" calibrate --rows train.jsonl --endpoint phone --out phone.json >/dev/null
runs 0 -- evaluate --rows rows.jsonl $pair --small-endpoint phone.json --large-endpoint "$large"
grep -q "^ours: endpoints phone and $large" out || wrong "an endpoint file" "its name" "$(shortened out)"
upper=$(printf '%s' "$small" | tr a-z A-Z)
sed 's/"phone"/"org\/'"$upper"'"/; s/"edge"/"'"$large"'"/' rows.jsonl >named.jsonl
runs 0 -- evaluate --rows named.jsonl --small "org/$upper" --large "$large" --resamples 10
grep -q "^ours: endpoints $small and $large" out || wrong "by name, in lower case" "$small, $large" "$(shortened out)"
fails_with 2 '"phone" is no known model; nearest are ' -- evaluate --rows rows.jsonl $pair
fails_with 2 'or a file that qlroute calibrate wrote, with --small-endpoint' -- evaluate --rows rows.jsonl $pair
fails_with 2 '--large-endpoint: "nobody" is no known model; nearest are ' -- \
    evaluate --rows rows.jsonl $pair --small-endpoint "$small" --large-endpoint nobody
on=$("$program" models | grep -m 1 '^[^@]*@[^@]*_[^@]*$')
if [ -n "$on" ]; then
    sed 's/"phone"/"'"${on%@*}"'"/' rows.jsonl >"${on#*@}.jsonl"
    runs 0 -- evaluate --rows "${on#*@}.jsonl" --small "${on%@*}" --large edge --large-endpoint "$large" --resamples 10
    grep -q "^ours: endpoints $on and $large" out || wrong "by name and benchmark" "$on" "$(shortened out)"
fi

# The pair of RouteLLM.
sed 's/"phone"/"mixtral-8x7b-instruct-v0.1"/; s/"edge"/"gpt-4-1106-preview"/; s/made-up/gsm8k/' rows.jsonl >pair.jsonl
theirs='--small mixtral-8x7b-instruct-v0.1 --large gpt-4-1106-preview --resamples 10'
runs 0 -- evaluate --rows pair.jsonl $theirs --predictions perfect.jsonl
equal "GSM8K" 1 "$(grep -Ec '^RouteLLM gsm8k +0.622 +33.6 % +63.3 %$' out)"
equal "MMLU" 0 "$(grep -c '^RouteLLM mmlu' out)"
grep -qF 'RouteLLM, published, not trained in-domain (arXiv 2406.18665v4), tables 2 and 3' out ||
    wrong "whose numbers" "RouteLLM's" "$(shortened out)"
cp pair.jsonl mmlu_pair.jsonl
runs 0 -- evaluate --rows mmlu_pair.jsonl $theirs --predictions perfect.jsonl --json
equal "MMLU, by the file's name" 1 "$(grep -c '"benchmark":"mmlu","apgr":0.603,"cpt50":0.354,"cpt80":0.703' out)"

# Dialogues: a row a turn.
for i in $(seq 1 12); do
    printf '{"id":"d%s","score_type":"judge10","turns":["Say %s words.","And now %s?"],"models":{"phone":{"score":5,"turn_scores":[10,%s]},"edge":{"score":9,"turn_scores":[9,8]}}}\n' \
        "$i" "$i" "$i" "$((i % 10 + 1))"
done >dialogues.jsonl
runs 0 -- evaluate --rows dialogues.jsonl $pair $ends --json
equal "rows of dialogues" 24 "$(values rows | head -n 1)"

# What is wrong.
rows_skipped '{"id":"x","turns":["x"],"models":{"edge":{"score":-1}}}' \
    'models.edge.score: expected a number from 0 to 1 or null, got -1' -- evaluate --rows bad.jsonl $pair $ends
printf '{"id":"n","turns":["x"],"models":{"phone":{"score":1}}}\n' | cat rows.jsonl - >gaps.jsonl
runs 0 -- evaluate --rows gaps.jsonl $pair $ends
grep -q '^1 rows have no score of both and are left out$' out || wrong "a row of one model" "left out" "$(shortened out)"
fails_with 2 'evaluate needs --rows: outcome rows as JSON lines' -- evaluate $pair
fails_with 2 'evaluate needs --small and --large: names that the rows have' -- evaluate --rows rows.jsonl --small phone
fails_with 2 '--large: expected another model than --small, got "phone"' -- \
    evaluate --rows rows.jsonl --small phone --large phone
fails_with 2 '--small: no row of rows.jsonl has a model "tablet"; they have edge, phone' -- \
    evaluate --rows rows.jsonl --small tablet --large edge $ends
fails_with 2 'cannot read "none.jsonl": No such file or directory' -- evaluate --rows none.jsonl $pair $ends
printf '{"id":"n","turns":["x"],"models":{"phone":{"score":1}}}\n{"id":"m","turns":["x"],"models":{"edge":{"score":1}}}\n' >apart.jsonl
fails_with 2 'apart.jsonl: no row has a score of both models' -- evaluate --rows apart.jsonl $pair $ends
head -n 3 rows.jsonl >few.jsonl
fails_with 2 'few.jsonl: 3 different questions; expected at least 5, one for each fold (--folds)' -- \
    evaluate --rows few.jsonl $pair $ends
runs 0 -- evaluate --rows few.jsonl $pair $ends --folds 3
fails_with 2 '--folds: Value 1 not in range' -- evaluate --rows rows.jsonl $pair $ends --folds 1

finish
