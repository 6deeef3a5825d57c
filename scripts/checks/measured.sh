#!/usr/bin/env bash
# What the fixtures say that nginx and Apache answer, asked of the real servers once more.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
measure=crates/byway-core/tests/spike/measure.py
python3 "$measure" nginx apache
code=$?
for page in apache httpd/asked httpd/maps httpd/rules-in-sections httpd/sections; do
  [[ $code == 0 ]] || break
  python3 "$measure" --page "crates/byway-config/tests/$page.md" apache
  code=$?
done
[[ $code == 77 ]] && { echo "skipped: nginx or apache2 is not here"; exit 0; }
exit "$code"
