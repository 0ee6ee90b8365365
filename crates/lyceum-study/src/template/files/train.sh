#!/bin/sh
# Fits y = w0 + w1 x + w2 x^2 + w3 x^3 to noisy points, one point per step, and writes the four weights.
set -eu

setting() { sed -n "s/^$1 *= *\"\{0,1\}\([^\" #]*\).*/\1/p" settings.toml; }

awk -v seed="${LYCEUM_SEED:-1}" -v rate="$(setting rate)" -v steps="$(setting steps)" \
    -v method="$(setting method)" -v momentum="$(setting momentum)" -v average="$(setting average)" '
function normal() { return sqrt(-2 * log(1 - rand())) * cos(6.283185307179586 * rand()) }
BEGIN {
    srand(seed % 2147483647)
    if (method != "momentum") momentum = 0
    for (step = 1; step <= steps; step++) {
        x = 2 * rand() - 1
        y = 0.5 - 1.5 * x + 2.5 * x * x * x + 0.2 * normal()
        p[0] = 1; p[1] = x; p[2] = x * x; p[3] = x * x * x
        error = -y
        for (k = 0; k < 4; k++) error += w[k] * p[k]
        for (k = 0; k < 4; k++) {
            v[k] = momentum * v[k] - rate * 2 * error * p[k]
            w[k] += v[k]
            if (step > steps / 2) { sum[k] += w[k]; if (k == 0) count++ }
        }
    }
    for (k = 0; k < 4; k++) printf "%.9g\n", (average == "true" ? sum[k] / count : w[k])
}' > "${LYCEUM_OUTPUTS:-.}/weights.txt"
