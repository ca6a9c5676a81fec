# An assumed link before the edge: its seconds are predicted, and really pass.
. "$(dirname "$0")/support.sh"

printf '{"id":"a","turns":["hello there","and you?","bye"]}\n' >script.jsonl
chat 0 --script script.jsonl --plan edge,edge,device --tokens 8 --json --uplink 1Mbit/s --rtt 200ms
holds "the edge is a round trip away" 'all(0.2 < t["measured"]["ttft_s"] and 0.2 < t["predicted"]["ttft_s"] < 0.3 for t in turns[:2])'
holds "the uplink is half of it, and the request" 'all(0.1 < t["breakdown"]["uplink"] < 0.12 for t in turns[:2])'
holds "the device is not" 'turns[2]["breakdown"]["uplink"] == 0 and turns[2]["predicted"]["ttft_s"] < 0.1'
# 8 tokens of 297 bytes at 64 kbit/s: 37 ms each.
chat 0 --script script.jsonl --plan edge --turns 1 --tokens 8 --json --uplink 1Mbit/s --downlink 64kbit/s
holds "a slow downlink holds the answer up" '0.2 < turns[0]["measured"]["decode_s"] and 0.2 < turns[0]["predicted"]["decode_s"] < 0.3'
chat 0 --script script.jsonl --plan edge --turns 1 --json --link lte_edge_static
holds "a preset" '0.041 < turns[0]["measured"]["ttft_s"]'
chat 0 --script script.jsonl --plan edge --turns 1 --json
holds "none, unless it is asked for" 'turns[0]["breakdown"]["uplink"] == turns[0]["breakdown"]["downlink"] == 0'
finish
