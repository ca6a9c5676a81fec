# scripts/plot_report: figures of a small report. Without matplotlib only what needs none is tested.
. "$(dirname "$0")/support.sh"
script=$(realpath "$demo/../../scripts/plot_report")
[ -x /usr/bin/python3 ] || { echo "no /usr/bin/python3"; exit 77; }
export PYTHONDONTWRITEBYTECODE=1

# plots STATUS ARGS...: leaves stdout and stderr in out and err.
plots() {
    local expected=$1 status=0
    shift
    "$script" "$@" >out 2>err </dev/null || status=$?
    [ "$status" = "$expected" ] || wrong "exit status of: plot_report $*" "$expected" "$status; stderr: $(shortened err)"
}
# fault "text in the message" ARGS...
fault() {
    local text=$1
    shift
    plots 1 "$@"
    grep -qF -e "$text" err || wrong "message of: plot_report $*" "$text" "$(shortened err)"
    equal "lines of the message of: plot_report $*" 1 "$(wc -l <err)"
}
# changed CODE: report.json after the Python statements CODE on r, and w, its first workload, as changed.json
changed() {
    /usr/bin/python3 -c 'import json, sys
r = json.load(open("report.json"))
w = r["workloads"][0]
exec(sys.argv[1])
json.dump(r, open("changed.json", "w"))' "$1"
}

bash "$demo/../../tests/program/replay_data.sh" data || wrong "replay_data.sh" "status 0" "$?"
runs 0 -- replay --data data --workload mtbench,gsm8k --policies random,session_sticky --links wifi,5g --rounds 1 \
    --resamples 10 --most-dialogues 12 --out .

# What a report must have. Whatever the program writes is one.
plots 0 report.json --check
equal "a whole report" "report.json: a report of mtbench, gsm8k" "$(cat out)"
changed 'r["new"] = 1; w["policies"][0]["new"] = "x"'
plots 0 changed.json --check
changed 'del w["ablations"]'
plots 0 changed.json --check
fault 'none.json: No such file or directory' none.json --check
fault '.: Is a directory' .
printf 'workload, latency\n' >table.json
fault 'table.json: not JSON:' table.json
printf '[1, NaN]' >nan.json
fault 'nan.json: not JSON: NaN is not JSON; expected the report.json of qlroute replay --out' nan.json
printf '{"workloads": []}' >other.json
fault 'other.json: schema: missing; expected the report.json of qlroute replay --out' other.json --check
check_fails() {
    changed "$1"
    fault "changed.json: $2" changed.json --check
}
check_fails 'r["schema"] = "qlroute.replay/2"' 'schema: expected "qlroute.replay/1", which is what this script draws, got "qlroute.replay/2"'
check_fails 'del r["seed"]' 'report.seed: missing'
check_fails 'r["workloads"] = []' 'report.workloads: expected at least 1 entries, got 0'
check_fails 'r["headline"].pop()' 'report.headline: expected the workloads ["mtbench", "gsm8k"], got ["mtbench"]'
check_fails 'w["policies"][1]["latency_s"] = [1, 2]' \
    'report.workloads[0].policies[1].latency_s: expected [value, low, high], each a number or null, got [1, 2]'
check_fails 'w["policies"][0]["curve"] = []' 'report.workloads[0].policies[0].curve: expected at least 1 entries, got 0'
check_fails 'w["policies"][0]["gave_up"] = 7' 'report.workloads[0].policies[0].gave_up: expected a number from 0 to 1, got 7'
check_fails 'w["policies"] = [p for p in w["policies"] if p["kind"] != "ours"]' \
    'report.workloads[0].policies: expected one policy of kind "ours", got 0'
check_fails 'w["headline"]["best_competitor"] = "nobody"' 'report.workloads[0].policies: expected a policy "nobody", got'
check_fails 'w["by_network"][0]["latency_quantiles_s"].pop()' \
    'report.workloads[0].by_network[0].latency_quantiles_s: expected 51 entries, got 50'
check_fails 'w["by_network"][0]["latency_quantiles_s"].reverse()' \
    'report.workloads[0].by_network[0].latency_quantiles_s: expected quantiles that do not fall, got ['
check_fails 'w["workload"] = "../x"' \
    'report.workloads[0].workload: expected a name of letters, digits, _, . and -, got "../x"'
check_fails 'w["timeline"] = {"dialogue": "a", "network": "wifi", "link": []}' \
    'report.workloads[0].timeline.link: expected at least 1 entries, got 0'
timeline='w["timeline"] = {"dialogue": "a", "network": "wifi",
    "link": [{"t_s": 100 + t, "uplink_bps": 0 if t == 30 else 1e6 + t, "downlink_bps": None if t < 5 else 4e6 - t} for t in range(60)],
    "turns": [{"decided_s": 100 + 20 * k, "answered_s": 108 + 20 * k, "endpoint": "edge", "latency_s": 8,
               "answered_by": "device" if k == 1 else "edge", "gave_up": k == 1,
               "costs": {"device": {"quality_loss": 4, "decode": 5}, "edge": {"uplink": 99, "one_of_mine": 3}}}
              for k in range(3)]}'
changed "$timeline"
plots 0 changed.json --check
check_fails "$timeline"'; w["timeline"]["turns"][2]["costs"]["edge"]["uplink"] = "long"' \
    'report.workloads[0].timeline.turns[2].costs.edge.uplink: expected a number of at least 0, got "long"'
status=0
"$script" 2>err || status=$?
equal "without a report" 2 "$status"

# A Python without matplotlib.
status=0
/usr/bin/python3 -I -c 'import runpy, sys
sys.modules["matplotlib"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")' "$script" report.json 2>err || status=$?
equal "without matplotlib" 1 "$status"
grep -q '^plot_report: matplotlib is missing for .*; on Debian: apt install python3-matplotlib' err ||
    wrong "without matplotlib" "what to install" "$(shortened err)"
[ ! -e figures ] || wrong "without matplotlib" "no folder" "figures"

/usr/bin/python3 -c 'import matplotlib' 2>/dev/null || {
    finish
    echo "no matplotlib"
    exit 77
}

# Figures: of a report without ablations in its second workload, without large calls to compare, with a timeline.
changed "$timeline"'; del r["workloads"][1]["ablations"]; r["headline"][0]["large_calls_change"] = None
r["headline"][1]["latency_change"] = [2.5, 1.0, None]'
plots 0 changed.json --out once
equal "what is said" "7 figures in once, each as PNG and SVG" "$(cat out)"
equal "figures" \
    "ablations_mtbench headline latency_cdf_gsm8k latency_cdf_mtbench quality_latency_gsm8k quality_latency_mtbench timeline_mtbench" \
    "$(ls once | sed -n 's/\.png$//p' | in_one_line)"
equal "and as SVG" "$(ls once | sed -n 's/\.png$//p')" "$(ls once | sed -n 's/\.svg$//p')"
for figure in once/*.png; do
    equal "a PNG: $figure" "89 50 4e 47" "$(head -c 4 "$figure" | od -An -tx1 | sed 's/^ //')"
done
for figure in once/*.svg; do
    equal "an SVG: $figure" 1 "$(grep -c '</svg>' "$figure")"
done
plots 0 changed.json --out twice
diff -r once twice >differences || wrong "the same report" "the same bytes" "$(shortened differences)"
: >file
fault '--out: cannot make the folder file/figures: Not a directory' report.json --out file/figures
mkdir -p blocked/headline.png
fault '--out: cannot write blocked/headline.png: Is a directory' report.json --out blocked

finish
