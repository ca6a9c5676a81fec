# What a configuration may not say: the message names the file, the key and what was expected; nothing is routed.
. "$(dirname "$0")/support.sh"

# with_endpoint MEMBERS: a configuration with one endpoint that has these besides what it needs.
with_endpoint() {
    printf '{"endpoints":[{"name":"x","prefill_rate":"9 tok/s","tpot":"9 ms/tok",%s}]}' "$1"
}

# Files.
fails_with 2 'cannot read "none.json": No such file or directory' -- route --config none.json two.jsonl
mkdir folder
fails_with 2 'cannot read "folder": it is a directory' -- route --config folder two.jsonl
fails_with 2 '--config: expected a file, got an empty name' -- route --config '' two.jsonl
fails_with 2 '--config' -- route --config
fails_with 2 '--config' -- route --config a.json --config b.json two.jsonl
if [ "$(id -u)" != 0 ]; then  # root reads everything
    echo '{}' >secret.json
    chmod 000 secret.json
    fails_with 2 'cannot read "secret.json": Permission denied' -- route --config secret.json two.jsonl
fi
head -c 30 <(gzip -c "$demo/config.json") >cut.json
fails_with 2 'is it a complete gzip file?' -- route --config cut.json two.jsonl

# JSON.
config_fails '' 'not valid JSON: parse error at line 1'
config_fails '{"weights": {"uplink": 1,}}' 'not valid JSON: parse error at line 1, column 26'
config_fails '{"weights": {"uplink": NaN}}' 'not valid JSON: parse error at line 1, column 24: syntax error'
config_fails '{"weights": {"uplink": -Infinity}}' 'not valid JSON: parse error at line 1, column 25'
config_fails '{"weights": {"uplink": 1e999}}' "not valid JSON: number overflow parsing '1e999'"
config_fails '{} {}' 'not valid JSON: parse error at line 1, column 4'
config_fails "$(printf '{"expected_output": "\xff"}')" \
    'not valid JSON: parse error at line 1, column 22: syntax error while parsing value - invalid string: ill-formed'
config_fails '[]' 'the whole file: expected an object'
config_fails '"text"' 'the whole file: expected an object, such as {...}, got "text"'
config_fails '{"rule": {}, "weights": {}, "rule": {}}' 'rule: found twice in one object; expected it once'
config_fails '{"weights": {"uplink": 1, "uplink": 2}}' 'uplink: found twice in one object'
{ printf '{"link":'; head -c 300000 /dev/zero | tr '\0' '['; head -c 300000 /dev/zero | tr '\0' ']'; echo '}'; } \
    >deep.json
fails_with 2 'deep.json: link: expected an object, such as {...}, got a list' -- route --config deep.json two.jsonl

# Keys that nobody knows, by the place where they are.
config_fails '{"ruel": {}}' \
    'ruel: unknown key; known here are predictor, endpoints, link, rate_estimator, weights, rule, expected_output'
config_fails "$(with_endpoint '"speed":1')" 'endpoints[0].speed: unknown key; known here are name, remote, available'
config_fails '{"link":{"uplink":"1 Mbit/s"}}' 'link.uplink: unknown key; known here are preset, snr, bandwidth, uplink_rate'
config_fails '{"link":{"snr":"9 dB","bandwidth":"1 MHz","uplink_rate":"1 Mbit/s"}}' \
    'link.uplink_rate: unknown key; known here are preset, snr, bandwidth, spectral_efficiency, rtt'
config_fails '{"rate_estimator":{"type":"last_value","keep":0.5}}' \
    'rate_estimator.keep: unknown key; known here are type'
config_fails '{"weights":{"upload":1}}' 'weights.upload: unknown key; known here are quality_loss, uplink, queueing'
config_fails '{"rule":{"type":"lowest_cost","theta":0.5}}' 'rule.theta: unknown key; known here are type, hysteresis'
config_fails '{"predictor":{"path":"x"}}' 'predictor.path: unknown key; known here are type, file'

# Endpoints.
config_fails '{"endpoints":[]}' 'endpoints: expected a list of at least one endpoint, got an empty list'
config_fails '{"endpoints":{"name":"x"}}' 'endpoints: expected a list of at least one endpoint, got an object'
config_fails '{"endpoints":["phone"]}' 'endpoints[0]: expected an object, such as {...}, got "phone"'
config_fails '{"endpoints":[{}]}' 'endpoints[0].name: missing; expected a text, such as "phone"'
config_fails '{"endpoints":[{"name":""}]}' 'endpoints[0].name: expected a text that is not empty, got ""'
config_fails '{"endpoints":[{"name":7}]}' 'endpoints[0].name: expected a text that is not empty, got 7'
config_fails '{"endpoints":[{"name":"x","tpot":"9 ms/tok"}]}' \
    'endpoints[0].prefill_rate: missing; expected a rate such as "220 tok/s"'
config_fails '{"endpoints":[{"name":"x","prefill_rate":"9 tok/s"}]}' \
    'endpoints[0].tpot: missing; expected a time per token such as "45 ms/tok"'
good='"prefill_rate":"9 tok/s","tpot":"9 ms/tok"'
config_fails '{"endpoints":[{"name":"x",'"$good"'},{"name":"x",'"$good"'}]}' 'endpoints: two endpoints are named "x"'
config_fails '{"endpoints":[{"name":"x",'"$good"'},{"name":"y","prefill_rate":"0 tok/s","tpot":"9 ms/tok"}]}' \
    'endpoints[1]: endpoint "y": prefill_rate must be more than 0'
config_fails '{"endpoints":[{"name":"x","prefill_rate":"9 tok/s","tpot":"0 ms/tok"}]}' \
    'endpoints[0]: endpoint "x": tpot must be more than 0'
config_fails '{"endpoints":[{"name":"x","prefill_rate":"-9 tok/s","tpot":"9 ms/tok"}]}' \
    'endpoints[0].prefill_rate: must not be negative, got "-9 tok/s"'
config_fails '{"endpoints":[{"name":"x","prefill_rate":"1e-300 tok/s","tpot":"9 ms/tok"}]}' \
    'endpoints[0].prefill_rate: expected 0 or at least 1e-15 tok/s'
config_fails '{"endpoints":[{"name":"x","prefill_rate":"9 ms","tpot":"9 ms/tok"}]}' \
    'endpoints[0].prefill_rate: expected a token rate such as "220 tok/s", got "9 ms", which is a time'
config_fails '{"endpoints":[{"name":"x","prefill_rate":9,"tpot":"9 ms/tok"}]}' \
    'endpoints[0].prefill_rate: expected a token rate such as "220 tok/s", got "9", which has no unit; use'
config_fails "$(with_endpoint '"remote":"yes"')" 'endpoints[0].remote: expected true or false, got "yes"'
config_fails "$(with_endpoint '"available":1')" 'endpoints[0].available: expected true or false, got 1'
config_fails "$(with_endpoint '"resends_history":null')" \
    'endpoints[0].resends_history: expected true or false, got null'
config_fails "$(with_endpoint '"reply_kept":1.5')" 'endpoints[0].reply_kept: expected a number from 0 to 1, got 1.5'
config_fails "$(with_endpoint '"reply_ratio":0')" 'endpoints[0].reply_ratio: expected a number from 0.01 to 100, got 0'
config_fails "$(with_endpoint '"tokenizer_ratio":0')" \
    'endpoints[0].tokenizer_ratio: expected a number from 0.01 to 100, got 0'
config_fails "$(with_endpoint '"kv_rollback":"-1 tok"')" 'endpoints[0].kv_rollback: must not be negative'
config_fails "$(with_endpoint '"ability":"huge"')" \
    'endpoints[0].ability: expected small, medium, large, frontier or a number from 0 to 3, the path of an endpoint file (.json), or a known model (nearest are '
grep -qF '; qlroute models lists all), got "huge"' err || wrong "the message of huge" "where the models are" "$(shortened err)"
config_fails "$(with_endpoint '"ability":[]')" \
    'endpoints[0].ability: expected small, medium, large, frontier or a number from 0 to 3, a known model or an endpoint file, got an empty list'
known=$("$program" models | head -n 1)
config_fails "$(with_endpoint '"ability":"'"${known}x"'"')" 'endpoints[0].ability: expected small, medium'
grep -qF "(nearest are $known" err || wrong "the message of ${known}x" "$known" "$(shortened err)"
config_fails "$(with_endpoint '"ability":"none.json"')" \
    'endpoints[0].ability: cannot read "none.json": No such file or directory'
config_fails "$(with_endpoint '"ability":"config.json"')" \
    'endpoints[0].ability: config.json: not an endpoint file; expected one that qlroute calibrate wrote'
for type in lexical constant; do
    for ability in huge none.json "$known"; do
        config_fails '{"predictor":{"type":"'$type'"},'"$(with_endpoint '"ability":"'"$ability"'"' | tail -c +2)" \
            "endpoints[0].ability: expected small, medium, large, frontier or a number from 0 to 3, got \"$ability\"; known models and endpoint files need the predictor response"
    done
    config_fails '{"predictor":{"type":"'$type'"},'"$(with_endpoint '"ability":7' | tail -c +2)" \
        'endpoints[0].ability: expected small, medium, large, frontier or a number from 0 to 3, got 7'
done
config_fails "$(with_endpoint '"ability":3.5')" 'endpoints[0].ability: expected small, medium, large, frontier or'
config_fails "$(with_endpoint '"ability":-1')" 'endpoints[0].ability: expected small, medium, large, frontier or'
config_fails "$(with_endpoint '"usual_success":1.5')" \
    'endpoints[0].usual_success: expected a number from 0 to 1, got 1.5'
config_fails "$(with_endpoint '"queue_delay":"nan ms"')" \
    'endpoints[0].queue_delay: expected a finite number and a unit such as "38 ms", got "nan ms"'
config_fails "$(with_endpoint '"queue_delay":"-1 ms"')" 'endpoints[0].queue_delay: must not be negative, got "-1 ms"'
config_fails "$(with_endpoint '"queue_delay":"1 sec"')" \
    'endpoints[0].queue_delay: expected a time such as "38 ms", got "1 sec": unknown unit "sec"; use ns, us, ms'
config_fails "$(with_endpoint '"queue_delay":"1e300 s"')" \
    'endpoints[0].queue_delay: expected at most 1e15 s, got "1e300 s"'
config_fails "$(with_endpoint '"queue_delay":"1e999 s"')" \
    'endpoints[0].queue_delay: expected a finite number and a unit'
config_fails "$(with_endpoint '"context_window":8192')" \
    'endpoints[0].context_window: expected a number of tokens such as'
config_fails "$(with_endpoint '"kv_size":"28 KiB"')" 'endpoints[0].kv_size: expected a data size per token such as'
config_fails "$(with_endpoint '"kv_capacity":"-1 tok"')" 'endpoints[0].kv_capacity: must not be negative'
config_fails "$(with_endpoint '"kv_lifetime":5')" 'endpoints[0].kv_lifetime: expected a time such as "38 ms", got "5"'
config_fails "$(with_endpoint '"kv_lifetime":"0 s"')" 'endpoints[0]: endpoint "x": kv_lifetime must be more than 0'
config_fails "$(with_endpoint '"kv_lifetime":"inf s"')" 'endpoints[0].kv_lifetime: expected a finite number and a unit'
config_fails "$(with_endpoint '"kv_rate":"1 tok/s"')" 'endpoints[0].kv_rate: expected a data rate such as "20 Mbit/s"'
config_fails "$(with_endpoint '"kv_rate":"1 Mbit/s"')" \
    'endpoints[0].kv_size: missing; expected the KV cache of a token such as "28 KiB/tok", because there is a kv_rate'
config_fails "$(with_endpoint '"extra_rtt":[]')" 'endpoints[0].extra_rtt: expected a finite number and a unit'
config_fails "$(with_endpoint '"request_overhead":"600"')" 'endpoints[0].request_overhead: expected a data size such as'
config_fails "$(with_endpoint '"token_size":"9 s"')" 'endpoints[0].token_size: expected a data size per token such as'

# The link.
config_fails '{"link":"fast"}' 'link: expected an object, such as {...}, got "fast"'
config_fails '{"link":{"uplink_rate":"-1 Mbit/s"}}' 'link.uplink_rate: must not be negative, got "-1 Mbit/s"'
config_fails '{"link":{"downlink_rate":"1 MHz"}}' 'link.downlink_rate: expected a data rate such as "20 Mbit/s"'
config_fails '{"link":{"rtt":0.05}}' 'link.rtt: expected a time such as "38 ms", got "0.05", which has no unit'
config_fails '{"link":{"snr":"9 dB"}}' 'link.bandwidth: missing; expected a frequency such as "20 MHz"'
config_fails '{"link":{"bandwidth":"1 MHz"}}' 'link.snr: missing; expected a ratio such as "12 dB"'
config_fails '{"link":{"snr":9,"bandwidth":"1 MHz"}}' 'link.snr: expected a text with a number and a unit'
config_fails '{"link":{"snr":"-3","bandwidth":"1 MHz"}}' \
    'link.snr: a ratio must not be negative, got "-3"; did you mean dB?'
config_fails '{"link":{"snr":"9 dB","bandwidth":"1 Mbit/s"}}' 'link.bandwidth: expected a frequency such as "10 MHz"'
config_fails '{"link":{"snr":"9 dB","bandwidth":"1 MHz","spectral_efficiency":"x"}}' \
    'link.spectral_efficiency: expected one of truncated_shannon, cqi_table, got "x"'
config_fails '{"rate_estimator":{"type":"kalman"}}' \
    'rate_estimator.type: expected one of last_value, ewma, harmonic_mean, got "kalman"'
config_fails '{"rate_estimator":{"type":"ewma","keep":1}}' \
    'rate_estimator.keep: expected a number from 0 to 0.999999, got 1'

# The transport.
config_fails '{"transport":"tcp"}' 'transport: expected an object, such as {...}, got "tcp"'
config_fails '{"transport":{"type":"udp"}}' 'transport.type: expected one of serialised, tcp, got "udp"'
config_fails '{"transport":{"loss":0.1}}' 'transport.loss: unknown key; known here are type'
config_fails '{"transport":{"type":"tcp","handshake":"tls"}}' \
    'transport.handshake: expected one of none, tcp, tcp_tls12, tcp_tls13, tcp_tls13_early_data, quic, quic_early_data, got "tls"'
config_fails '{"transport":{"type":"tcp","handshake":2}}' 'transport.handshake: expected one of none, tcp,'
config_fails '{"transport":{"type":"tcp","keep_alive":5}}' 'transport.keep_alive: expected a time such as "38 ms", got "5"'
config_fails '{"transport":{"type":"tcp","lookup":"-1 ms"}}' 'transport.lookup: must not be negative'
config_fails '{"transport":{"type":"tcp","initial_window":0}}' \
    'transport.initial_window: expected a number from 1 to 1000000, got 0'
config_fails '{"transport":{"type":"tcp","loss":1}}' 'transport.loss: expected a number from 0 to 0.99, got 1'
config_fails '{"link":{"transport":{"type":"tcp","window":3}}}' \
    'link.transport.window: unknown key; known here are type, handshake, lookup, keep_alive, initial_window, loss'
config_fails '{"link":{"transport":{}},"transport":{}}' 'transport: found here and in link; expected it once'

# Weights, and the rest.
config_fails '{"weights":{"uplink":-1}}' 'weights.uplink: expected a number from 0 to 1000000000, got -1'
config_fails '{"weights":{"decode":"2"}}' 'weights.decode: expected a number from 0 to 1000000000, got "2"'
config_fails '{"weights":{"downlink":1e300}}' 'weights.downlink: expected a number from 0 to 1000000000, got 1e+300'
config_fails '{"weights":{"quality_loss":6}}' 'weights.quality_loss: expected a time such as "38 ms", got "6"'
config_fails '{"weights":{"quality_loss":"-6 s"}}' 'weights.quality_loss: must not be negative, got "-6 s"'
config_fails '{"predictor":{"type":"oracle"}}' \
    'predictor.type: expected one of response, lexical, constant, got "oracle"'
config_fails '{"predictor":{"type":"lexical","file":"none.safetensors"}}' \
    'predictor.file: cannot open "none.safetensors": No such file or directory'
config_fails '{"predictor":{"type":"lexical","file":"two.jsonl"}}' 'predictor.file: cannot read "two.jsonl": byte 0:'
config_fails '{"predictor":{"type":"lexical","file":7}}' 'predictor.file: expected the path of lexical weights, got 7'
config_fails '{"predictor":{"file":"none"}}' \
    'predictor.file: cannot open "none/encoder.safetensors": No such file or directory'
config_fails '{"predictor":{"type":"response","file":7}}' \
    'predictor.file: expected a folder with encoder.safetensors, response.safetensors and vocab.txt, got 7'
config_fails '{"predictor":{"file":""}}' \
    'predictor.file: expected a folder with encoder.safetensors, response.safetensors and vocab.txt, got ""'
mkdir mixed
cp "$demo/../../models/difficulty/"{encoder.safetensors,vocab.txt} mixed
cp "$demo/../../models/lexical.safetensors" mixed/response.safetensors
config_fails '{"predictor":{"file":"mixed"}}' \
    'predictor.file: "mixed/response.safetensors": these are not response weights; expected a file that training/run wrote'
config_fails '{"predictor":{"type":"constant","file":"x"}}' \
    'predictor.file: the type constant has none; leave it out, or change the type to response or lexical'
config_fails '{"expected_output":200}' 'expected_output: expected a number of tokens such as "900 tok", got "200"'
config_fails '{"expected_output":"1e9 tok"}' 'expected_output: expected at most 1 Mtok, got "1e9 tok"'
config_fails '{"turn_interval":"-1 s"}' 'turn_interval: must not be negative, got "-1 s"'
config_fails '{"turn_interval":"25 h"}' 'turn_interval: expected at most 86400 s, got "25 h"'

# What is allowed: comments, and nothing at all.
printf '%s\n' '// a comment' '{} /* and another */' >config.json
runs 0 -- route --config config.json --json two.jsonl
has_turns 3 "an empty configuration"
runs 0 -- route --json two.jsonl
cp out by_default
runs 0 -- route --config config.json --json two.jsonl
cmp -s by_default out || wrong "an empty configuration" "what the defaults give" "$(shortened out)"

# Numbers at the bounds give finite costs.
printf '%s' '{"endpoints":[{"name":"x","remote":true,"prefill_rate":"1e-15 tok/s","tpot":"1e15 s/tok",
    "queue_delay":"1e15 s","extra_rtt":"1e15 s","token_size":"1e15 bit/tok","request_overhead":"1e15 bit",
    "kv_size":"1e15 bit/tok",
    "kv_rate":"1e-15 bit/s"}],"link":{"rtt":"1e15 s"},"weights":{"quality_loss":"1e15 s","uplink":1e9,"queueing":1e9,
    "switching":1e9,"prefill":1e9,"decode":1e9,"downlink":1e9},"expected_output":"1 Mtok"}' >config.json
sed 's/^{/{"transport":{"type":"tcp","handshake":"tcp_tls12","lookup":"1e15 s","keep_alive":"0 s","initial_window":1,"loss":0.99},/' \
    config.json >tcp.json
runs 0 -- route --config tcp.json --json "$demo/dialogues.jsonl"
has_turns 107 "numbers at the bounds, over TCP"
equal "costs over TCP that are not finite" 0 "$(not_finite)"
runs 0 -- route --config config.json --json "$demo/dialogues.jsonl"
has_turns 107 "numbers at the bounds"
equal "costs that are not finite" 0 "$(not_finite)"

finish
