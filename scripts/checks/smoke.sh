#!/usr/bin/env bash
# Starts the built binary as a user would, and asks it over the wire with a client that is not ours.
#
# The binary is $BYWAY_BIN, by default the one that the tests built. The server chooses its port and says it; nothing waits
# for a time, only up to one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

bin="${BYWAY_BIN:-${CARGO_TARGET_DIR:-$PWD/target}/ci/byway}"
patience=30

fail() {
    echo "smoke: $1" >&2
    shift
    [[ $# -eq 0 ]] || printf '  | %s\n' "$@" >&2
    exit 1
}

[[ -x "$bin" ]] || fail "there is no binary at $bin; build it with: cargo build -p byway --profile ci"
command -v curl >/dev/null || {
    [[ ",${BYWAY_REQUIRE:-}," != *,curl,* ]] || fail "curl is required here and is missing"
    echo "smoke: skipped, since curl is not here" >&2
    exit 0
}

scratch="$(mktemp -d)"
server=
reader=
clean_up() {
    [[ -z "$server" ]] || { kill -KILL "$server"; wait "$server"; } 2>/dev/null || true
    [[ -z "$reader" ]] || kill "$reader" 2>/dev/null || true
    rm -rf "$scratch"
}
trap clean_up EXIT

# Both ends of the pipe are opened at once, so that opening it waits for nobody.
mkfifo "$scratch/said"
exec 3<>"$scratch/said"
"$bin" serve --demo --listen 127.0.0.1:0 >"$scratch/stdout" 2>&3 &
server=$!

said=()
base=
deadline=$((SECONDS + patience))
while [[ -z "$base" ]]; do
    if IFS= read -r -t 1 -u 3 line; then
        said+=("$line")
        [[ ! "$line" =~ listening\ on\ (http://127\.0\.0\.1:[0-9]+) ]] || base="${BASH_REMATCH[1]}"
    elif ! kill -0 "$server" 2>/dev/null; then
        fail "the server stopped before it listened" "${said[@]}"
    elif ((SECONDS > deadline)); then
        fail "the server did not say within $patience s where it listens" "${said[@]}"
    fi
done
cat <&3 >/dev/null & # what it says later must not fill the pipe
reader=$!

ask() { curl --silent --show-error --noproxy '*' --max-time "$patience" "$@"; }

head="$(ask -I -X POST "$base/api/v1/orders")" || fail "curl -I -X POST got no answer"
head="${head//$'\r'/}"
[[ "$head" =~ ^HTTP/1\.1\ 307\  ]] || fail "POST /api/v1/orders must be answered with 307" "$head"
grep -qi '^location: /api/v2/orders$' <<<"$head" || fail "its Location must be /api/v2/orders" "$head"

body='{"item":"kettle"}'
end="$(ask -L -w '\n%{http_code} %{num_redirects} %{url_effective}' --data-binary "$body" "$base/api/v1/orders")" ||
    fail "curl -L got no answer"
[[ "${end##*$'\n'}" == "200 1 $base/api/v2/orders" ]] || fail "a followed POST must end at /api/v2/orders with 200" "$end"
[[ "$end" == *POST*"${#body}"* ]] || fail "the end must name the method POST and the ${#body} bytes of the body" "$end"

kill -TERM "$server"
code=0
timeout "$patience" tail --pid="$server" -f /dev/null || fail "the server did not stop within $patience s of SIGTERM"
wait "$server" || code=$?
server=
[[ $code == 0 ]] || fail "after SIGTERM the server must exit with 0, not $code"
echo "smoke: 307 sent, followed with method and body, and a clean end" >&2
