# qlroute route --json: every turn, every key, and a breakdown that adds up.
. "$(dirname "$0")/support.sh"

# adds_up WHAT: total_s is the sum of the breakdown, all lines have the same keys in the same order, p is a probability.
adds_up() {
    local complaints
    complaints=$(awk '
        function bad(why) { print "line " NR ": " why; }
        {
            keys = "";
            rest = $0;
            while (match(rest, /"[a-z_]+":/)) {
                keys = keys substr(rest, RSTART + 1, RLENGTH - 3) " ";
                rest = substr(rest, RSTART + RLENGTH);
            }
            if (keys != "id turn endpoint total_s breakdown quality_loss uplink queueing switching prefill decode " \
                        "downlink p_success prefix_hit switched switching_by ") bad("its keys are " keys);
            if (!match($0, /"total_s":[-+0-9.e]+/)) { bad("no total_s"); next; }
            total = substr($0, RSTART + 10, RLENGTH - 10) + 0;
            if (!match($0, /"breakdown":\{[^}]*\}/)) { bad("no breakdown"); next; }
            count = split(substr($0, RSTART + 13, RLENGTH - 14), parts, ",");
            sum = 0;
            for (i = 1; i <= count; ++i) {
                value = substr(parts[i], index(parts[i], ":") + 1);
                if (value !~ /^[0-9][-+0-9.e]*$/) bad("the cost " parts[i]);
                sum += value;
            }
            if (sum - total > 1e-9 || total - sum > 1e-9) bad("the breakdown is " sum ", the total " total);
            if (!match($0, /"p_success":[0-9.e-]+/)) { bad("no p_success"); next; }
            p = substr($0, RSTART + 12, RLENGTH - 12) + 0;
            if (p < 0 || p > 1) bad("p_success is " p);
            way = $0 ~ /"switching":0\.0,/ ? "null" : "\"kv_recompute\"";
            if (!index($0, "\"switching_by\":" way "}")) bad("expected switching_by " way);
        }' out | head -n 3)
    equal "sums and keys of $1" "" "$complaints"
}

# The demo: all turns of all dialogues, with and without a configuration and a trace.
runs 0 -- route --json "$demo/dialogues.jsonl"
has_turns 107 "the demo by the defaults"
adds_up "the demo by the defaults"
runs 0 -- route --json --trace "$demo/train.csv.gz" "$demo/dialogues.jsonl"
has_turns 107 "the demo on the train"
adds_up "the demo on the train"
runs 0 -- route --json --config "$demo/config.json" --trace "$demo/train.csv.gz" "$demo/dialogues.jsonl"
has_turns 107 "the demo as configured"
adds_up "the demo as configured"
cp out once
equal "the endpoints of the demo" "edge phone" "$(values endpoint | sort -u | in_one_line)"
equal "dialogues of the demo" "$(grep -c . "$demo/dialogues.jsonl")" "$(values id | uniq | wc -l)"

# The same again, by another way in.
runs 0 -- route --json --config "$demo/config.json" --trace "$demo/train.csv.gz" - <"$demo/dialogues.jsonl"
cmp -s once out || wrong "stdin as FILE -" "the same turns" "$(shortened out)"
gzip -c "$demo/dialogues.jsonl" >dialogues.jsonl.gz
gzip -dc "$demo/train.csv.gz" >train.csv
runs 0 -- route --json --config "$demo/config.json" --trace train.csv dialogues.jsonl.gz
cmp -s once out || wrong "gzipped dialogues, plain trace" "the same turns" "$(shortened out)"
runs 0 -- route --json --config "$demo/config.json" --trace <(cat train.csv) <(cat "$demo/dialogues.jsonl")
cmp -s once out || wrong "files that are pipes" "the same turns" "$(shortened out)"
sed 's/$/\r/' "$demo/dialogues.jsonl" >crlf.jsonl
runs 0 -- route --json --config "$demo/config.json" --trace train.csv crlf.jsonl
cmp -s once out || wrong "lines that end in CRLF" "the same turns" "$(shortened out)"
runs 0 -- route --json --compare --config "$demo/config.json" --trace train.csv "$demo/dialogues.jsonl"
cmp -s once out || wrong "--compare" "the same turns on stdout" "$(shortened out)"
grep -q 'always edge  *107' err || wrong "--compare with --json" "the comparison on stderr" "$(shortened err)"

# What a line says.
runs 0 -- route --json two.jsonl
equal "ids" "one one two" "$(values id | in_one_line)"
equal "turns" "1 2 1" "$(values turn | in_one_line)"
printf '%s\n' '{"id":7,"turns":["x"],"assistant_ref":["y"],"other":{"a":[1]}}' >number.jsonl
runs 0 -- route --json number.jsonl
equal "an id that is a whole number" "7" "$(values id)"
printf '%s\n' '{"id":"a \"b\"\n","turns":["x"]}' >quotes.jsonl
runs 0 -- route --json quotes.jsonl
grep -qF '{"id":"a \"b\"\n","turn":1,' out || wrong "an id with quotes" 'escaped: "a \"b\"\n"' "$(shortened out)"

# The recorded reply is what stands in the history: 40 bytes are 10 tokens. The placeholder has expected_output.
printf '%s\n' '{"endpoints":[{"name":"x","prefill_rate":"100 tok/s","tpot":"10 ms/tok"}],' \
    '"expected_output":"50 tok"}' >one.json
printf '%s\n' '{"id":"a","turns":["1234","5678"],"assistant_ref":["1234567890123456789012345678901234567890"]}' \
    '{"id":"b","turns":["1234","5678"]}' '{"id":"c","turns":["1234","5678"],"assistant_ref":null}' >reply.jsonl
runs 0 -- route --json --config one.json reply.jsonl
equal "history with and without a recorded reply" "0.0 11.0 0.0 51.0 0.0 51.0" "$(values prefix_hit | in_one_line)"
equal "prefill of one token at 100 tok/s" "0.01" "$(values prefill | sort -u)"
equal "decode of 50 tokens at 10 ms, the first with the prompt" "0.49" "$(values decode | sort -u)"
equal "a local endpoint has no link" "0.0" "$( (values uplink; values downlink) | sort -u)"

# What an endpoint does to tokens: 11 of history, 10 of them its reply; twice as many by its own count.
printf '%s\n' '{"endpoints":[{"name":"x","prefill_rate":"100 tok/s","tpot":"10 ms/tok","reply_kept":0}]}' >again.json
runs 0 -- route --json --config again.json <(head -n 1 reply.jsonl)
equal "a reply that is tokenized again is not cached" "0.0 1.0" "$(values prefix_hit | in_one_line)"
equal "and is read again" "0 0.1" "$(values switching | awk '{ printf "%.9g\n", $1 }' | in_one_line)"
printf '%s\n' '{"endpoints":[{"name":"x","prefill_rate":"100 tok/s","tpot":"10 ms/tok","tokenizer_ratio":2}]}' >twice.json
runs 0 -- route --json --config twice.json <(head -n 1 reply.jsonl)
equal "tokens of its own" "0.0 22.0" "$(values prefix_hit | in_one_line)"
equal "a prefill of two of them" "0.02" "$(values prefill | sort -u)"

# What switching costs, and which way is the cheapest: 201 tokens at 100 tok/s, or 3 of 1 Mbit at 1 Mbit/s. Without a
# kv_rate there is no cache to move, however small it is.
printf '%s' '{"endpoints":[{"name":"short","context_window":"300 tok","prefill_rate":"1000 tok/s","tpot":"1 ms/tok"},
    {"name":"slow","prefill_rate":"100 tok/s","tpot":"30 ms/tok"}]}' >recompute.json
runs 0 -- route --json --config recompute.json <(echo '{"id":"a","turns":["x","y"]}')
equal "a history that is read again" "0 2.01" "$(values switching | awk '{ printf "%.9g\n", $1 }' | in_one_line)"
equal "how" "null kv_recompute" "$(values switching_by | in_one_line)"
printf '%s' '{"endpoints":[{"name":"a","prefill_rate":"0.1 tok/s","tpot":"1 s/tok","context_window":"4 tok"},
    {"name":"b","prefill_rate":"0.1 tok/s","tpot":"1 s/tok","kv_size":"1 Mbit/tok","kv_rate":"1 Mbit/s",
    "queue_delay":"1 s"}],"expected_output":"2 tok"}' >move.json
runs 0 -- route --json --config move.json <(echo '{"id":"a","turns":["1234","5678"]}')
equal "a cache that is moved" "0.0 3.0" "$(values switching | in_one_line)"
equal "how" "null kv_transfer" "$(values switching_by | in_one_line)"

# p_success is that of the chosen endpoint.
printf '%s\n' '{"predictor":{"type":"constant"},"rule":{"type":"always","endpoint":"edge"}}' >constant.json
runs 0 -- route --json --config constant.json two.jsonl
equal "usual_success of the edge" "0.8" "$(values p_success | sort -u)"

# Nothing in, nothing out.
: >empty.jsonl
runs 0 -- route --json empty.jsonl
equal "turns of an empty file" "" "$(cat out)"
printf '\n \r\n\t\n' >blank.jsonl
runs 0 -- route --json blank.jsonl
equal "turns of blank lines" "" "$(cat out err)"
runs 0 -- route --json </dev/null
equal "turns of an empty stdin" "" "$(cat out)"

# A reader that has seen enough, and a disk that is full.
"$program" route --json "$demo/dialogues.jsonl" 2>err | head -n 1 >out
equal "complaints when stdout is closed early" "" "$(cat err)"
has_turns 1 "the closed stdout"
if [ -w /dev/full ]; then
    status=0
    "$program" route --json two.jsonl >/dev/full 2>err || status=$?
    equal "exit status when the disk is full" 2 "$status"
    grep -qF 'cannot write to standard output' err || wrong "message when the disk is full" "cannot write" "$(cat err)"
fi

finish
