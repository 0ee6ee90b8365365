#!/bin/sh
# What the lab itself costs, as ratios to its limits. Usage: bench/loop/run.sh [EXPERIMENTS LONG]
# The ledger is on the disk of TMPDIR. `FIRST="chrt -f 5"` keeps other work from hiding the lab behind the scheduler.
set -eu
cd "$(dirname "$0")/../.."
cargo build --release -q -p lyceum-study --example bench_loop
target=${CARGO_TARGET_DIR:-target}
date -u +%Y-%m-%d
uname -sr
sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | sort | uniq -c
# FIRST is split into words on purpose.
# shellcheck disable=SC2086
${FIRST:-} "$target/release/examples/bench_loop" "$@"
