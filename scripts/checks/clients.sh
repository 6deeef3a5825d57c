#!/usr/bin/env bash
# Real clients and hand-written requests against the binary: does the 307 arrive, and is what is no request refused?
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec timeout 600 python3 tests/clients/run.py --serve "${BYWAY_BIN:-target/ci/byway}"
