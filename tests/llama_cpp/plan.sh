# Who answers is given: what is cached and what is evaluated is what the engine holds, over stays and switches.
. "$(dirname "$0")/support.sh"

long="the quick brown fox jumps over the lazy dog and then it rests in the shade of an old oak tree until the evening comes"
{
    printf '{"id":"a","turns":["%s","and then?","%s","why?","go on","%s","really?","thanks"]}\n' "$long" "$long" "$long"
    printf '{"id":"b","turns":["the quick brown cat","and?"]}\n'
} >script.jsonl
plan=device,device,edge,edge,device,edge,device,device,device,edge

chat 0 --script script.jsonl --plan "$plan" --tokens 12 --json
equal "turns" 10 "$(wc -l <out)"
equal "endpoints" "${plan//,/ }" "$(values endpoint | in_one_line)"
equal "switched" "false false true false true true true false false true" "$(values switched | in_one_line)"
holds "the vocabularies differ" 'all(t["prompt_tokens"]["edge"] < t["prompt_tokens"]["device"] for t in turns)'
holds "nothing is cached where nothing was said" 'turns[0]["tokens"]["cached"] == turns[2]["tokens"]["cached"] == 0'
holds "a stay, and a return after a switch, finds all that the engine held" \
    'all(turns[b]["tokens"]["cached"] == turns[a]["engine"]["positions"] for a, b in ((0, 1), (1, 4), (2, 3), (3, 5), (4, 6), (6, 7)))'
holds "the device reads what differs, across dialogues, too" \
    "follows_device([[(text, None) for text in dialogue['turns']] for dialogue in map(json.loads, open('script.jsonl'))])"
holds "to read again is predicted to take longer than to stay" \
    'min(prefill(turns[i]) for i in (2, 4, 5, 6)) > max(prefill(turns[i]) for i in (1, 3, 7))'
cp out before

chat 0 --script script.jsonl --plan "$plan" --tokens 12 --json
same_text() { sed -n 's/.*"text":\(".*"\)}$/\1/p' "$1"; }
equal "the text, once more" "$(same_text before)" "$(same_text out)"
chat 0 --script script.jsonl --plan device --tokens 12 --json --turns 3
equal "turns with --turns 3" 3 "$(wc -l <out)"
holds "stays alone" 'all(t["endpoint"] == "device" and not t["switched"] for t in turns)'
chat 0 --script script.jsonl --plan "$plan" --tokens 12 --json --batch 16
holds "small batches read as much" 'sum(t["tokens"]["evaluated"] for t in turns) > 500'

# What was said is edited: what stands before it stays.
cat >edits.jsonl <<'TXT'
{"id":"e","turns":["one two three four","five six seven","eight nine",{"text":"five six eleven","edit":2},{"text":"one two twelve","edit":1}]}
TXT
chat 0 --script edits.jsonl --plan device --tokens 8 --json
holds "edits" 'follows_device([[("one two three four", None), ("five six seven", None), ("eight nine", None), ("five six eleven", 1), ("one two twelve", 0)]])'
chat 0 --script edits.jsonl --plan edge,device --tokens 8 --json
holds "edits and switches" 'all(t["switched"] for t in turns[1:])'

# A template that writes history otherwise than it was generated: the reply is read again, and expected to be.
runs 0 -- --device device.gguf --edge rereads.gguf --device-engine device.json --edge-engine edge.json --plan edge \
    --script script.jsonl --turns 3 --tokens 12 --json
holds "the reply is read again" 'all(b["tokens"]["cached"] == a["tokens"]["prompt"] for a, b in zip(turns, turns[1:]))'
finish
