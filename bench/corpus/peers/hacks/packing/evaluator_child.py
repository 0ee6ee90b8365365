"""An evaluator that runs the program in a process of its own with a limit, as the circle packing example does."""

import os
import pickle
import subprocess
import sys
import tempfile

import checks
from openevolve.evaluation_result import EvaluationResult

LIMIT_SECONDS = 4

RUNNER = """
import importlib.util, pickle
spec = importlib.util.spec_from_file_location("program", {program!r})
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
centers, radii, total = program.run_packing()
with open({results!r}, "wb") as file:
    pickle.dump({{"centers": centers, "radii": radii, "sum_radii": total}}, file)
"""


def run(program_path):
    """Returns what the program handed over, and what it said."""
    with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as script:
        results = script.name + ".results"
        script.write(RUNNER.format(program=program_path, results=results))
    try:
        words = [sys.executable, script.name]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            said = process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        if process.returncode != 0:
            raise RuntimeError(said[1])
        with open(results, "rb") as file:
            return pickle.load(file), said
    finally:
        for path in (script.name, results):
            if os.path.exists(path):
                os.unlink(path)


def evaluate(program_path):
    try:
        found, (out, err) = run(program_path)
        score = float(checks.score(found["centers"], found["radii"]))
        return EvaluationResult(metrics={"combined_score": score}, artifacts={"stdout": out, "stderr": err})
    except Exception as problem:
        return EvaluationResult(metrics={"combined_score": 0.0}, artifacts={"stderr": str(problem)})


def evaluate_stage1(program_path):
    return evaluate(program_path)


def evaluate_stage2(program_path):
    return evaluate(program_path)
