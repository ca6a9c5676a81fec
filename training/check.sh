#!/usr/bin/env bash
# The tests of the training code, skipped (77) where its packages are not installed.
set -euo pipefail
cd "$(dirname "$0")"
python="$(command -v /usr/bin/python3 || command -v python3 || true)"
[ -n "$python" ] && "$python" -c 'import numpy, scipy, sklearn' 2>/dev/null || { echo "numpy, scipy or scikit-learn is missing"; exit 77; }
exec "$python" -B -m unittest
