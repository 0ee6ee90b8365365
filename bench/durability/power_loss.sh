#!/usr/bin/env bash
# Builds the disks that a power loss could leave and opens the ledger on each: bench/durability/power_loss.sh [DISKS] [SEED]
# Needs strace.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export LYCEUM_POWER_IMAGES=${1:-1000} LYCEUM_POWER_SEED=${2:-1}
exec cargo test --release --locked -p lyceum-ledger --test power_loss -- --nocapture
