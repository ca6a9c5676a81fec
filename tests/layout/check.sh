#!/usr/bin/env bash
# The folders are the architecture: a header includes only folders before its own; only adapt/ and eval/ include Eigen or
# xtensor; every header outside them has a test of its path, and #pragma once. check.sh SOURCE_DIR
set -euo pipefail
cd "$1"
order=(core io text simd encoder link serving presets difficulty cost fit route adapt eval)
rank() { for k in "${!order[@]}"; do [ "${order[$k]}" = "$1" ] && { echo "$k"; return; }; done; echo "folder $1 has no place in the order" >&2; exit 1; }
bad=0
complain() { echo "$1" >&2; bad=1; }

while IFS= read -r header; do
    inside="${header#include/qlroute/}"
    folder="${inside%%/*}"
    mine="$(rank "$folder")"
    grep -q '^#pragma once$' "$header" || complain "$header: no #pragma once"
    while IFS= read -r included; do
        [ "$(rank "$included")" -le "$mine" ] || complain "$header: includes $included/, which comes after $folder/"
    done < <(sed -n 's|^#include <qlroute/\([a-z]*\)/.*|\1|p' "$header")
    case "$folder" in
        adapt | eval) ;;
        *) ! grep -qE '#include <(Eigen|xtensor|iostream|functional)' "$header" ||
               complain "$header: $(grep -E '#include <(Eigen|xtensor|iostream|functional)' "$header") has no place in $folder/" ;;
    esac
    [ "$inside" = core/config.hpp ] || [ -e "tests/${inside%.hpp}_test.cpp" ] || complain "$header: no tests/${inside%.hpp}_test.cpp"
done < <(find include/qlroute -mindepth 2 -name '*.hpp' | sort)

while IFS= read -r header; do
    grep -q "<${header#include/}>" include/qlroute/qlroute.hpp || complain "$header: not in qlroute.hpp"
done < <(find include/qlroute -mindepth 2 -name '*.hpp' -not -path '*/adapt/*' -not -path '*/eval/*')

# The C interface: the one header that is no C++, compiled as C99 by the tests of the library.
while IFS= read -r header; do
    grep -q "<${header#include/}>" tests/library/header_alone.c || complain "$header: not in tests/library/header_alone.c"
    ! grep -qE '^#include <(qlroute/|c[a-z]*>)' "$header" || complain "$header: includes C++"
done < <(find include/qlroute -name '*.h')
exit "$bad"
