# Transports: what a request takes to get across the link, by hand and as recorded.
. "$(dirname "$0")/support.sh"

# costs KEY TRANSPORT: of the turns of requests.jsonl, with the configuration's members in $more.
costs() {
    printf '%s' '{"endpoints":[{"name":"far","remote":true,"prefill_rate":"1000 tok/s","tpot":"1 ms/tok"}],
        "expected_output":"1 tok","link":{"rtt":"100 ms"}'"${more:-}"',"transport":'"$2"'}' >config.json
    runs 0 -- route --json --config config.json requests.jsonl
    values "$1" | awk '{ printf "%.9f\n", $1 }' | in_one_line
}

# A message of 4 bytes is a request of 606 B: 4848 bit, and 416 bit of headers with its one segment, at 10 Mbit/s.
printf '%s\n' '{"id":"a","turns":["1234","1234"]}' >requests.jsonl
plain=0.050484800
equal "serialised" "$plain $plain" "$(costs uplink '{"type":"serialised"}')"
equal "by default" "$plain $plain" "$(costs uplink '{}')"
equal "a new connection: two round trips more" "0.250526400 0.250526400" "$(costs uplink '{"type":"tcp"}')"
equal "one that is kept" "0.250526400 0.050526400" "$(costs uplink '{"type":"tcp","keep_alive":"60 s"}')"
for handshake in none:0 tcp:1 tcp_tls12:3 tcp_tls13:2 tcp_tls13_early_data:1 quic:1 quic_early_data:0; do
    equal "the handshake ${handshake%:*}" "0.${handshake#*:}70526400" \
        "$(costs uplink '{"type":"tcp","lookup":"20 ms","handshake":"'"${handshake%:*}"'"}' | cut -d' ' -f1)"
done

# 40 segments, 480000 bit with their headers: windows of 10 and 20 cost a round trip each, and 10 are left.
head -c 57318 /dev/zero | tr '\0' 'x' >long
printf '{"id":"a","turns":["%s"]}\n' "$(cat long)" >requests.jsonl
equal "slow start" "0.462000000" "$(costs uplink '{"type":"tcp"}')"
equal "a first window for all" "0.298000000" "$(costs uplink '{"type":"tcp","initial_window":40}')"
equal "losses cost time" 1 "$(costs uplink '{"type":"tcp","loss":0.01}' | awk '{ print ($1 > 0.462 && $1 < 2) }')"
cp config.json top.json
sed 's/}$//; s/,"transport":\(.*\)$//; s/"100 ms"/"100 ms","transport":{"type":"tcp","loss":0.01}/' top.json >in_link.json
echo '}' >>in_link.json
runs 0 -- route --json --config top.json requests.jsonl
cp out top
runs 0 -- route --json --config in_link.json requests.jsonl
cmp -s top out || wrong "a transport in link" "the same as beside it" "$(shortened out) $(shortened in_link.json)"

# History that has to be sent goes in the same request, which then has 57920 B, as above, instead of 606 B. 14328 tokens
# are read.
printf '%s' '{"endpoints":[{"name":"near","context_window":"14329 tok","prefill_rate":"1000 tok/s","tpot":"1 ms/tok"},
    {"name":"far","remote":true,"queue_delay":"1000 s","prefill_rate":"1000 tok/s","tpot":"1 ms/tok"}],
    "expected_output":"1 tok","link":{"rtt":"100 ms"},"transport":{"type":"tcp"}}' >config.json
printf '{"id":"a","turns":["%s","1234"],"assistant_ref":["1234"]}\n' "$(head -c 57306 long)" >switch.jsonl
runs 0 -- route --json --config config.json switch.jsonl
equal "near, then far" "near far" "$(values endpoint | in_one_line)"
equal "switching over TCP" "0 14.5394736" "$(values switching | awk '{ printf "%.9g\n", $1 }' | in_one_line)"

# As recorded: without a trace it is what the cost says: 1 ms a token read, none written after the first; 297 B come back.
printf '%s\n' '{"id":"a","turns":["1234"]}' >requests.jsonl
costs uplink '{"type":"tcp","lookup":"10 ms"}' >/dev/null
runs 0 -- route --config config.json --compare requests.jsonl
grep -Eq '^  always far +1 +0\.31 s' out || wrong "latency over TCP" "0.31 s" "$(grep 'always far' out)"
# Through an outage of 10 s, then at 1 Mbit/s: 10.004848 s, and lookup, two and a half round trips and 416 bit of headers
# more; 1 ms is read, 2.376 ms the token comes back, and half a round trip.
printf '%s\n' 't_s,uplink_bps,downlink_bps,rtt_s,snr_db' '0,0,1000000,0.1,' '10,1000000,1000000,0.1,' \
    '100,1000000,1000000,0.1,' >late.csv
runs 0 -- route --config config.json --trace late.csv --compare requests.jsonl
grep -Eq '^  always far +1 +10\.32 s' out || wrong "latency over TCP after an outage" "10.32 s" "$(grep 'always far' out)"
# A link that never carries anything takes for ever, whatever the transport.
printf '%s\n' 't_s,uplink_bps,downlink_bps,rtt_s,snr_db' '0,0,1000000,0.1,' '10,0,1000000,0.1,' >never.csv
runs 0 -- route --config config.json --trace never.csv --compare requests.jsonl
grep -Eq '^  always far +1 +inf s' out || wrong "latency without a link" "inf s" "$(grep 'always far' out)"

# fused_score counts the transport, too: 0.6 - alpha * T of far against 0.5.
fused() {
    printf '%s' '{"endpoints":[{"name":"near","usual_success":0.4,"prefill_rate":"1000 tok/s","tpot":"1 ms/tok"},
        {"name":"far","usual_success":0.9,"remote":true,"prefill_rate":"1000 tok/s","tpot":"1 ms/tok"}],
        "predictor":{"type":"constant"},"rule":{"type":"fused_score","alpha_per_s":0.5},"expected_output":"1 tok",
        "link":{"rtt":"100 ms"},"transport":'"$1"'}' >config.json
    runs 0 -- route --json --config config.json requests.jsonl
    values endpoint
}
equal "fused_score over an open connection" far "$(fused '{}')"
equal "fused_score over a new one" near "$(fused '{"type":"tcp"}')"

finish
