#!/usr/bin/env bash
# check.sh COMPILER FLAGS...
#
# A cost expression is no more machine code than the same formula on plain doubles, give or take two instructions, calls
# nothing, and gives the same numbers. Counts all code of each file.
set -u
export LC_ALL=C

tolerance=2

if [[ $# -lt 1 ]]; then
    echo "usage: check.sh COMPILER FLAGS..." >&2
    exit 2
fi
here=$(dirname "${BASH_SOURCE[0]}")
build=$(mktemp -d) || exit 1
trap 'rm -rf "$build"' EXIT

# No contraction: where the machine has a fused multiply-add, two spellings could be fused differently. No packing of
# scalars into vectors either: what it takes apart and puts together again is counted, what it saves is not.
compile=("$@" -std=c++20 -O2 -DNDEBUG -ffp-contract=off -fno-tree-slp-vectorize)
for name in expression by_hand same; do
    "${compile[@]}" -c "$here/$name.cpp" -o "$build/$name.o" || exit 1
done

# The instructions of a file, one a line, without addresses and padding.
instructions() {
    objdump --disassemble --no-show-raw-insn "$build/$1.o" | sed -nE 's/^ *[0-9a-f]+:\t//p' |
        grep -vE '^(cs |data16 )*nop|^xchg +%ax,%ax'
}
instructions expression >"$build/expression.txt"
instructions by_hand >"$build/by_hand.txt"
expression=$(wc -l <"$build/expression.txt")
by_hand=$(wc -l <"$build/by_hand.txt")
echo "instructions: expression $expression, by hand $by_hand"
status=0
if [[ $by_hand -eq 0 ]]; then
    echo "nothing was disassembled"
    status=1
elif [[ $expression -gt $((by_hand + tolerance)) ]]; then
    echo "the expression needs more than by hand + $tolerance; left the expression, right by hand:"
    paste "$build/expression.txt" "$build/by_hand.txt" | expand -t 48,96
    status=1
fi
if calls=$(grep -E '^(callq?|blr?|jalr?)[[:space:]]' "$build/expression.txt"); then
    printf '%s\n' "not everything of the expression was inlined:" "$calls"
    status=1
fi

"$1" "$build"/{same,expression,by_hand}.o -o "$build/same" || exit 1
"$build/same" || status=1
exit $status
