#!/usr/bin/env bash
# Kills the whole lab at random instants, 1,000 times or for 15 minutes: bench/durability/soak.sh [KILLS] [SECONDS] [SEED]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export LYCEUM_SOAK_KILLS=${1:-1000} LYCEUM_SOAK_SECONDS=${2:-900} LYCEUM_SOAK_SEED=${3:-1}
exec ${FIRST:-} cargo test --release --locked -p lyceum --test soak killed_at_random -- --nocapture
