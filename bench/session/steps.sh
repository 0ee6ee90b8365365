#!/usr/bin/env bash
# Durable steps a second of 1,000 sessions at once, next to LangGraph with its SQLite checkpointer, one after the other in
# the same run: bench/session/steps.sh [SESSIONS [TURNS [ROUNDS]]]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
sessions=${1:-1000} turns=${2:-10} rounds=${3:-3}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/lyceum-bench.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cargo build --locked --release -q -p lyceum-agents --example bench_session
bench=${CARGO_TARGET_DIR:-target}/release/examples/bench_session
python=${LYCEUM_LANGGRAPH_PYTHON:-}
if [ -z "$python" ]; then
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install -q langgraph==1.2.22 langgraph-checkpoint-sqlite==3.1.2
    python=$scratch/venv/bin/python
fi
echo "$(date -u +%FT%TZ) $(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg), $(df --output=fstype "$scratch" | tail -n 1)"
for round in $(seq "$rounds"); do
    "$bench" steps "$scratch/lyceum-$round" "$sessions" "$turns"
    for state in last messages; do
        "$python" bench/session/langgraph_steps.py "$scratch/$round-$state-1" "$sessions" "$turns" 1 sync default "$state"
    done
    "$python" bench/session/langgraph_steps.py "$scratch/$round-full" "$sessions" "$turns" 1 sync FULL last
    "$python" bench/session/langgraph_steps.py "$scratch/$round-many" "$sessions" "$turns" 32 sync FULL last
    "$python" bench/session/langgraph_steps.py "$scratch/$round-async" "$sessions" "$turns" 1 async default last
    echo "load $(cut -d' ' -f1-3 /proc/loadavg)"
done
