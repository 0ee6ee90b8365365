#!/usr/bin/env bash
# The containment suite in all four modes, or with --figures its figures; the table goes to standard output.
# As root, who alone can start both halves: bash bench/sandbox/containment.sh > bench/sandbox/containment.md
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ "$(id -u)" = 0 ] || { echo "this needs root: half of the modes are started by root, half by an ordinary user" >&2; exit 64; }
built=$(cargo test --locked -p lyceum-sandbox --test containment --no-run --message-format=json)
suite=$(sed -n 's/.*"executable":"\([^"]*\/containment-[^"]*\)".*/\1/p' <<<"$built" | tail -n 1)
[ -n "$suite" ] || { echo "the suite was not built" >&2; exit 1; }
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
chmod 1777 "$place" "$(dirname "$suite")/../../tmp"

# Runs the suite as an ordinary user that no account has.
as_user() {
    setpriv --reuid=4242 --regid=4242 --clear-groups --inh-caps=-all \
        env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/tmp "$suite" "$@"
}

[ "${1:-}" = --figures ] && echo "# Figures of containment" || echo "# Containment"
echo
[ "${1:-}" = --figures ] && command="$0 --figures" || command="$0"
echo "\`bash $command\`, $(date -u +%Y-%m-%d), $(uname -sr), $(nproc) processors" \
    "($(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)), $(bwrap --version), commit $(git rev-parse --short HEAD)."
echo
if [ "${1:-}" = --figures ]; then
    echo "The worst of five measurements each, on the host; memory is what the watchdog let through."
    echo
    echo "| mode | figure | bar | found |"
    echo "|---|---|---|---|"
    "$suite" --figures
    as_user --figures
else
    cat <<'TEXT'
*contained*: the attack reached nothing, its control outside did, the legitimate neighbour works beside it, and nothing is left.
*inconclusive*: the control did not breach, so nothing was shown. *not built*: the product has nothing yet that could be attacked.
TEXT
    echo
    "$suite" --table "$place/root" >&2 || true
    as_user --table "$place/user" >&2 || true
    "$suite" --report "$place/root" "$place/user"
fi
