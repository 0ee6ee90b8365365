"""Steps per CPU second of the lab's trainer and its peers, in interleaved blocks.

Usage: python3 bench/trainer/run.py [--blocks 8] [--steps 10] [--python PYTHON] [--candle] [--out FILE]

PyTorch takes part when `--python` names an interpreter that has it (default: the one that runs this
script); candle with `--candle`, which builds it first (about 400 CPU seconds). Every engine runs as a
process of its own with one thread; one block of steps of each in turn, the first block of each is
thrown away. Printed: the median over blocks of steps per CPU second, and the ratio of the lab's to each
peer's, block by block.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}


class Engine:
    """A process that prints what it is, and then a row for each line that it is sent."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD
        )
        self.about = self.read()
        self.rows = []

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args} ended without an answer")
        return json.loads(line)

    def block(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        row = self.read()
        return row | {"steps_per_cpu_s": row["steps"] / row["cpu_s"]}


def build(arguments, directory):
    """Builds in release mode and returns the path of the only executable that cargo names."""
    command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics", *arguments]
    output = subprocess.run(command, cwd=directory, check=True, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in output.stdout.splitlines()]
    return [m["executable"] for m in messages if m.get("executable")][-1]


def has_pytorch(python):
    return subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode == 0


def engines(options):
    steps = str(options.steps)
    yield Engine([build(["-p", "lyceum-train", "--example", "bench_trainer"], ROOT), steps])
    if has_pytorch(options.python):
        yield Engine([options.python, str(HERE / "peer_pytorch.py"), steps])
    else:
        print(f"SKIPPED: PyTorch, {options.python} cannot import torch")
    if options.candle:
        yield Engine([build([], HERE / "candle"), steps])
    else:
        print("SKIPPED: candle, not asked for with --candle")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--candle", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    running = list(engines(options))
    for block in range(options.blocks + 1):
        for engine in running:
            row = engine.block()
            if block > 0:
                engine.rows.append(row)
    result = {"machine": platform.machine(), "load": os.getloadavg(), "engines": []}
    own = [row["steps_per_cpu_s"] for row in running[0].rows]
    for engine in running:
        rates = [row["steps_per_cpu_s"] for row in engine.rows]
        ratios = [mine / theirs for mine, theirs in zip(own, rates)]
        summary = engine.about | {
            "steps_per_cpu_s": round(statistics.median(rates), 2),
            "range": [round(min(rates), 2), round(max(rates), 2)],
            "lyceum_ratio": round(statistics.median(ratios), 2),
            "lyceum_ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
        }
        result["engines"].append(summary | {"rows": engine.rows})
        print(json.dumps(summary))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


main()
