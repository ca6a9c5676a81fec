# What is wrong is said with what to do, and nothing else is lost.
. "$(dirname "$0")/support.sh"

good=(--device-engine device.json --edge-engine edge.json)
printf '{"id":"a","turns":["hello"]}\n' >script.jsonl

# Models.
fails_with 2 '--device: "nowhere.gguf": no such file; expected a GGUF file' -- --device nowhere.gguf --edge edge.gguf
fails_with 2 '--edge: ".": it is not a file; expected a GGUF file' -- --device device.gguf --edge .
: >empty.gguf
head -c 3000 /dev/urandom >random.gguf
head -c 100 device.gguf >short.gguf
head -c 300000 device.gguf >cut.gguf
{ printf 'GGUF'; head -c 2000 /dev/zero; } >zeros.gguf
for file in empty random short cut zeros; do
    fails_with 2 "--device: \"$file.gguf\": llama.cpp cannot load it" -- --device "$file.gguf" --edge edge.gguf
done
fails_with 2 '--edge is required' -- --device device.gguf

# Options.
fails_with 2 '--template: "nothing" is none of ' -- --device device.gguf --edge edge.gguf --template nothing
fails_with 2 '--device-ability: "gpt-5" is no known model; nearest are ' -- --device device.gguf --edge edge.gguf --device-ability gpt-5
fails_with 2 '--plan: expected device and edge with commas between, got "cloud"' -- --device device.gguf --edge edge.gguf --plan device,cloud
fails_with 2 '--link: "lte_egde_static" is no preset; nearest are lte_edge_static' -- --device device.gguf --edge edge.gguf --link lte_egde_static
fails_with 2 '--uplink: expected the rate of the link' -- --device device.gguf --edge edge.gguf --rtt 3ms
fails_with 2 '--uplink: ' -- --device device.gguf --edge edge.gguf --uplink '3 apples'
fails_with 2 '--backends: no backend of ggml in "nowhere"' -- --device device.gguf --edge edge.gguf "${good[@]}" --backends nowhere
fails_with 2 '--script: cannot read "nowhere.jsonl"' -- --device device.gguf --edge edge.gguf "${good[@]}" --script nowhere.jsonl
echo '{"format":"qlroute.endpoint","version":1,"engine":{"policy":"roofline","parameters":1,"layers":1,"attention_width":1,"weights_bit":1,"kv_bit_per_token":1,"operations_per_s":1,"bandwidth_bit_per_s":1,"prefill_overhead_s":0,"decode_overhead_s":0}}' >roof.json
fails_with 2 '--edge-engine: roof.json: engine.policy: expected batched or profiled' -- --device device.gguf --edge edge.gguf --device-engine device.json --edge-engine roof.json
echo '{}' >no.json
fails_with 2 'no.json: not an endpoint file' -- --device device.gguf --edge edge.gguf --device-engine no.json --edge-engine edge.json

# Templates: without one, and with one that llama.cpp does not know.
for model in bare odd; do
    runs 0 -- --device "$model.gguf" --edge edge.gguf "${good[@]}" --script script.jsonl --plan device --json
    grep -qF -e 'taking chatml (--template names another)' err || wrong "$model.gguf" "a note" "$(shortened err)"
    holds "ChatML instead" 'follows_device([[("hello", None)]])'
done
runs 0 -- --device bare.gguf --edge edge.gguf "${good[@]}" --script script.jsonl --plan device --json --template zephyr
grep -qF -e 'taking zephyr' err || wrong "--template zephyr" "a note" "$(shortened err)"

# A line that is no dialogue, and a message that cannot be sent.
printf '%s\n' '{"id":"a","turns":["hello"]}' 'nonsense' '{"id":"b","turns":["zero \u0000 byte","not asked"]}' '{"id":"c","turns":[""]}' >lines.jsonl
chat 1 --script lines.jsonl --plan device,edge --json
equal "dialogues that were answered" "a c" "$(values id | in_one_line)"
for text in 'lines.jsonl:2: ' 'b, turn 1: a message has a zero character' 'b: its other turns are left out'; do
    grep -qF -e "$text" err || wrong "message" "$text" "$(shortened err)"
done

# A context that is full: first the reply is cut, then the dialogue ends and the next one goes on.
words=$(printf 'word %.0s' $(seq 30))
printf '{"id":"long","turns":["%s","%s","%s"]}\n{"id":"next","turns":["hello"]}\n' "$words" "$words" "$words" >long.jsonl
chat 1 --script long.jsonl --plan device --tokens 80 -c 256 --json
equal "turns that fit" "long next" "$(values id | in_one_line)"
holds "a reply that is cut" 'turns[0]["tokens"]["stop"] == ("context" if turns[0]["tokens"]["prompt"] + 80 > 257 else "length")'
grep -qF -e "tokens exceed the context of device, 256; begin a new dialogue, or give a larger -c" err || wrong "message" "the context" "$(shortened err)"
chat 0 --script long.jsonl --plan device --tokens 200 -c 256 --json --turns 1
holds "a reply is cut at the context" 'turns[0]["tokens"]["stop"] == "context" and turns[0]["engine"]["positions"] == 256'
printf '%s\n%s\nhello\n' "$words" "$words" | chat 1 --plan device --tokens 80 -c 256 --json
equal "dialogues of standard input" "chat-1 chat-2" "$(values id | in_one_line)"
grep -qF -e 'the next line begins a new dialogue' err || wrong "message" "a new dialogue" "$(shortened err)"
# The router knows that the edge, which counts fewer tokens, has room.
words=$(printf 'an in on %.0s' $(seq 12))
printf '{"id":"long","turns":["%s","%s"]}\n' "$words" "$words" >long.jsonl
chat 0 --script long.jsonl --quality-price 0 --tokens 30 -c 256 --json
equal "who has room answers" "device edge" "$(values endpoint | in_one_line)"
finish
