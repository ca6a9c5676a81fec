# qlroute encode: scores and vectors of each line.
. "$(dirname "$0")/support.sh"
golden="$demo/../../tests/golden"

# The recorded model, with the first of the recorded words.
mkdir model bare
cp "$golden/bert_small.json" model/config.json
cp "$golden/bert_small.safetensors" model/model.safetensors
cp model/* bare
head -n 150 "$golden/wordpiece_vocab.txt" >model/vocab.txt
printf '[7]\n[2,9,3]\n[2,10,20,30,40,50,149,0,3]\n' >ids
printf 'a b\n\ncaf\xc3\xa9 un\xff\x00\r\nsomething else 12' >text

# has_floats: whether this build knows --float.
has_floats() {
    "$program" encode --float --model bare --ids ids >/dev/null 2>&1
}

# cosines FILE FILE: the least cosine of their lines, as vectors.
cosines() {
    paste -d ';' "$1" "$2" | tr -d '[]' | awk -F ';' '{
        n = split($1, a, ","); if (split($2, b, ",") != n) { print "lengths differ"; exit }
        ab = aa = bb = 0; for (k = 1; k <= n; ++k) { ab += a[k] * b[k]; aa += a[k] ^ 2; bb += b[k] ^ 2 }
        c = ab / sqrt(aa * bb); if (NR == 1 || c < least) least = c } END { print least }'
}

# near FILE FILE TOLERANCE: 1 if no number differs by more.
near() {
    paste -d ';' "$1" "$2" | tr -d '[]' | awk -F ';' -v most="$3" 'BEGIN { good = 1 } {
        n = split($1, a, ","); if (split($2, b, ",") != n || n == 0) good = 0
        for (k = 1; k <= n; ++k) { d = a[k] - b[k]; if (d > most || d < -most) good = 0 } } END { print good }'
}

# at_least X Y: 1 if X >= Y.
at_least() {
    awk -v x="$1" -v y="$2" 'BEGIN { print (x >= y) ? 1 : 0 }'
}

# The numbers of a line, or of a list in it.
numbers() {
    tr ',' '\n' | wc -l
}

# As recorded: logits of the formulas in floats, and what int8 makes of them.
cat >expected <<'END'
[-0.82657105,0.4692773,-2.378485]
[0.7606539,-0.96439934,-1.8134637]
[0.47349077,-1.4128296,-1.7349153]
END
if has_floats; then
    runs 0 -- encode --float --model bare --ids ids
    equal "logits in floats, as recorded" 1 "$(near expected out 1e-4)"
    equal "complaints" "" "$(cat err)"
    for of in first pooled tokens; do
        runs 0 -- encode --float --of $of --model bare --ids ids
        cp out floats
        runs 0 -- encode --of $of --model bare --ids ids
        equal "cosine of $of, int8 and float: $(cosines out floats)" 1 "$(at_least "$(cosines out floats)" 0.99)"
    done
    fails_with 2 '--simd excludes --float' -- encode --float --simd scalar --model bare --ids ids
    runs 0 -- encode --float --model model text
    equal "texts in floats" 4 "$(grep -c '^\[.*,.*,.*\]$' out)"
else
    fails_with 2 '--float: this program was built without Eigen' -- encode --float --model bare --ids ids
fi
runs 0 -- encode --model bare --ids ids
cp out logits
equal "logits of int8" 1 "$(near expected out 0.1)"
equal "lines of another form" "" "$(grep -Evn '^\[-?[0-9.e-]+(,-?[0-9.e-]+){2}\]$' out)"

# What is printed.
runs 0 -- encode --of logits --model bare --ids ids
cmp -s logits out || wrong "logits by default" "the same" "$(shortened out)"
runs 0 -- encode --of first --model bare --ids ids
equal "length of the first vector" 64 "$(head -n 1 out | numbers)"
cp out first
runs 0 -- encode --of pooled --model bare --ids ids
equal "pooled numbers beyond -1 to 1" "" "$(tr -d '[]' <out | tr ',' '\n' | awk '$1 > 1 || $1 < -1')"
runs 0 -- encode --of tokens --model bare --ids ids
equal "numbers of all tokens" '64 192 576' "$(while read -r line; do printf '%s\n' "$line" | numbers; done <out | in_one_line)"
equal "a list of lists" 3 "$(grep -c '^\[\[.*\]\]$' out)"
equal "lists of the second line" 3 "$(sed -n 2p out | sed 's/^\[//; s/\]$//' | tr -cd '[' | wc -c)"
sed 's/^\[\[\([^]]*\)\].*/[\1]/' out >of_tokens
cmp -s first of_tokens || wrong "the first of all tokens" "what --of first prints" "$(shortened of_tokens)"

# Text is what tokenize makes of it.
runs 0 -- tokenize --vocab model/vocab.txt text
cp out text.ids
runs 0 -- encode --model model --ids text.ids
cp out once
runs 0 -- encode --model model text
equal "texts" 4 "$(wc -l <out)"
cmp -s once out || wrong "texts" "the same as their ids" "$(shortened out)"
runs 0 -- encode --model model - <text
cmp -s once out || wrong "stdin" "the same" "$(shortened out)"
runs 0 -- encode --model model <text
cmp -s once out || wrong "stdin by default" "the same" "$(shortened out)"
gzip -c text >text.gz
runs 0 -- encode --model model text.gz
cmp -s once out || wrong "a gzipped file" "the same" "$(shortened out)"
runs 0 -- encode --model model /dev/null
equal "an empty file" "" "$(cat out err)"

# Every instruction set gives the same, bit for bit.
runs 0 -- encode --simd scalar --model model text
cmp -s once out || wrong "--simd scalar" "the same" "$(shortened out)"
QLROUTE_SIMD=scalar runs 0 -- encode --model model text
cmp -s once out || wrong "QLROUTE_SIMD=scalar" "the same" "$(shortened out)"
QLROUTE_SIMD=mmx runs 0 -- encode --simd scalar --model model text
QLROUTE_SIMD= runs 0 -- encode --model model text
fails_with 2 '--simd: "mmx" does not run here; expected one of ' -- encode --simd mmx --model model text
grep -q 'one of .*scalar$' err || wrong "instruction sets that run here" "scalar among them" "$(shortened err)"
QLROUTE_SIMD=mmx fails_with 2 'QLROUTE_SIMD: "mmx" does not run here' -- encode --model model text

# Long texts are cut, which is said once.
{ echo a; for line in 1 2; do for k in $(seq 30); do printf 'a b '; done; echo; done; } >long
runs 0 -- encode --model model long
equal "lines" 3 "$(wc -l <out)"
equal "what is said of long texts" 'long:2: more than 40 tokens; the end is not read, here and in what follows' "$(cat err)"
runs 0 -- encode --model model --max-tokens 5 long
grep -qF 'long:2: more than 5 tokens' err || wrong "--max-tokens 5" "long:2" "$(shortened err)"
runs 0 -- tokenize --vocab model/vocab.txt long
sed 's/^\(\[[0-9]*,[0-9]*,[0-9]*,[0-9]*\),.*,/\1,/' out >short.ids
runs 0 -- encode --model model --max-tokens 5 long
cp out cut
runs 0 -- encode --model model --ids --max-tokens 5 short.ids
cmp -s cut out || wrong "texts cut to 5 tokens" "their ids, cut" "$(shortened out)"

# Lines that are wrong keep their place.
line_is_null() {
    { echo '[2,3]'; printf '%s\n' "$1"; echo '[2,4,3]'; } >lines
    fails_with 1 "lines:2: $2" -- encode --model bare --ids lines
    equal "complaints about: ${1:0:80}" 1 "$(wc -l <err)"
    equal "results around: ${1:0:80}" '[ n [' "$(cut -c 1 out | in_one_line)"
}
line_is_null 'hello' 'not JSON at byte 1; expected token ids such as [101, 7592, 102]; its result is null'
line_is_null '' 'not JSON at byte 1'
line_is_null '[1,2' 'not JSON at byte 5'
line_is_null '7' 'not a list of ids but 7; expected'
line_is_null '{"ids":[1]}' 'not a list of ids but an object'
line_is_null '[]' 'not a list of ids but an empty list'
line_is_null '[2,150,3]' '[1]: expected a whole number from 0 to 149, got 150'
line_is_null '[-1]' '[0]: expected a whole number from 0 to 149, got -1'
line_is_null '[2,3.5]' '[1]: expected a whole number from 0 to 149, got 3.5'
line_is_null '[2,"3"]' '[1]: expected a whole number from 0 to 149, got "3"'
line_is_null '[2,99999999999999999999]' '[1]: expected a whole number from 0 to 149, got 1'
line_is_null '[1e999]' 'a number is too large'
line_is_null "[$(seq -s , 1 41)]" '41 ids; expected at most 40'
line_is_null "$(head -c 100000 /dev/zero | tr '\0' '[')" 'not JSON at byte 100001'

# What is unusable.
fails_with 2 'encode needs --model: a folder with' -- encode text
fails_with 2 '--model: expected a file, got an empty name' -- encode --model '' text
fails_with 2 'there is no folder "none"; expected config.json and model.safetensors' -- encode --model none text
fails_with 2 'there is no folder "text"' -- encode --model text text
fails_with 2 'cannot read "none": No such file or directory' -- encode --model model none
fails_with 2 'the folder "bare" has no tokenizer.json and no vocab.txt; add one of them, or give token ids with --ids' \
    -- encode --model bare text
fails_with 2 '--max-tokens is 41, but model reads at most 40 tokens' -- encode --model model --max-tokens 41 text
fails_with 2 '--max-tokens: Value 1 not in range' -- encode --model model --max-tokens 1 text
fails_with 2 '--of: last not in' -- encode --model model --of last text
mkdir empty part
fails_with 2 'the folder "empty" has no model; expected config.json and model.safetensors as' -- encode --model empty text
cp model/config.json part
fails_with 2 'the folder "part" has no model.safetensors; expected config.json' -- encode --model part text
rm part/config.json
cp model/model.safetensors part
fails_with 2 'the folder "part" has no config.json; it holds the sizes' -- encode --model part text
head -c 5000 model/model.safetensors >part/model.safetensors
cp model/config.json part
fails_with 2 'cannot read "part/model.safetensors": ' -- encode --model part --ids ids
sed 's/"hidden_size": 64/"hidden_size": 128/' model/config.json >part/config.json
cp model/model.safetensors part
fails_with 2 'cannot read "part/model.safetensors": expected F32, F16 or BF16 [150, 128]' -- encode --model part --ids ids
cp model/config.json part
head -n 151 "$golden/wordpiece_vocab.txt" >part/vocab.txt
fails_with 2 '"part/vocab.txt" has 151 tokens, but the vocab_size of the model is 150' -- encode --model part text
gzip -c text >text.gz
"$program" encode --model model <text.gz >out 2>err
equal "exit status for gzipped stdin" 2 $?
grep -qF 'stdin: it is gzipped; pipe it through zcat' err || wrong "gzipped stdin" "zcat" "$(shortened err)"

finish
