# What the tests of the program share. A test begins with: . "$(dirname "$0")/support.sh"
# Called as: bash test.sh PROGRAM SOURCE_DIR
set -u
export LC_ALL=C
program=$(realpath "$1")
demo=$(realpath "$2")/examples/demo
work=$(mktemp -d "${TMPDIR:-/tmp}/qlroute-program.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

# wrong WHAT EXPECTED FOUND: says so, and goes on.
wrong() {
    printf 'FAILED: %s\n  expected: %s\n  found:    %s\n' "$1" "$2" "$3" >&2
    failures=$((failures + 1))
}

# shortened FILE: its beginning, as one line.
shortened() {
    head -c 600 "$1" | tr '\n' '|'
}

# runs STATUS -- ARGS...: leaves stdout and stderr in out and err. A sanitizer's complaint is always wrong.
runs() {
    local expected=$1
    shift 2
    local status=0
    "$program" "$@" >out 2>err || status=$?
    [ "$status" = "$expected" ] || wrong "exit status of: qlroute $*" "$expected" "$status; stderr: $(shortened err)"
    if grep -q -e 'Sanitizer' -e 'runtime error' err; then
        wrong "qlroute $*" "no complaint of a sanitizer" "$(shortened err)"
    fi
}

# fails_with STATUS "text in the message" -- ARGS...: status 2 also means that no turn was printed.
fails_with() {
    local status=$1 text=$2
    shift 2
    runs "$status" "$@"
    shift
    grep -qF -e "$text" err || wrong "message of: qlroute $*" "$text" "$(shortened err)"
    if [ "$status" = 2 ] && [ -s out ]; then wrong "stdout of: qlroute $*" "nothing" "$(shortened out)"; fi
}

# config_fails JSON "text in the message": the message also names the file.
config_fails() {
    printf '%s' "$1" >config.json
    fails_with 2 "config.json: $2" -- route --config config.json --json two.jsonl
}

# line_skipped LINE "text in the message": between two good lines, which are routed.
line_skipped() {
    { echo '{"id":"before","turns":["x"]}'; printf '%s\n' "$1"; echo '{"id":"after","turns":["y"]}'; } >lines.jsonl
    fails_with 1 "lines.jsonl:2: $2" -- route --json lines.jsonl
    has_turns 2 "the lines around: ${1:0:80}"
    equal "the complaints about: ${1:0:80}" 1 "$(wc -l <err)"
}

# trace_fails CSV "text in the message": the message also names the file.
trace_fails() {
    printf "$1" >trace.csv
    fails_with 2 "trace.csv: $2" -- route --trace trace.csv --json two.jsonl
}

# has_turns COUNT WHAT: in out, as written with --json.
has_turns() {
    equal "turns of $2" "$1" "$(grep -c '^{"id":' out)"
}

# not_finite: how many turns of out have a cost that is no number.
not_finite() {
    sed 's/"switching_by":null//' out | grep -c null
}

# equal WHAT EXPECTED FOUND
equal() {
    [ "$2" = "$3" ] || wrong "$1" "$2" "$3"
}

# values KEY: of the lines in out, one a line; a text without its quotes. Only for texts without quotes inside.
values() {
    sed -n 's/.*"'"$1"'":"\{0,1\}\([^",}]*\).*/\1/p' out
}

# in_one_line: lines of stdin, with blanks between them.
in_one_line() {
    tr '\n' ' ' | sed 's/ $//'
}

# outcome_rows: 60 prompts, of which the phone answers the sums well and the proofs badly, and the edge nearly all; each
# with a few exceptions.
outcome_rows() {
    local i prompt phone edge
    for i in $(seq 1 60); do
        if [ $((i % 2)) = 0 ]; then prompt="What is $i plus 3?" phone=1; else prompt="Prove that every group of order $i squared is abelian, or find a counterexample." phone=0; fi
        [ $((i % 7)) = 0 ] && phone=$((1 - phone))
        edge=1
        [ $((i % 11)) = 0 ] && edge=0
        printf '{"id":"q%s","benchmark":"made-up","score_type":"binary","turns":["%s"],"models":{"phone":{"score":%s},"edge":{"score":%s}}}\n' \
            "$i" "$prompt" "$phone" "$edge"
    done
}

# rows_skipped LINE "text in the message" -- ARGS...: rows.jsonl with this line in it, as bad.jsonl, which ARGS read.
rows_skipped() {
    local line=$1 text=$2
    shift 3
    { head -n 1 rows.jsonl; printf '%s\n' "$line"; tail -n +2 rows.jsonl; } >bad.jsonl
    fails_with 1 "bad.jsonl:2: $text" -- "$@"
    equal "the complaints about: ${line:0:80}" 1 "$(wc -l <err)"
}

finish() {
    [ "$failures" = 0 ] || { echo "$failures failed" >&2; exit 1; }
}

printf '%s\n' '{"id":"one","turns":["hello","and you?"]}' '{"id":"two","turns":["What is 12 * 17?"]}' >two.jsonl
