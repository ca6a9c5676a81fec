# Ctrl-C ends the program cleanly: while it waits, and while a model writes.
. "$(dirname "$0")/support.sh"

# ends_after WHAT PATTERN ARGS...: is interrupted when PATTERN was printed.
ends_after() {
    local what=$1 pattern=$2 status=0
    shift 2
    mkfifo lines
    "$program" --device device.gguf --edge edge.gguf --device-engine device.json --edge-engine edge.json "$@" <lines >out 2>err &
    local chat=$!
    exec 3>lines
    echo "hello" >&3
    for _ in $(seq 200); do
        grep -q "$pattern" out err && break
        sleep 0.05
    done
    sleep 0.1
    kill -INT "$chat"
    wait "$chat" || status=$?
    exec 3>&-
    rm lines
    equal "exit status after Ctrl-C $what" 130 "$status"
    equal "complaints after Ctrl-C $what" 0 "$(grep -c -v '^\(device\|edge\): ' err)"
}
ends_after "while it waits" 'cost ' --plan device
grep -q 'medians of' out || wrong "after Ctrl-C while it waits" "medians" "$(shortened out)"
ends_after "while a model writes" 'edge> .' --plan edge --tokens 100000 -c 16384
ends_after "while the link's seconds pass" '^edge: ' --plan edge --uplink 1Mbit/s --rtt 60s
finish
