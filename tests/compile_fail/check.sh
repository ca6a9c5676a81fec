#!/usr/bin/env bash
# check.sh COMPILER FLAGS... -- FILE
#
# Compiles FILE as it is, which must succeed, and with -DQLROUTE_BAD, which must fail with a message that contains
# the text after `// expect: ` on the first line of FILE.
set -u
export LC_ALL=C  # plain quotes in messages

compile=()
while [[ $# -gt 0 && $1 != -- ]]; do
    compile+=("$1")
    shift
done
if [[ $# -ne 2 || ${#compile[@]} -eq 0 ]]; then
    echo "usage: check.sh COMPILER FLAGS... -- FILE" >&2
    exit 2
fi
file=$2

fail() {
    echo "$file: $1"
    [[ -z ${2-} ]] || printf '%s\n' "--- the compiler said:" "$2"
    exit 1
}

[[ -r $file ]] || fail "cannot be read"
IFS= read -r first_line <"$file"
expected=${first_line#"// expect: "}
[[ $expected != "$first_line" && -n $expected ]] || fail "the first line is not \`// expect: <text>\`"

said=$("${compile[@]}" -fsyntax-only "$file" 2>&1) || fail "the good variant does not compile" "$said"

if said=$("${compile[@]}" -fsyntax-only -DQLROUTE_BAD "$file" 2>&1); then
    fail "the bad variant compiles"
fi
[[ $said == *"$expected"* ]] || fail "the bad variant fails without saying \"$expected\"" "$said"
