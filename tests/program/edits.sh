# A user who goes back: {"text": ..., "edit": k} replaces their k-th message, and what followed is dropped.
. "$(dirname "$0")/support.sh"

# One local endpoint; answers of 10 tokens; messages of 4 bytes are 1 token.
printf '%s' '{"endpoints":[{"name":"x","prefill_rate":"100 tok/s","tpot":"10 ms/tok"}],
    "expected_output":"10 tok"}' >one.json

# history TURNS "hits": prefix_hit at each turn, which is the whole history here, since nothing is ever dropped.
history() {
    printf '{"id":"a","turns":%s}\n' "$1" >edits.jsonl
    runs 0 -- route --config one.json --json edits.jsonl
    equal "history of $1" "$2" "$(values prefix_hit | in_one_line)"
    equal "history that is read again, $1" "0.0" "$(values switching | sort -u)"
}
history '["aaaa","bbbb","cccc"]' '0.0 11.0 22.0'
history '["aaaa","bbbb",{"text":"dddd","edit":2}]' '0.0 11.0 11.0'
history '["aaaa","bbbb",{"text":"dddd","edit":1}]' '0.0 11.0 0.0'
history '["aaaa","bbbb","cccc",{"text":"dddd","edit":2},"eeee"]' '0.0 11.0 22.0 11.0 22.0'
history '["aaaa",{"text":"dddd","edit":1},{"text":"eeee","edit":1}]' '0.0 0.0 0.0'
# The same text again asks for a new answer: its history stands.
history '["aaaa","bbbb",{"text":"bbbb","edit":2}]' '0.0 11.0 11.0'
# {"text"} alone is a message like any other.
history '["aaaa",{"text":"bbbb"}]' '0.0 11.0'

# k counts the messages as they stand: after an edit of the 1st there is one, so there is no 3rd, and no 2nd.
no_message='turns[1].edit: expected the number of an earlier message of the user, 1 to 1'
line_skipped '{"id":"a","turns":[{"text":"x","edit":1}]}' \
    'turns[0].edit: expected the number of an earlier message of the user, but there is none, got 1'
line_skipped '{"id":"a","turns":["x",{"text":"y","edit":2}]}' \
    'turns[1].edit: expected the number of an earlier message of the user, 1 to 1, got 2'
line_skipped '{"id":"a","turns":["x","y","z",{"text":"w","edit":1},{"text":"v","edit":2}]}' \
    'turns[4].edit: expected the number of an earlier message of the user, 1 to 1, got 2'
line_skipped '{"id":"a","turns":["x","y",{"text":"z","edit":0}]}' 'turns[2].edit: expected the number of an earlier'
line_skipped '{"id":"a","turns":["x",{"text":"y","edit":-1}]}' \
    "$no_message, got -1"
line_skipped '{"id":"a","turns":["x",{"text":"y","edit":1.0}]}' \
    "$no_message, got 1.0"
line_skipped '{"id":"a","turns":["x",{"text":"y","edit":"1"}]}' \
    "$no_message, got \"1\""
line_skipped '{"id":"a","turns":["x",{"text":"y","edit":null}]}' \
    "$no_message, got null"
line_skipped '{"id":"a","turns":["x",{"text":"y","edit":18446744073709551615}]}' \
    "$no_message, got 18446744073709551615"
line_skipped '{"id":"a","turns":["x",{"text":"y","edit":1e30}]}' \
    "$no_message, got 1e+30"

# The demo has some, and they are routed like the rest; score takes them too.
edited=$(grep -c '"edit"' "$demo/dialogues.jsonl")
[ "$edited" -gt 0 ] || wrong "dialogues of the demo with an edit" "some" "none"
grep '"edit"' "$demo/dialogues.jsonl" >edited.jsonl
runs 0 -- route --json edited.jsonl
equal "dialogues with an edit that are routed" "$edited" "$(values id | uniq | wc -l)"
runs 0 -- score edited.jsonl
equal "dialogues with an edit that are scored" "$edited" "$(wc -l <out)"

finish
