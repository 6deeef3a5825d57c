#!/usr/bin/env bash
# What the fixtures say that nginx and Apache answer, asked of the real servers once more.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python3 crates/byway-core/tests/spike/measure.py nginx apache
code=$?
[[ $code == 77 ]] && { echo "skipped: nginx or apache2 is not here"; exit 0; }
exit "$code"
