"""An evaluator that imports the program, as the function minimisation example does. The limit is OpenEvolve's own."""

import importlib.util

import checks


def evaluate(program_path):
    try:
        spec = importlib.util.spec_from_file_location("program", program_path)
        program = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(program)
        centers, radii, _ = program.run_packing()
        return {"combined_score": float(checks.score(centers, radii))}
    except Exception as problem:
        return {"combined_score": 0.0, "error": str(problem)}


def evaluate_stage1(program_path):
    return evaluate(program_path)


def evaluate_stage2(program_path):
    return evaluate(program_path)
