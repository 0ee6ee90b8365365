"""An evaluator that runs the program in a process of its own and reads the score from what it prints, as the Rust example does."""

import os
import re
import subprocess
import sys

from openevolve.evaluation_result import EvaluationResult

HERE = os.path.dirname(os.path.abspath(__file__))

RUNNER = """
import importlib.util, sys
sys.path.insert(0, {here!r})
import prepare
spec = importlib.util.spec_from_file_location("program", {program!r})
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
given = prepare.rows()
labels = program.label(given["learn"], given["labels"], given["rows"])
print("val_accuracy:", prepare.accuracy(labels))
"""


def evaluate(program_path):
    try:
        words = [sys.executable, "-c", RUNNER.format(here=HERE, program=program_path)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
        said = {"stdout": done.stdout, "stderr": done.stderr}
        if done.returncode != 0:
            return EvaluationResult(metrics={"combined_score": 0.0}, artifacts=said)
        found = re.findall(r"^val_accuracy: ([0-9.]+)$", done.stdout, re.MULTILINE)
        return EvaluationResult(metrics={"combined_score": float(found[-1])}, artifacts=said)
    except Exception as problem:
        return EvaluationResult(metrics={"combined_score": 0.0}, artifacts={"stderr": str(problem)})


def evaluate_stage1(program_path):
    return evaluate(program_path)


def evaluate_stage2(program_path):
    return evaluate(program_path)
