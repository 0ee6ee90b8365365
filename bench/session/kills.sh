#!/usr/bin/env bash
# Kills a lab whose researcher is a (scripted) language model at random instants, and compares each result with that of
# one that was left alone: bench/session/kills.sh [KILLS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
LYCEUM_SESSION_KILLS=${1:-100} cargo test --locked -p lyceum --test session -- killed_at_random_instants --nocapture
