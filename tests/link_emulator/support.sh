# What the tests of qlroute-link share. A test begins with: . "$(dirname "$0")/support.sh"
# Called as: bash test.sh PROGRAM SOURCE_DIR. Needs root and TUN devices, or is skipped.
set -u
export LC_ALL=C
program=$(realpath "$1")
tests=$(realpath "$2")/tests/link_emulator
python=/usr/bin/python3
[ "$(id -u)" = 0 ] || { echo "not root" >&2; exit 77; }
[ -c /dev/net/tun ] || { echo "no /dev/net/tun" >&2; exit 77; }
for needed in ip setpriv unshare "$python"; do
    command -v "$needed" >/dev/null || { echo "no $needed" >&2; exit 77; }
done
# Names of our own: a link may be up on this machine.
device=qlr-$$-device
edge=qlr-$$-edge
ip netns add qlr-$$-try 2>/dev/null || { echo "no network namespaces here" >&2; exit 77; }
ip netns del qlr-$$-try

work=$(mktemp -d "${TMPDIR:-/tmp}/qlroute-link.XXXXXX")
clean_up() {
    ip netns del "$device" 2>/dev/null
    ip netns del "$edge" 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
cd "$work" || exit 1
failures=0

# wrong WHAT EXPECTED FOUND: says so, and goes on.
wrong() {
    printf 'FAILED: %s\n  expected: %s\n  found:    %s\n' "$1" "$2" "$3" >&2
    failures=$((failures + 1))
}

equal() {
    [ "$2" = "$3" ] || wrong "$1" "$2" "$3"
}

# between WHAT LEAST MOST FOUND
between() {
    awk -v x="$4" -v least="$2" -v most="$3" 'BEGIN { exit !(x != "" && x >= least && x <= most) }' ||
        wrong "$1" "$2 to $3" "$4"
}

# link ARGS...: in the names of this test; leaves out, err and stats.
link() {
    "$program" --device-namespace "$device" --edge-namespace "$edge" --stats stats "$@" >out 2>err
    local status=$?
    if grep -q -e 'Sanitizer' -e 'runtime error' err; then
        wrong "qlroute-link $*" "no complaint of a sanitizer" "$(head -c 600 err)"
    fi
    return $status
}

# probed "OPTIONS" ARGS...: probe.py ARGS over a link with these options; what it prints is in out.
probed() {
    local options=$1
    shift
    # shellcheck disable=SC2086
    link $options --edge-command "exec $python -B '$tests/probe.py' serve" --wait-port 7077 -- "$python" -B "$tests/probe.py" "$@" ||
        wrong "exit status of probe.py $*" 0 "$?; $(tail -3 err)"
}

median() {
    sort -n | awk '{ x[NR] = $1 } END { print (NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2) }'
}

# stat DIRECTION KEY: of the last link.
stat() {
    "$python" -c 'import json, sys; print(json.load(open("stats"))[sys.argv[1]][sys.argv[2]])' "$1" "$2"
}

# nothing_left WHEN: of the namespaces.
nothing_left() {
    equal "namespaces left $1" "" "$(ip netns list | grep -e "^$device" -e "^$edge")"
}

# wait_until COMMAND...: for at most 20 s.
wait_until() {
    for _ in $(seq 200); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    wrong "waiting for: $*" "within 20 s" "not yet"
    return 1
}

finish() {
    [ "$failures" = 0 ] || { echo "$failures failed" >&2; exit 1; }
}
