#!/bin/sh
# Runs the null study, in which nothing can work, once for each root seed from 1 to N, and counts the false claims.
#
# Usage: bench/null/run.sh [N] [PROGRAM]
#
# N is 200 by default, PROGRAM target/release/lyceum (build it with `cargo build --release`). Run it from the root of
# the repository. Each study has a lab of its own, in a temporary directory that is removed at the end: attempts in one lab
# would share their alpha.
set -eu

seeds=${1:-200}
program=${2:-target/release/lyceum}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 130' INT TERM

claims=0
seed=1
while [ "$seed" -le "$seeds" ]; do
    status=0
    rm -rf "$place/lab"
    "$program" --lab "$place/lab" run studies/null --seed "$seed" > "$place/said" 2> "$place/errors" || status=$?
    case "$status" in
        0) claims=$((claims + 1)); echo "seed $seed: false claim: $(head -n 1 "$place/said")" ;;
        1) ;; # finished, nothing confirmed
        *) echo "seed $seed: exit status $status" >&2; cat "$place/errors" >&2; exit 1 ;;
    esac
    seed=$((seed + 1))
done

# The Clopper-Pearson interval: the rates at which as many claims or more, or as few or fewer, have a chance of 2.5 %.
awk -v k="$claims" -v n="$seeds" '
function at_most(k, p,    term, sum, i) {
    if (p <= 0) return 1
    if (p >= 1) return k >= n
    term = n * log(1 - p); sum = exp(term)
    for (i = 1; i <= k; i++) { term += log((n - i + 1) / i) + log(p) - log(1 - p); sum += exp(term) }
    return sum
}
function bisect(k, target,    low, high, middle, step) {
    low = 0; high = 1
    for (step = 0; step < 60; step++) {
        middle = (low + high) / 2
        if (at_most(k, middle) > target) low = middle; else high = middle
    }
    return low
}
BEGIN {
    low = k == 0 ? 0 : bisect(k - 1, 0.975)
    high = k == n ? 1 : bisect(k, 0.025)
    printf "%d confirmed claims of %d studies: %.1f %%, exact 95 %% interval %.1f to %.1f %%\n", k, n, 100 * k / n, 100 * low, 100 * high
}'
