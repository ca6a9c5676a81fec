#!/usr/bin/env bash
# All programs give the same numbers, though the linker kept another file's functions in each: check.sh PROGRAM...
# Within one program a kernel exists once, so that what it does cannot differ there.
set -euo pipefail
said=()
for program in "$@"; do
    status=0
    output="$("$program")" || status=$?
    [ "$status" -eq 77 ] && continue
    [ "$status" -eq 0 ] || { echo "$program: $output" >&2; exit 1; }
    said+=("${output##* }")
    echo "${program##*/}: ${said[-1]}"
done
[ "${#said[@]}" -ge 2 ] || { echo "skipped: fewer than two programs run on this processor"; exit 77; }
for each in "${said[@]}"; do
    [ "$each" = "${said[0]}" ] || { echo "the results depend on the flags of the file that comes first" >&2; exit 1; }
done
