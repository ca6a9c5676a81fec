#!/usr/bin/env bash
# The library exports what its header declares, each with the version, and nothing else: exports.sh LIBRARY HEADER VERSION SONAME
set -euo pipefail
declared="$(grep -oE 'qlroute_[a-z_]+\(' <(grep -E '^QLROUTE_API' "$2") | tr -d '(' | sort)"
exported="$(nm -D --defined-only "$1" | awk '$2 != "A" { print $3 }' | sort)"
[ "$(wc -l <<<"$declared")" -ge 14 ]
diff <(sed "s/\$/@@$3/" <<<"$declared") - <<<"$exported"
# Programs that were linked with another interface do not load this one.
readelf -d "$1" | grep -qF "Library soname: [$4]"
