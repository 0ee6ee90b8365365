#!/bin/sh
# Usage: evaluate.sh WEIGHTS POINTS. Answers with the mean squared error of the weights on the points.
# What the candidate wrote is data: it is read as numbers and never run.
set -eu

loss=$(awk '
FNR == NR {
    if ($0 !~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/) { print "weight " FNR " is not a number" > "/dev/stderr"; exit bad = 1 }
    w[FNR - 1] = $1; weights = FNR; next
}
{ x = $1; d = w[0] + x * (w[1] + x * (w[2] + x * w[3])) - $2; sum += d * d; points++ }
END {
    if (bad) exit 1
    if (weights != 4 || points == 0) { print "expected 4 weights" > "/dev/stderr"; exit 1 }
    printf "%.9g", sum / points
}' "$1" "$2")

# The answer: one line of JSON on file descriptor 3, with the nonce of this measurement.
printf '{"nonce":"%s","metrics":{"loss":%s}}\n' "${LYCEUM_NONCE:-}" "$loss" >&3
