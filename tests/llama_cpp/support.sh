# What these tests share, beside what the tests of the program do. A test begins with: . "$(dirname "$0")/support.sh"
here=$(realpath "$(dirname "$0")")
. "$here/../program/support.sh"
python=$(command -v python3) || { echo "no python3" >&2; exit 77; }
"$python" -B "$here/tiny_gguf.py" .

# engine_file NAME SECONDS_PER_TOKEN: of an engine that reads and writes at this rate.
engine_file() {
    local kernel="{\"fixed_s\":0,\"per_token_s\":$2,\"per_pair_s\":0}"
    printf '{"format":"qlroute.endpoint","version":1,"engine":{"policy":"batched","batch_tok":512,"tile_tok":0,"tiled":%s,"untiled":%s,"decode":{"fixed_s":%s,"per_context_s":0}}}' \
        "$kernel" "$kernel" "$2" >"$1"
}
engine_file device.json 1e-5
engine_file edge.json 2e-5

# Two models that are not measured first: chat STATUS ARGS...
chat() {
    local status=$1
    shift
    runs "$status" -- --device device.gguf --edge edge.gguf --device-engine device.json --edge-engine edge.json "$@"
}

# holds WHAT CONDITION: of the turns that --json printed to out, as Python's list `turns`.
holds() {
    "$python" -B "$here/check_turns.py" out "$2" 2>complaint || wrong "$1" "$2" "$(tail -n 1 complaint)"
}
