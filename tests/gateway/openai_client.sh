#!/usr/bin/env bash
# The official OpenAI client for JavaScript against the gateway: openai_client.sh GATEWAY BUILD_DIR
# 77 where there is no Node, or npm has no client; it is kept in BUILD_DIR.
set -euo pipefail
gateway=$(realpath "$1") build=$(realpath "$2") here=$(realpath "$(dirname "$0")")
skip() {
    echo "$1" >&2
    exit 77
}
command -v node >/dev/null && command -v npm >/dev/null || skip "no node, or no npm"
client=$build/openai
[ -d "$client/node_modules/openai" ] ||
    timeout 40 npm install --ignore-scripts --no-audit --no-fund --prefix "$client" openai@6 >/dev/null 2>&1 || skip "npm has no openai"
work=$(mktemp -d "${TMPDIR:-/tmp}/qlroute-openai.XXXXXX")
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
for name in device edge; do
    python3 -B "$here/stub_upstream.py" "$name" &
    pids+=($!)
done
for _ in $(seq 100); do [ -s device ] && [ -s edge ] && break; sleep 0.1; done
printf '{"listen": "127.0.0.1:0", "endpoints": [{"name": "device", "url": "http://127.0.0.1:%s"}, {"name": "edge", "url": "http://127.0.0.1:%s"}]}' \
    "$(cat device)" "$(cat edge)" >config.json
"$gateway" --config config.json 2>err &
pids+=($!)
for _ in $(seq 100); do grep -q 'listening on' err && break; sleep 0.1; done
at=$(sed -n 's/.*listening on \(http[^ ]*\).*/\1/p' err | head -n 1)
NODE_PATH=$client/node_modules node "$here/openai_client.mjs" "${at%/}/v1"
