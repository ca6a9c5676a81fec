#!/usr/bin/env bash
# An installed qlroute is found by find_package, and its program runs: check.sh BUILD_DIR SOURCE_DIR CXX
set -euo pipefail
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
cmake --install "$1" --prefix "$place/prefix" >/dev/null
cmake -G Ninja -S "$2/tests/install/consumer" -B "$place/build" "-DCMAKE_CXX_COMPILER=$3" "-DCMAKE_PREFIX_PATH=$place/prefix" >/dev/null
cmake --build "$place/build" >/dev/null
"$place/build/consumer"
"$place/prefix/bin/qlroute" --version
test -s "$place/prefix/share/qlroute/lexical.safetensors"
