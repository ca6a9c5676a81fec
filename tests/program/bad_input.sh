# Dialogues that are none: a bad line is reported with its number and skipped, the others are routed, exit 1.
. "$(dirname "$0")/support.sh"

# Lines.
example='expected an object such as {"id": "a", "turns": ["hello"]}; the line is skipped'
line_skipped 'hello' "not JSON at byte 1; $example"
line_skipped '{"id":"a","turns":["x"]' 'not JSON at byte 24; expected an object'
line_skipped '{"id":"a","turns":["x"]}{"id":"b","turns":["x"]}' 'not JSON at byte 25'
line_skipped "{'id':'a','turns':['x']}" 'not JSON at byte 2'
line_skipped '{"id":"a","turns":["x"],}' 'not JSON at byte 25'
line_skipped "$(printf '{"id":"a","turns":["x\xff"]}')" "not UTF-8 at byte 22; $example"
line_skipped "$(printf '{"id":"a","turns":["\xc3"]}')" 'not UTF-8 at byte'
line_skipped "$(printf '{"id":"a","turns":["\xed\xa0\x80"]}')" 'not UTF-8 at byte'
line_skipped '{"id":"a","turns":["\ud800"]}' 'not JSON at byte'
line_skipped "$(printf '{"id":"a","turns":["a\tb"]}')" 'not JSON at byte 22'
line_skipped '[1,2]' "not an object but a list; $example"
line_skipped '[]' 'not an object but an empty list'
line_skipped '"text"' 'not an object but "text"'
line_skipped '7' 'not an object but 7'
line_skipped 'null' 'not an object but null'
line_skipped '{}' 'id: missing; expected a text or a whole number; the line is skipped'
line_skipped '{"turns":["x"]}' 'id: missing; expected a text or a whole number'
line_skipped '{"id":null,"turns":["x"]}' 'id: expected a text or a whole number, got null'
line_skipped '{"id":1.5,"turns":["x"]}' 'id: expected a text or a whole number, got 1.5'
line_skipped '{"id":["a"],"turns":["x"]}' 'id: expected a text or a whole number, got a list'
line_skipped '{"id":"a"}' 'turns: missing; expected a list of texts'
line_skipped '{"id":"a","turns":[]}' 'turns: expected a list of at least one text, got an empty list'
line_skipped '{"id":"a","turns":"x"}' 'turns: expected a list of at least one text, got "x"'
line_skipped '{"id":"a","turns":{"0":"x"}}' 'turns: expected a list of at least one text, got an object'
line_skipped '{"id":"a","turns":["x",7]}' 'turns[1]: expected a text or {"text": ..., "edit": k}, got 7'
line_skipped '{"id":"a","turns":[null]}' 'turns[0]: expected a text or {"text": ..., "edit": k}, got null'
line_skipped '{"id":"a","turns":[["x"]]}' 'turns[0]: expected a text or {"text": ..., "edit": k}, got a list'
line_skipped '{"id":"a","turns":["x",{"edit":1}]}' 'turns[1].text: missing; expected a text'
line_skipped '{"id":"a","turns":[{"text":7}]}' 'turns[0].text: expected a text, got 7'
line_skipped '{"id":"a","turns":[{"text":"x","role":"user"}]}' 'turns[0].role: unknown key; known are text and edit'
line_skipped '{"id":"a","turns":["x"],"n":1e999}' 'a number is too large; expected at most about 1e308'

# Long texts are cut in the message.
line_skipped "\"$(head -c 100000 /dev/zero | tr '\0' 'x')\"" 'not an object but "xxxxxxxxxx'
[ "$(wc -c <err)" -lt 400 ] || wrong "a message about 100 kB" "less than 400 bytes" "$(wc -c <err) bytes"

# Nesting as deep as a line allows, wherever it is.
opened=$(head -c 300000 /dev/zero | tr '\0' '[')
closed=$(head -c 300000 /dev/zero | tr '\0' ']')
line_skipped "$opened$closed" 'not an object but a list'
line_skipped "$opened" 'not JSON at byte 300001'
line_skipped '{"id":'"$opened$closed"',"turns":["x"]}' 'id: expected a text or a whole number, got a list'
line_skipped '{"id":"a","turns":'"$opened$closed}" 'turns[0]: expected a text'
line_skipped '{"id":"a","turns":["x",{"text":"x","edit":'"$opened$closed}]}" 'turns[1].edit: expected the number'
printf '%s\n' '{"id":"a","turns":["x"],"assistant_ref":['"$opened$closed"']}' >deep.jsonl
runs 0 -- route --json deep.jsonl
has_turns 1 "a deep reply, which is none"
printf '%s\n' '{"id":"a","turns":["x"],"other":'"$opened$closed}" >deep.jsonl
runs 0 -- route --json deep.jsonl
has_turns 1 "a deep value of a key that is ignored"

# Several bad lines, each with its own number; empty lines count.
printf '%s\n' '' '{"id":"a","turns":["x"]}' 'no' '' 'nor this' '{"id":"b","turns":["y"]}' >several.jsonl
runs 1 -- route --json several.jsonl
equal "numbers of the bad lines" "several.jsonl:3 several.jsonl:5" "$(grep -o '^[a-z.]*:[0-9]*' err | in_one_line)"
equal "the good lines" "a b" "$(values id | in_one_line)"
runs 1 -- route --json - <several.jsonl
equal "bad lines of stdin" "stdin:3 stdin:5" "$(grep -o '^[a-z.]*:[0-9]*' err | in_one_line)"
runs 1 -- route several.jsonl
equal "lines for people" 3 "$(wc -l <out)"
runs 1 -- route --json <<<'no'
equal "turns when no line is good" "" "$(cat out)"

# What looks strange and is good: a byte order mark, no line break at the end, CRLF, an empty text, one long line.
printf '\xef\xbb\xbf{"id":"a","turns":["x"]}' >good.jsonl
runs 0 -- route --json good.jsonl
has_turns 1 "a byte order mark and no line break at the end"
printf '{"id":"a","turns":["x"]}\r\n\r\n{"id":"b","turns":[""]}\r\n' >good.jsonl
runs 0 -- route --json good.jsonl
has_turns 2 "CRLF, and an empty text"
printf '{"id":"a","turns":["%s","x\\u0000y","\\n"]}\n' "$(head -c 1000000 /dev/zero | tr '\0' 'x')" >good.jsonl
runs 0 -- route --json good.jsonl
has_turns 3 "a text of 1 MB, NUL and a line break"
printf '{"id":-9223372036854775808,"turns":["x"],"n":[1e308,123456789012345678901234567890]}\n' >good.jsonl
runs 0 -- route --json good.jsonl
equal "a large whole number as id" "-9223372036854775808" "$(values id)"

# Files.
fails_with 2 'cannot read "none.jsonl": No such file or directory' -- route --json none.jsonl
fails_with 2 'cannot read "": No such file or directory' -- route --json ''
mkdir folder
fails_with 2 'cannot read "folder": it is a directory; expected a file' -- route --json folder
fails_with 2 'cannot read stdin: reading failed; is it a directory?' -- route <folder
if [ "$(id -u)" != 0 ]; then  # root reads everything
    cp two.jsonl secret.jsonl
    chmod 000 secret.jsonl
    fails_with 2 'cannot read "secret.jsonl": Permission denied' -- route --json secret.jsonl
fi
gzip -c "$demo/dialogues.jsonl" >whole.gz
for size in 12 500 $(($(wc -c <whole.gz) - 3)); do
    head -c "$size" whole.gz >cut.gz
    fails_with 2 'cannot read "cut.gz": ' -- route --json cut.gz
    fails_with 2 'is it a complete gzip file?' -- route --json cut.gz
done
{ head -c 200 whole.gz; printf 'broken!!'; tail -c +209 whole.gz; } >broken.gz
fails_with 2 'cannot read "broken.gz": ' -- route --json broken.gz
fails_with 2 'stdin: it is gzipped; pipe it through zcat' -- route <whole.gz

# Options.
fails_with 2 'A subcommand is required' --
fails_with 2 'A subcommand is required' -- rout two.jsonl
fails_with 2 'not expected: --jsn' -- route --jsn two.jsonl
fails_with 2 'not expected: three.jsonl' -- route two.jsonl three.jsonl
fails_with 2 '--explain: Value -1 not in range 0 to 1000000' -- route --explain -1 two.jsonl
fails_with 2 '--explain' -- route --explain many two.jsonl
runs 0 -- --help
runs 0 -- route --help
runs 0 -- --version

finish
