# qlroute quantize: the int8 file of a model.
. "$(dirname "$0")/support.sh"
golden="$demo/../../tests/golden"

mkdir model int8
cp "$golden/bert_small.json" model/config.json
cp "$golden/bert_small.safetensors" model/model.safetensors
head -n 150 "$golden/wordpiece_vocab.txt" | tee model/vocab.txt >int8/vocab.txt
printf 'a b\n\nsomething else 12\n' >text

runs 0 -- quantize --model model --out int8/encoder.safetensors
equal "what is printed" \
    "int8/encoder.safetensors: $(stat -c %s int8/encoder.safetensors) bytes from $(stat -c %s model/model.safetensors); 2 layers, hidden size 64, 150 tokens, 3 classes" \
    "$(cat out)"
equal "complaints" "" "$(cat err)"
equal "files" 'encoder.safetensors vocab.txt' "$(ls int8 | in_one_line)"
cp int8/encoder.safetensors before

# The same results from it as from the floats.
for of in first pooled logits tokens; do
    runs 0 -- encode --of $of --model model text
    cp out floats
    runs 0 -- encode --of $of --model int8 text
    equal "lines" 3 "$(wc -l <out)"
    cmp -s floats out || wrong "--of $of of the quantised file" "what the floats give" "$(shortened out)"
done
# A folder with both: the int8 file counts.
cp int8/encoder.safetensors model
echo broken >model/model.safetensors
runs 0 -- encode --of tokens --model model text
cmp -s floats out || wrong "a folder with both" "what the int8 file gives" "$(shortened out)"
fails_with 2 'cannot read "model/model.safetensors": ' -- quantize --model model --out new
cp "$golden/bert_small.safetensors" model/model.safetensors
fails_with 2 'the folder "int8" has no model.safetensors; expected config.json and' -- quantize --model int8 --out new

# An existing file stays, unless it may go.
echo mine >taken
fails_with 2 '--out: "taken" exists; give another path, or --force to replace it' -- quantize --model model --out taken
equal "the existing file" mine "$(cat taken)"
runs 0 -- quantize --model model --out taken --force
cmp -s before taken || wrong "--force" "the file" "$(head -c 100 taken)"
runs 0 -- quantize --model model --out new --force
cmp -s before new || wrong "--force without a file" "the same bytes" "$(head -c 100 new)"
rm new

# What cannot be written leaves nothing behind.
fails_with 2 'cannot write "none/new.part": No such file or directory' -- quantize --model model --out none/new
mkdir busy.part
fails_with 2 'cannot write "busy.part": Is a directory' -- quantize --model model --out busy
rmdir busy.part || wrong "a folder of that name" "as it was" "$(ls)"
fails_with 2 '--out: "int8" is not a file' -- quantize --model model --out int8 --force
fails_with 2 '--out: "/dev/null" is not a file' -- quantize --model model --out /dev/null --force
[ -c /dev/null ] || wrong "/dev/null" "a device" "$(ls -l /dev/null)"
(
    trap '' XFSZ  # so that writing fails instead of ending the program
    ulimit -f 8
    "$program" quantize --model model --out new >out 2>err
    echo $? >status
)
equal "exit status where writing fails" 2 "$(cat status)"
grep -qF 'cannot write "new": File too large' err || wrong "where writing fails" "File too large" "$(shortened err)"
(
    trap '' XFSZ
    ulimit -f 8
    "$program" quantize --model model --out taken --force >out 2>err
    echo $? >status
)
equal "exit status where replacing fails" 2 "$(cat status)"
cmp -s before taken || wrong "the file whose replacement failed" "as it was" "$(stat -c %s taken)"
equal "files that writing left behind" "" "$(ls | grep -e part -e '^new$')"

# What is unusable.
fails_with 2 'quantize needs --model: a folder with config.json and model.safetensors' -- quantize --out new
fails_with 2 'quantize needs --out: the file to write, such as encoder.safetensors' -- quantize --model model
fails_with 2 'there is no folder "none"' -- quantize --model none --out new
sed 's/"gelu"/"relu"/' model/config.json >relu
cp relu model/config.json
fails_with 2 'cannot read "model/config.json": hidden_act: only "gelu" is supported, got "relu"' -- quantize --model model --out new
[ ! -e new ] || wrong "after all this" "no file" "$(ls -l new)"

finish
