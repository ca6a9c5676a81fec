# Published figures instead of the user's own: of a model on a device, and of a link.
. "$(dirname "$0")/support.sh"

# costs CONFIG: the breakdowns and totals of two.jsonl under it.
costs() {
    printf '%s' "$1" >config.json
    runs 0 -- route --config config.json --json two.jsonl
    cut -d, -f3- out
}

# same WHAT CONFIG CONFIG: both price alike.
same() {
    equal "$1" "$(costs "$2")" "$(costs "$3")"
}

endpoint_of() {
    printf '{"predictor":{"type":"constant"},"endpoints":[{"name":"x","remote":true,"kv_rate":"1 Gbit/s",%s}]}' "$1"
}
link_of() {
    printf '{"predictor":{"type":"constant"},"endpoints":[{"name":"x","remote":true,"prefill_rate":"9 tok/s","tpot":"9 ms/tok"}],"link":{%s}}' "$1"
}

# 31.5 tok/s are 1 / 31.5 s a token; 28 KiB of cache.
figures='"prefill_rate":"93.1 tok/s","kv_size":"28 KiB/tok"'
tpot=$(awk 'BEGIN { printf "%.17g", 1 / 31.5 }')
same "a model on a device" "$(endpoint_of '"device":"phone_8elite_cpu","model":"qwen2.5-1.5b"')" \
    "$(endpoint_of "$figures"',"tpot":"'"$tpot"' s/tok"')"
same "the user's own speeds beside it" \
    "$(endpoint_of '"device":"phone_8elite_cpu","model":"qwen2.5-1.5b","tpot":"9 ms/tok","prefill_rate":"7 tok/s"')" \
    "$(endpoint_of '"prefill_rate":"7 tok/s","kv_size":"28 KiB/tok","tpot":"9 ms/tok"')"
same "the user's own cache beside it" \
    "$(endpoint_of '"device":"phone_8elite_cpu","model":"qwen2.5-1.5b","kv_size":"9 KiB/tok"')" \
    "$(endpoint_of '"prefill_rate":"93.1 tok/s","kv_size":"9 KiB/tok","tpot":"'"$tpot"' s/tok"')"
same "a rate that the device lacks" \
    "$(endpoint_of '"device":"phone_a18pro_gpu","model":"qwen2.5-1.5b","prefill_rate":"239 tok/s"')" \
    "$(endpoint_of '"prefill_rate":"239 tok/s","kv_size":"28 KiB/tok","tpot":"25 ms/tok"')"
same "a model alone" "$(endpoint_of '"model":"qwen2.5-1.5b","prefill_rate":"9 tok/s","tpot":"9 ms/tok"')" \
    "$(endpoint_of '"prefill_rate":"9 tok/s","kv_size":"28 KiB/tok","tpot":"9 ms/tok"')"
same "a link" "$(link_of '"preset":"lte_edge_static"')" \
    "$(link_of '"uplink_rate":"9.1 Mbit/s","downlink_rate":"13.9 Mbit/s","rtt":"41 ms"')"
same "the user's own round trip beside it" "$(link_of '"preset":"lte_edge_static","rtt":"90 ms"')" \
    "$(link_of '"uplink_rate":"9.1 Mbit/s","downlink_rate":"13.9 Mbit/s","rtt":"90 ms"')"
same "what was not measured of a link" \
    "$(link_of '"preset":"lte_driving_us_2013","downlink_rate":"9 Mbit/s","rtt":"60 ms"')" \
    "$(link_of '"uplink_rate":"1.12 Mbit/s","downlink_rate":"9 Mbit/s","rtt":"60 ms"')"

# Names that nobody knows, and figures that there are not.
config_fails "$(endpoint_of '"device":"phone","model":"qwen2.5-1.5b"')" \
    'endpoints[0].device: no preset of that name; known are phone_8elite_cpu, phone_8gen3_gpu,'
config_fails "$(endpoint_of '"device":"m2_ultra","model":"phi"')" \
    'endpoints[0].model: no figures of that model on m2_ultra; there are of llama-3-8b, llama-3-70b, got "phi"'
config_fails "$(endpoint_of '"device":"rtx4090"')" \
    'endpoints[0].model: missing; on rtx4090 there are figures of llama-3-8b'
config_fails "$(endpoint_of '"model":"phi"')" \
    'endpoints[0].model: no preset of that name; without a device known are qwen2.5-0.5b, qwen2.5-1.5b,'
config_fails "$(endpoint_of '"device":7')" \
    'endpoints[0].device: expected the name of a preset (docs/presets.md lists all), got 7'
config_fails "$(endpoint_of '"device":"","model":"x"')" 'endpoints[0].device: expected the name of a preset'
config_fails "$(endpoint_of '"device":"phone_a18pro_gpu","model":"qwen2.5-1.5b"')" \
    'endpoints[0].prefill_rate: missing; expected a rate such as "220 tok/s", because arXiv 2603.23640 gives none'
config_fails "$(endpoint_of '"model":"qwen2.5-1.5b"')" \
    'endpoints[0].prefill_rate: missing; expected a rate such as "220 tok/s"'
config_fails "$(link_of '"preset":"lte"')" \
    'link.preset: no link of that name; known are wifi_edge_idle_ap, wifi_edge_busy_ap,'
config_fails "$(link_of '"preset":{}')" 'link.preset: expected the name of a preset (docs/presets.md lists all), got an'
config_fails "$(link_of '"preset":"lte_driving_us_2013"')" \
    'link.downlink_rate: missing; expected a rate such as "20 Mbit/s", because it was not measured for lte_driving_us_2013'
config_fails "$(link_of '"preset":"lte_population","downlink_rate":"9 s"')" 'link.downlink_rate: expected a data rate such as'
config_fails "$(link_of '"preset":"wifi_campus_walk"')" 'link.uplink_rate: missing; expected a rate such as "20 Mbit/s"'
config_fails "$(link_of '"preset":"starlink_mobility"')" 'link.rtt: missing; expected a time such as "38 ms"'
config_fails "$(link_of '"preset":"lte_edge_static","snr":"9 dB","bandwidth":"1 MHz"')" \
    'link.preset: expected either a preset, or snr and bandwidth'

finish
