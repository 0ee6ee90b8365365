#!/usr/bin/env bash
# Plays histories of the ledger and of whole labs on a disk that forgets: bench/durability/simulation.sh [SEEDS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export LYCEUM_SIMULATION_SEEDS=${1:-2000}
cargo test --release --locked -p lyceum-ledger --test simulation -- --nocapture
exec cargo test --release --locked -p lyceum-study --test simulated_lab -- --nocapture labs
