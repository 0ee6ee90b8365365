#!/usr/bin/env bash
# Times `lyceum stop` on candidates that cling to life: bench/oversight/stop.sh PROGRAM [TIMES] [held]
#
# Each time a study starts whose candidate ignores signals and leaves its session in several ways; once it clings, the study is
# stopped; `held` first halts the lab's own process, so that it cannot help. Prints the seconds that each stop took, from its call to its return, and fails where a process is left.
set -euo pipefail
program=$(realpath "${1:?program}")
times=${2:-10}
held=${3:-}
place=$(mktemp -d)
chmod 755 "$place"
trap 'rm -rf "$place"' EXIT
mark="86390.$$"

mkdir -p "$place/cling/workspace"
cat > "$place/cling/study.toml" <<'TOML'
question = "Does it end?"
[metric]
name = "loss"
goal = "minimize"
[workspace]
editable = ["settings.toml"]
[run]
command = ["sh", "train.sh"]
outputs = ["out.txt"]
timeout = "23h"
[measure]
command = ["sh", "{private}/evaluate.sh"]
private = ["evaluate.sh"]
[knobs.rate]
type = "float"
low = 0.0
high = 1.0
file = "settings.toml"
key = "rate"
TOML
echo 'rate = 0.5' > "$place/cling/workspace/settings.toml"
echo 'exit 1' > "$place/cling/evaluate.sh"
cat > "$place/cling/workspace/train.sh" <<SH
trap '' TERM INT HUP
setsid sh -c 'trap "" TERM INT HUP; sleep $mark & sleep $mark' &
(setsid sh -c '(trap "" TERM; sleep $mark) &' &)
sleep $mark
SH

alive() { pgrep -fc "^sleep $mark" || true; }
cd "$place"
for _ in $(seq "$times"); do
    "$program" run cling --slots 1 > run.txt 2>&1 &
    session=$!
    until [ "$(alive)" -ge 4 ]; do
        kill -0 $session || { cat run.txt >&2; exit 1; }
        sleep 0.05
    done
    [ -z "$held" ] || kill -STOP $session
    began=$(date +%s%N)
    "$program" stop cling > stop.txt
    took=$(( ($(date +%s%N) - began) / 1000000 ))
    [ "$(alive)" -eq 0 ] || { echo "processes are left" >&2; exit 1; }
    wait $session 2> /dev/null || true
    "$program" stop cling --lift > /dev/null
    echo "$took ms"
done
