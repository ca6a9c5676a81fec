# qlroute tokenize: the ids of each line.
. "$(dirname "$0")/support.sh"
golden="$demo/../../tests/golden"

printf '%s\n' '[UNK]' '[CLS]' '[SEP]' hello un '##aff' '##able' cafe '!' >vocab.txt
printf 'Hello, unaffable!\n\ncaf\xc3\xa9\r\nhello' >text
runs 0 -- tokenize --vocab vocab.txt text
equal "ids of a file" '[1,3,0,4,5,6,8,2] [1,2] [1,7,2] [1,3,2]' "$(in_one_line <out)"
cp out once
runs 0 -- tokenize --vocab vocab.txt - <text
cmp -s once out || wrong "stdin" "the same ids" "$(shortened out)"
runs 0 -- tokenize --vocab vocab.txt <text
cmp -s once out || wrong "stdin by default" "the same ids" "$(shortened out)"
gzip -c text >text.gz
gzip -c vocab.txt >vocab.gz
runs 0 -- tokenize --vocab vocab.gz text.gz
cmp -s once out || wrong "gzipped files" "the same ids" "$(shortened out)"

# A tokenizer.json of the same words says the same.
cat >tokenizer.json <<'EOF'
{"added_tokens":[{"id":0,"content":"[UNK]"},{"id":1,"content":"[CLS]"},{"id":2,"content":"[SEP]"}],
 "normalizer":{"type":"BertNormalizer","lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},
 "post_processor":{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]},
 "model":{"type":"WordPiece","vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"hello":3,"un":4,"##aff":5,"##able":6,"cafe":7,"!":8}}}
EOF
runs 0 -- tokenize --vocab tokenizer.json text
cmp -s once out || wrong "a tokenizer.json" "the same ids" "$(shortened out)"

# Nothing is cut, however long a line is, and bytes may be anything.
{ head -c 300000 /dev/zero | tr '\0' '!'; echo; printf 'un\xff\x00aff\n'; } >long
runs 0 -- tokenize --vocab vocab.txt long
equal "ids of a long line" 300002 "$(head -n 1 out | tr ',' '\n' | wc -l)"
equal "ids of bytes that are no text" '[1,4,5,2]' "$(tail -n 1 out)"
runs 0 -- tokenize --vocab vocab.txt /dev/null
equal "an empty file" "" "$(cat out err)"

# As recorded: texts of one line, without options.
sed -n 's/^{"text":"\([ -!#-[^-~]*\)","ids":\(\[[0-9,]*\]\),.*/\1\t\2/p' "$golden/wordpiece.jsonl" >recorded
[ "$(wc -l <recorded)" -gt 15 ] || wrong "recorded texts" "some" "$(wc -l <recorded)"
cut -f 1 recorded >text
cut -f 2 recorded >expected
runs 0 -- tokenize --vocab "$golden/wordpiece_vocab.txt" text
cmp -s expected out || wrong "recorded ids" "the same" "$(diff expected out | head -n 3)"

# What is wrong.
fails_with 2 'tokenize needs --vocab: a vocab.txt, or the tokenizer.json of a BERT model' -- tokenize text
fails_with 2 'cannot read "none.txt": No such file or directory' -- tokenize --vocab none.txt text
fails_with 2 'cannot read "none": No such file or directory' -- tokenize --vocab vocab.txt none
echo hello >short.txt
fails_with 2 'short.txt: the vocabulary of 1 tokens has no "[UNK]"' -- tokenize --vocab short.txt text
echo '{"model":{"type":"BPE"}}' >bpe.json
fails_with 2 'bpe.json: model.type: expected "WordPiece", found "BPE"' -- tokenize --vocab bpe.json text
echo '{"model":' >cut.json
fails_with 2 'cut.json: not valid JSON: parse error at line 2' -- tokenize --vocab cut.json text
fails_with 2 '--vocab: expected a file, got an empty name' -- tokenize --vocab '' text
fails_with 2 'not expected: --config' -- tokenize --vocab vocab.txt text --config

finish
