# qlroute calibrate: an endpoint file from outcome rows; and who reads it.
. "$(dirname "$0")/support.sh"
outcome_rows >rows.jsonl
known=$("$program" models | head -n 1)

runs 0 -- calibrate --rows rows.jsonl --endpoint phone --out phone.json
equal "complaints" "" "$(cat err)"
equal "what is printed" 1 "$(grep -c '^phone.json: phone, 60 rows of 60 questions; 0 had no score of it$' out)"
equal "out of fold" 3 "$(grep -Ec '(AUC|Brier|ECE) +[0-9.]+ \([0-9.]+ to [0-9.]+\)$' out)"
equal "calibration" 1 "$(grep -Ec '^  calibration +(none|temperature|platt|isotonic)$' out)"
auc=$(sed -n 's/.*AUC *\([0-9.]*\).*/\1/p' out)
equal "sums are told from proofs, out of fold: AUC $auc" 1 "$(echo "$auc" | awk '{ print ($1 > 0.7) }')"
for key in '"format": "qlroute.endpoint"' '"version": 1' '"name": "phone"' '"predictor": "response"' '"weights": \[' \
    '"bias": ' '"covariance": \[' '"method": ' '"rows": 60' '"mean": ' '"auc": \[' '"brier": \[' '"ece": \[' \
    '"interval_width": '; do
    equal "lines of $key" 1 "$(grep -c "$key" phone.json)"
done
equal "files" 0 "$(ls | grep -c part)"

# The same rows and seed give the same file; gzipped rows, too.
gzip -c rows.jsonl >rows.jsonl.gz
runs 0 -- calibrate --rows rows.jsonl.gz --endpoint phone --out again.json
cmp -s phone.json again.json || wrong "the same rows" "the same file" "$(diff phone.json again.json | head -n 5)"
runs 0 -- calibrate --rows rows.jsonl --endpoint phone --out fewer.json --limit 30 --seed 2
equal "rows of --limit 30" 1 "$(grep -c '"rows": 30' fewer.json)"
runs 0 -- calibrate --rows rows.jsonl --endpoint phone --out like.json --known "$known"
if cmp -s phone.json like.json; then wrong "--known" "another ability" "the same"; fi

# Whoever scores and routes reads it.
printf '%s\n' '{"id":"sum","turns":["What is 14 plus 3?"]}' \
    '{"id":"proof","turns":["Prove that every group of order 9 squared is abelian, or find a counterexample."]}' >ask.jsonl
runs 0 -- score --endpoint phone.json --endpoint "$known" --intervals ask.jsonl
p='[0-9.e-]+'
equal "lines" 2 \
    "$(grep -Ec '"p_success":\{"phone":'$p',"'"$known"'":'$p'\},"p_interval":\{"phone":\['$p,$p'\]\}\}$' out)"
equal "P within its interval, and the sum easier" 1 "$(sed 's/.*"phone":\([0-9.e-]*\),.*\[\([0-9.e-]*\),\([0-9.e-]*\)\].*/\1 \2 \3/' out |
    awk '$1 < $2 || $1 > $3 { bad = 1 } { p[NR] = $1 } END { print (!bad && p[1] > p[2]) }')"
cp out by_option
mkdir beside
cp phone.json beside
echo '{"endpoints":[{"name":"phone","ability":"phone.json","prefill_rate":"9 tok/s","tpot":"9 ms/tok"}]}' >beside/config.json
runs 0 -- score --config beside/config.json ask.jsonl
sed 's/,"'"$known"'.*/}}/' by_option | cmp -s - out ||
    wrong "an endpoint file beside the configuration" "$(shortened by_option)" "$(shortened out)"
runs 0 -- score --config beside/config.json --intervals ask.jsonl
equal "intervals of the configuration" 2 "$(grep -c '"p_interval":{"phone":\[' out)"
runs 0 -- route --config beside/config.json --json ask.jsonl
equal "P in route" "$(sed 's/.*"p_success":{"phone":\([0-9.e-]*\),.*/\1/' by_option | cut -c 1-9)" \
    "$(values p_success | cut -c 1-9)"

# A curve: route and score go through it.
sed 's/"method": *"[a-z]*"/"method": "isotonic", "at": [0.1, 0.9], "value": [0.25, 0.25]/' phone.json |
    sed '/"degree"/d; /"slope"/d; /"intercept"/d' >flat.json
if grep -q '"at": \[$' flat.json; then awk '/^    "at": \[$/ { skip = 1 } !skip; /^  }/ { skip = 0 }' flat.json >cut && mv cut flat.json; fi
sed 's/phone.json/..\/flat.json/' beside/config.json >beside/flat.json
runs 0 -- score --endpoint flat.json --intervals ask.jsonl
equal "a flat curve" 2 "$(grep -c '"p_success":{"phone":0.25},"p_interval":{"phone":\[0.25,0.25\]}}' out)"
runs 0 -- route --config beside/flat.json --json ask.jsonl
equal "a flat curve in route" '0.25 0.25' "$(values p_success | in_one_line)"

# Judges from 1 to 10; and turns.
for i in $(seq 1 15); do
    printf '{"id":"j%s","score_type":"judge10_gpt4","turns":["Say %s words.","And now %s?"],"assistant_ref":["ok"],"models":{"judged":{"score":10,"turn_scores":[10,%s]},"other":{"score":5.5}}}\n' \
        "$i" "$i" "$i" "$((i % 2 ? 1 : 10))"
done >judged.jsonl
runs 0 -- calibrate --rows judged.jsonl --endpoint judged --out judged.json
equal "a row a turn" 1 "$(grep -c '^judged.json: judged, 30 rows of 15 questions' out)"
equal "1 is 0 and 10 is 1" 1 "$(grep -c 'good answers  *0.733 ' out)"
fails_with 2 'judged.jsonl: 15 rows with a score of "other"; expected at least 20' -- \
    calibrate --rows judged.jsonl --endpoint other --out other.json
printf '{"id":"n","turns":["x"],"models":{"phone":{"score":null}}}\n{"id":"m","turns":["x"],"models":{}}\n' |
    cat rows.jsonl - >gaps.jsonl
runs 0 -- calibrate --rows gaps.jsonl --endpoint phone --out gaps.json
equal "rows without a score" 1 "$(grep -c '60 rows of 60 questions; 2 had no score of it' out)"

# What is wrong with lines.
at() { printf '{"id":"x","turns":["x"],%s}' "$1"; }
skips() { rows_skipped "$1" "$2" -- calibrate --rows bad.jsonl --endpoint phone --out bad.json --force; }
skips 'no' 'not JSON at byte 2; expected an object such as {"id": "a", "turns": ["hello"], "models": {"phi": {"score": 1}}}'
skips '{"turns":["x"]}' 'id: missing; expected a text or a whole number'
skips '{"id":1,"turns":[]}' 'turns: expected a list of at least one text'
skips '{"id":1,"turns":["x"]}' 'models: missing; expected an object of scores'
skips "$(at '"models":[]')" 'models: expected an object of scores, got an empty list'
skips "$(at '"models":{"phone":1}')" 'models.phone: expected an object with a score, got 1'
skips "$(at '"models":{"phone":{"score":2}}')" 'models.phone.score: expected a number from 0 to 1 or null, got 2'
skips "$(at '"models":{"phone":{"score":"1"}}')" 'models.phone.score: expected a number from 0 to 1 or null, got "1"'
skips "$(at '"score_type":"judge10","models":{"phone":{"score":0}}')" \
    'models.phone.score: expected a number from 1 to 10 or null, got 0'
skips "$(at '"score_type":7,"models":{}')" 'score_type: expected a text, got 7'
skips "$(at '"models":{"phone":{"score":1,"turn_scores":[1,1]}}')" \
    'models.phone.turn_scores: expected a list of 1, as many as there are turns, got one of 2'
skips "$(at '"models":{"phone":{"score":1,"turn_scores":[2]}}')" \
    'models.phone.turn_scores[0]: expected a number from 0 to 1 or null, got 2'

# What is unusable.
fails_with 2 'calibrate needs --rows: outcome rows as JSON lines' -- calibrate --endpoint phone --out new.json
fails_with 2 'calibrate needs --endpoint: a name that the rows have' -- calibrate --rows rows.jsonl --out new.json
fails_with 2 'calibrate needs --out: the file to write, such as phone.json' -- calibrate --rows rows.jsonl --endpoint phone
fails_with 2 '--out: "new" does not end in .json, by which endpoint files are known' -- \
    calibrate --rows rows.jsonl --endpoint phone --out new
fails_with 2 '--endpoint: no row of rows.jsonl has a model "tablet"; they have edge, phone' -- \
    calibrate --rows rows.jsonl --endpoint tablet --out new.json
fails_with 2 "--known: \"${known}x\" is no known model; nearest are $known" -- \
    calibrate --rows rows.jsonl --endpoint phone --out new.json --known "${known}x"
fails_with 2 'cannot read "none.jsonl": No such file or directory' -- \
    calibrate --rows none.jsonl --endpoint phone --out new.json
head -n 19 rows.jsonl >few.jsonl
fails_with 2 'few.jsonl: 19 rows with a score of "phone"; expected at least 20' -- \
    calibrate --rows few.jsonl --endpoint phone --out new.json
fails_with 2 'rows.jsonl: 19 rows with a score of "phone"; expected at least 20' -- \
    calibrate --rows rows.jsonl --endpoint phone --out new.json --limit 19
for i in $(seq 1 30); do head -n 1 rows.jsonl; done >same.jsonl
fails_with 2 'same.jsonl: 1 different questions; expected at least 5, one for each fold' -- \
    calibrate --rows same.jsonl --endpoint phone --out new.json
[ ! -e new.json ] || wrong "after all this" "no file" "$(ls -l new.json)"
fails_with 2 '--out: "phone.json" exists; give another path, or --force to replace it' -- \
    calibrate --rows rows.jsonl --endpoint phone --out phone.json
cmp -s phone.json again.json || wrong "the file that exists" "as it was" "$(shortened phone.json)"
runs 0 -- calibrate --rows rows.jsonl --endpoint edge --out again.json --force
equal "--force" 1 "$(grep -c '"name": "edge"' again.json)"
fails_with 2 'cannot write "none/new.json.part": No such file or directory' -- \
    calibrate --rows rows.jsonl --endpoint phone --out none/new.json

# Endpoint files that are none.
# file_fails SED "text in the message": phone.json, changed.
file_fails() {
    tr -d '\n' <phone.json | sed "$1" >changed.json
    fails_with 2 "changed.json: $2" -- score --endpoint changed.json two.jsonl
}
file_fails 's/^.*$/[]/' 'not an endpoint file; expected one that qlroute calibrate wrote'
file_fails 's/qlroute.endpoint/other/' 'not an endpoint file; expected one that qlroute calibrate wrote'
file_fails 's/}$//' 'not valid JSON: parse error at line 1'
file_fails 's/"version": 1/"version": 2/' 'version: expected 1, got 2; calibrate again with this program'
file_fails 's/"version": 1,//' 'version: expected 1, got nothing; calibrate again with this program'
file_fails 's/"predictor": "response"/"predictor": "lexical"/' 'predictor: expected "response", got "lexical"'
file_fails 's/"name": "phone"/"name": ""/' 'name: expected a text that is not empty, got ""'
file_fails 's/"probe": \[ *[-.0-9e]*/"probe": [77/' \
    "probe: calibrated for other weights than the predictor's; calibrate again with this program"
file_fails 's/"weights": \[ *[-.0-9e]*,/"weights": [/' 'abilities.weights: expected a list of '
file_fails 's/"weights": \[ *[-.0-9e]*/"weights": ["x"/' 'abilities.weights[0]: expected a finite number, got "x"'
file_fails 's/"weights": \[ *[-.0-9e]*/"weights": [1e300/' 'abilities.weights[0]: expected a finite number, got 1e+300'
file_fails 's/"bias": *[-.0-9e]*/"bias": null/' 'abilities.bias: expected a finite number, got null'
file_fails 's/"covariance"/"other"/' 'abilities.covariance: missing; expected a list of '
file_fails 's/"method": *"[a-z]*"/"method": "magic"/' \
    'calibration.method: expected none, temperature, platt or isotonic, got "magic"'
file_fails 's/"calibration": *{[^}]*}/"calibration": {"method": "isotonic"}/' 'calibration.at: missing; expected a list of numbers'
curve_fails() { file_fails "s/\"calibration\": *{[^}]*}/\"calibration\": {\"method\": \"isotonic\", $1}/" "$2"; }
curve_fails '"at": [], "value": []' 'calibration.at: expected at least one number, got an empty list'
curve_fails '"at": [0.1, 0.2], "value": [0.5]' 'calibration.value: expected a list of 2 numbers, got one of 1'
curve_fails '"at": [0.2, 0.1], "value": [0.5, 0.6]' 'calibration.at[1]: expected more than the number before it, got 0.1'
curve_fails '"at": [0.1, 0.2], "value": [0.5, 0.4]' 'calibration.value[1]: expected no less than the number before it'
curve_fails '"at": [0.1], "value": [1.5]' 'calibration.value[0]: expected a number from 0 to 1, got 1.5'

finish
