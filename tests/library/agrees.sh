#!/usr/bin/env bash
# An example decides as the program does, byte for byte: agrees.sh python|node PROGRAM LIBRARY SOURCE_DIR BUILD_DIR
# 77 where there is no Python, no Node, or no koffi for it; that is asked of npm, and kept in BUILD_DIR.
set -euo pipefail
language=$1 program=$(realpath "$2") library=$(realpath "$3") examples=$(realpath "$4")/examples build=$(realpath "$5")
work=$(mktemp -d "${TMPDIR:-/tmp}/qlroute-library.XXXXXX")
trap 'rm -rf "$work"' EXIT
skip() {
    echo "$1" >&2
    exit 77
}
if nm -D "$library" | grep ' U __asan_init' >/dev/null && ! ldd "$library" | grep libasan >/dev/null; then
    skip "the sanitizer is part of a program that Clang links, and not of $language"
fi
# With libstdc++, whose exceptions the sanitizer looks for when it starts, and Python has none.
sanitizer=$(ldd "$library" | awk '/libasan/ { print $3 }')
[ -z "$sanitizer" ] || sanitizer=$sanitizer:$(ldd "$library" | awk '/libstdc\+\+/ { print $3 }')
if [ "$language" = python ]; then
    command -v python3 >/dev/null || skip "no python3"
    ours() { LD_PRELOAD=$sanitizer ASAN_OPTIONS=detect_leaks=0 python3 -B "$examples/library/route.py" "$library" "$@"; }
else
    [ -z "$sanitizer" ] || skip "node does not run under AddressSanitizer"
    command -v node >/dev/null && command -v npm >/dev/null || skip "no node, or no npm"
    koffi=$build/koffi
    [ -d "$koffi/node_modules/koffi" ] ||
        timeout 40 npm install --ignore-scripts --no-audit --no-fund --prefix "$koffi" koffi@3.3.4 >/dev/null 2>&1 || skip "npm has no koffi"
    ours() { NODE_PATH=$koffi/node_modules node "$examples/library/route.mjs" "$library" "$@"; }
fi
agree() {
    "$program" route --json --config "$1" "$2" >expected
    ours "$1" "$2" >got
    [ -s expected ]
    cmp expected got || { diff expected got | head -n 4; exit 1; }
    echo "$1: $(wc -l <got) turns"
}
cd "$work"
agree "$examples/demo/config.json" "$examples/demo/dialogues.jsonl"

# Replies that were recorded or not, edits, and ids of all kinds.
cat >dialogues.jsonl <<'LINES'
{"id": 7, "turns": ["hello", "and you?", "What is 12 * 17?", {"text": "What is 12 * 19?", "edit": 3}], "assistant_ref": ["Hi there!", "", "204, I think.", null]}

{"id": "\"quoted\"\n\u00e9\u4e2d\ud83d\ude00", "turns": ["Gr\u00fc\u00df Gott", {"text": "again"}, {"text": "again", "edit": 2}, {"text": "from the start", "edit": 1}], "assistant_ref": ["caf\u00e9 au lait, s'il vous pla\u00eet"]}
{"id": "7", "turns": ["x", "y", "z", "u", "v", "w"], "assistant_ref": null}
{"id": "none", "turns": ["Prove that there are infinitely many primes.", "shorter", "in one line"], "assistant_ref": []}
LINES
# Caches that are gone when the next turn comes or still there, by where the last one ended; answers and tokens of
# different lengths; a connection that closes.
cat >expiring.json <<'JSON'
{"endpoints": [
   {"name": "t\u00e9l\u00e9phone", "ability": "small", "prefill_rate": "50 tok/s", "tpot": "25 ms/tok", "reply_ratio": 0.5, "kv_lifetime": "17 s",
    "reply_kept": 0.3, "tokenizer_ratio": 1.3},
   {"name": "edge", "remote": true, "ability": "large", "prefill_rate": "300 tok/s", "tpot": "26.6 ms/tok", "kv_lifetime": "15 s",
    "kv_rollback": "16 tok", "resends_history": true}],
 "predictor": {"type": "lexical"}, "turn_interval": "20 s",
 "transport": {"type": "tcp", "handshake": "tcp_tls13", "keep_alive": "15 s"}}
JSON
agree expiring.json dialogues.jsonl
# A cache that can be moved, another rule, and the other predictor.
cat >moving.json <<'JSON'
{"endpoints": [
   {"name": "a", "ability": "small", "prefill_rate": "10 tok/s", "tpot": "9 ms/tok", "context_window": "300 tok"},
   {"name": "b", "ability": "frontier", "prefill_rate": "10 tok/s", "tpot": "10 ms/tok", "kv_size": "1 Mbit/tok", "kv_rate": "90 Mbit/s"}],
 "rule": {"type": "fused_score", "theta": 0.4}, "expected_output": "33 tok", "turn_interval": "0.1 s"}
JSON
agree moving.json dialogues.jsonl
# By chance, which is a digest of the dialogue.
echo '{"rule": {"type": "random_rate", "rate": 0.5}, "predictor": {"type": "constant"}}' >chance.json
agree chance.json "$examples/demo/dialogues.jsonl"

# What the library says is wrong is an error of that language.
! ours no-such-file.json dialogues.jsonl >got 2>said
[ ! -s got ]
grep -qE '^route\.(py|mjs): cannot read "no-such-file.json": No such file or directory$' said
