#!/usr/bin/env bash
# The short form of `byway replay`: generated configurations and what byway writes for a server, asked of the real nginx and Apache.
#
# The long form, with its figures, is in bench/AGREEMENT.md. An export is every example, and every block of rules in the documents
# that are tests, written in the format of the server and compared with the rules themselves.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bin="${BYWAY_BIN:-${CARGO_TARGET_DIR:-$PWD/target}/ci/byway}"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
failed=0

# The format in whose name a server is asked, and its program.
servers='nginx nginx
htaccess apache2'

# Whether a server is here; where it must be and is not, this fails.
here() {
    PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v "$1" >/dev/null && return 0
    if [[ ",${BYWAY_REQUIRE:-}," == *,"$1",* ]]; then
        echo "replay: $1 is required here and is missing" >&2
        failed=1
    else
        echo "replay: skipped, since $1 is not here" >&2
    fi
    return 1
}

# Runs a replay, and shows what it says where something differs or could not be asked.
replay() {
    local said code=0
    said="$("$bin" replay "$@" 2>&1)" || code=$?
    if [[ $code != 0 ]]; then
        printf 'replay: byway replay %s\n%s\n' "$*" "$said" >&2
        failed=1
    fi
}

# The blocks of rules in the documents that are tests, each in a file of its own.
mapfile -t documents < <(grep -lE '^```toml' crates/byway-core/tests/*.md crates/byway-config/tests/*.md)
awk -v to="$scratch/block" '
    /^```toml/ { inside = 1; number++; name = sprintf("%s-%04d.toml", to, number); next }
    /^```/     { inside = 0; next }
    inside     { print > name }
' "${documents[@]}"
# Blocks that show what is refused, or that speak of files that are not here, are no rules to write.
rules=(examples/*/byway.toml)
for block in "$scratch"/block-*.toml; do
    "$bin" compile "$block" --out "$scratch/compiled" >/dev/null 2>&1 && rules+=("$block")
done
((${#rules[@]} >= 25)) || { echo "replay: only ${#rules[@]} files of rules were found" >&2; failed=1; }

while read -r format program; do
    here "$program" || continue
    replay --generate 20 --from "$format" --requests 150 --seed 20
    replay --as "$format" --requests 60 "${rules[@]}"
    [[ $format == nginx ]] || replay --as apache --requests 60 "${rules[@]}"
    echo "replay: $program: 20 generated configurations and ${#rules[@]} exports" >&2
done <<<"$servers"
exit "$failed"
