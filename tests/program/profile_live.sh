# qlroute profile --url, against servers that answer as an engine of known figures would. Takes some ten seconds.
. "$(dirname "$0")/support.sh"

python=$(command -v python3) || { echo "no python3" >&2; exit 77; }
if "$program" profile --url http://127.0.0.1:9 2>&1 | grep -q 'built without cpp-httplib'; then
    echo "built without cpp-httplib" >&2
    exit 77
fi
unset QLROUTE_API_KEY

# Nobody there, and what is no address.
fails_with 2 '--url: http://127.0.0.1:9 does not answer (' -- profile --url http://127.0.0.1:9
equal "lines about a port where nobody listens" 1 "$(wc -l <err)"
for url in 127.0.0.1:8080 ftp://127.0.0.1 file:///etc/passwd ws://x; do
    fails_with 2 "--url: expected a URL such as http://127.0.0.1:8080, got \"$url\"" -- profile --url "$url"
done

"$python" -B "$demo/../../tests/program/fake_servers.py" port &
server=$!
trap 'kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 100); do
    [ -s port ] && break
    sleep 0.1
done
[ -s port ] || { echo "the servers did not start" >&2; exit 1; }
at=http://127.0.0.1:$(cat port)

# error KEY: of the fresh requests.
error() {
    sed -n 's/.*"fresh_requests":{[^}]*"'"$1"'":\([-+0-9.e]*\).*/\1/p' out
}
below() {
    awk -v most="$2" -v x="$3" 'BEGIN { exit !(x != "" && x <= most) }' || wrong "$1" "at most $2" "$3"
}

# llama-server, which says what it took.
runs 0 -- profile --url "$at/llama" --seconds 60 --measurements llama.jsonl --out llama.json --json
equal "lines of --json" 1 "$(wc -l <out)"
equal "progress beside --json" "" "$(cat err)"
grep -q '"chosen":"batched"' out || wrong "the form" batched "$(grep -o '"chosen":"[a-z_]*"' out)"
below "worst error on fresh requests" 0.05 "$(error max_error)"
grep -q '"name": "fake-llama"' llama.json || wrong "the endpoint's name" fake-llama "$(shortened llama.json)"
measured=$(wc -l <llama.jsonl)
[ "$measured" -ge 40 ] || wrong "measurements that were kept" "40 or more" "$measured"
# A token drawn at random may be the one that the server still holds there: a history of 129 and 255 new ones.
equal "histories that were measured" "0 128 512" \
    "$(sed -n 's/.*"past":\([0-9]*\).0,"new":2[45][0-9].0,.*/\1/p' llama.jsonl | awk '{ print $1 - $1 % 8 }' | sort -nu | in_one_line)"

# What is measured is an input like any other.
runs 0 -- profile --from llama.jsonl --json
grep -q "\"measurements\":$measured," out || wrong "measurements from the file" "$measured" "$(shortened out)"
grep -q '"chosen":"batched"' out || wrong "the form" batched "$(grep -o '"chosen":"[a-z_]*"' out)"

# Gone on from: only what makes histories resident is asked again.
runs 0 -- profile --url "$at/llama" --seconds 60 --measurements llama.jsonl --out llama.json --force
grep -q "; going on after $measured measurements" err || wrong "resuming" "going on after $measured" "$(shortened err)"
added=$(($(wc -l <llama.jsonl) - measured))
[ "$added" -ge 1 ] && [ "$added" -le 12 ] || wrong "measurements that were added" "1 to 12" "$added"
grep -q '16 fresh requests: ' out || wrong "the report" "16 fresh requests" "$(shortened out)"

# The endpoint file prices as the server said: 600 tokens, then 1 behind 611; 49 tokens behind 600.
printf '{"predictor":{"type":"constant"},"endpoints":[{"name":"x","engine":"llama.json"}],"expected_output":"50 tok"}' \
    >config.json
printf '{"id":"a","turns":["%s","1234"],"assistant_ref":["%s"]}\n' "$(head -c 2400 /dev/zero | tr '\0' 'x')" \
    "$(head -c 44 /dev/zero | tr '\0' 'x')" >dialogue.jsonl
runs 0 -- route --json --config config.json dialogue.jsonl
near() {
    awk -v a="$2" -v b="$3" 'BEGIN { exit !(b != "" && b <= a * 1.05 && b >= a * 0.95) }' || wrong "$1" "$2" "$3"
}
near "prefill" 0.8566 "$(values prefill | head -n 1)"
near "prefill behind a history" 0.03126 "$(values prefill | tail -n 1)"  # 12 + 0.9 + 0.03 * 612 ms
near "decode" 1.81104 "$(values decode | head -n 1)"                     # 49 (12 + 0.04 (600 + 24)) ms

# The OpenAI API, where time passes.
# A machine that is busy with others' work may hold the server up, but not three times.
for _ in 1 2 3; do
    rm -f openai.jsonl openai.json
    runs 0 -- profile --url "$at/openai/v1/" --seconds 60 --measurements openai.jsonl --name mine --out openai.json --json
    (failures=0 && below "" 0.3 "$(error median_error)" 2>/dev/null && [ "$failures" = 0 ]) && break
done
grep -q '"test":"request"' openai.jsonl || wrong "measurements of requests" "test request" "$(shortened openai.jsonl)"
grep -q '"name": "mine"' openai.json || wrong "--name" mine "$(shortened openai.json)"
below "median error on fresh requests" 0.3 "$(error median_error)"
runs 0 -- profile --url "$at/chat" --model other --seconds 60
grep -q '^OpenAI API, other, context 0' err || wrong "chat completions" "OpenAI API, other" "$(shortened err)"

# Its key.
fails_with 2 'HTTP status 401: "no key"; expected llama-server or a server of the OpenAI API; its key goes into QLROUTE_API_KEY' \
    -- profile --url "$at/secret" --seconds 60
export QLROUTE_API_KEY='open sesame'
runs 0 -- profile --url "$at/secret" --seconds 60 --json
unset QLROUTE_API_KEY

# Servers that fail: one line.
refused() {
    fails_with 2 "$2" -- profile --url "$at/$1" --seconds 60 --out refused.json --json
    equal "lines about $1" 1 "$(wc -l <err)"
    [ -e refused.json ] && wrong "the endpoint file of $1" none refused.json
}
refused closes "--url: $at/closes does not answer ("
refused fails "--url: $at/fails/v1/models: HTTP status 500: \"out of memory\"; expected llama-server or a server of the OpenAI API"
refused nonsense "--url: $at/nonsense: /v1/chat/completions: the answer has no usage.prompt_tokens; expected llama-server or"
refused breaks "--url: $at/breaks: /completion: HTTP status 500: \"slot is gone\""
refused no-timings "--url: $at/no-timings: /completion: the answer has no timings; is it an older llama-server?"
refused openai-breaks "--url: $at/openai-breaks: /v1/chat/completions: HTTP status 503: \"loading\""
refused no-usage "--url: $at/no-usage: /v1/chat/completions: the answer has no usage.prompt_tokens"
# One that fails on the way: what was measured counts.
runs 0 -- profile --url "$at/tires" --seconds 60 --json
grep -qF '/completion: HTTP status 500: "slot is gone"; going on with what was measured' err ||
    wrong "a server that fails on the way" "going on" "$(shortened err)"

# A file of measurements that cannot be gone on from, or written.
echo 'no measurement' >broken.jsonl
fails_with 2 'broken.jsonl: line 1: not valid JSON' -- profile --url "$at/llama" --seconds 60 --measurements broken.jsonl
fails_with 2 'cannot write "none/x.jsonl"' -- profile --url "$at/llama" --seconds 60 --measurements none/x.jsonl

finish
