#!/usr/bin/env bash
# The admin API against its own description: Schemathesis makes requests of it, right and wrong, and compares the answers.
#
# One of its checks is left out, that whatever fits the description is accepted: a URL is a text there, and no pattern says
# which texts are URLs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

bin="${BYWAY_BIN:-${CARGO_TARGET_DIR:-$PWD/target}/ci/byway}"
schemathesis="${BYWAY_TESTBED:-$PWD/target/testbed}/venv/bin/schemathesis"
[[ -x "$schemathesis" ]] || {
    [[ ",${BYWAY_REQUIRE:-}," != *,schemathesis,* ]] || { echo "admin: schemathesis is required here and is missing" >&2; exit 1; }
    echo "admin: skipped, since schemathesis is not here" >&2
    exit 0
}

scratch="$(mktemp -d)"
server=
trap '[[ -z "$server" ]] || kill -KILL "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT
token="$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
printf '%s' "$token" >"$scratch/token"
cat >"$scratch/byway.toml" <<RULES
[admin]
listen = "127.0.0.1:0"
token_file = "$scratch/token"

[pool.checkout]
members = ["http://127.0.0.1:1", "http://127.0.0.1:2"]

[window.sunday]
weekdays = ["sun"]
at = "03:00"
for = "1h"
zone = "Europe/Berlin"

[[redirect]]
from = "/checkout/*"
to = "/*"
pool = "checkout"

[[reply]]
from = "/closed"
status = 503
retry_after = "window"
window = "sunday"

[[redirect]]
id = "moved"
from = "/api/v1/*"
to = "/api/v2/*"

[[reply]]
from = "/gone"
status = 410
RULES

# Names that nobody guesses; those that are not there are asked for by the tests.
printf '[parameters]\n"path.pool" = "checkout"\n"path.window" = "sunday"\n' >"$scratch/schemathesis.toml"

mkfifo "$scratch/said"
exec 3<>"$scratch/said"
"$bin" serve --listen 127.0.0.1:0 --hits "$scratch/byway.db" --state "$scratch" "$scratch/byway.toml" 2>&3 &
server=$!
base=
while [[ -z "$base" ]]; do
    IFS= read -r -t 30 line <&3 || { echo "admin: the server did not say where its API is" >&2; exit 1; }
    [[ "$line" != "admin on "* ]] || base="${line#admin on }"
done
# The server must never wait for somebody to read what it says.
cat <&3 >/dev/null &
reader=$!
code=0
cd "$scratch"
timeout 300 "$schemathesis" run "$base/openapi.json" --url "$base" -H "Authorization: Bearer $token" --max-examples 50 \
    --exclude-checks positive_data_acceptance --no-color || code=$?
kill "$reader" 2>/dev/null || true
exit "$code"
