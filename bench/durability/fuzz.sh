#!/usr/bin/env bash
# Changes files, checkpoints, events and histories at random: bench/durability/fuzz.sh [FILES] [EVENTS] [SEED]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export LYCEUM_FUZZ_SEED=${3:-1}
LYCEUM_FUZZ_CASES=${1:-50000} cargo test --release --locked -p lyceum-ledger --test fuzz -- --nocapture
LYCEUM_FUZZ_CASES=${2:-2000000} cargo test --release --locked -p lyceum-study --test simulated_lab fuzz -- --nocapture
