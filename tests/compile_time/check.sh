#!/usr/bin/env bash
# check.sh COMPILER INCLUDE_DIR
#
# objective.cpp, which prices a turn, compiles in less than a second of processor time (user + system, the best of
# three; of twelve on a machine that is busy with others' work, where the same compilation takes up to twice as long),
# and takes in none of the heavy headers below. Prints the seconds.
set -u
export LC_ALL=C

budget=1000  # milliseconds
heavy=(iostream functional regex Eigen xtensor)

if [[ $# -ne 2 ]]; then
    echo "usage: check.sh COMPILER INCLUDE_DIR" >&2
    exit 2
fi
source=$(dirname "${BASH_SOURCE[0]}")/objective.cpp
compile=("$1" -std=c++20 "-I$2" "$source")
object=$(mktemp) || exit 1
trap 'rm -f "$object"' EXIT

# --- which headers ---
headers=$("${compile[@]}" -M) || exit 1
status=0
for name in "${heavy[@]}"; do
    # a path that ends in the name, or goes through a folder of that name
    if found=$(grep -oE "[^ ]*/$name(/[^ ]*)?( |$)" <<<"$headers"); then
        echo "the cost algebra includes $name: ${found%%[[:space:]]*}"
        status=1
    fi
done

# --- how long ---
TIMEFORMAT='%3U %3S'
best=
for ((k = 0; k < 3 || (k < 12 && best >= budget); ++k)); do
    spent=$({ time "${compile[@]}" -O2 -c -o "$object" >&2; } 2>&1) || { printf '%s\n' "$spent"; exit 1; }
    read -r user system <<<"${spent##*$'\n'}"
    milliseconds=$((10#${user/./} + 10#${system/./}))
    [[ -n $best && $best -le $milliseconds ]] || best=$milliseconds
done
printf 'compile time: %d.%03d s, at most %d.%03d s\n' \
    $((best / 1000)) $((best % 1000)) $((budget / 1000)) $((budget % 1000))
[[ $best -lt $budget ]] || status=1
exit $status
