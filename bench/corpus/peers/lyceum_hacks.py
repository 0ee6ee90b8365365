"""The same programs as openevolve_hacks.py as experiments of a Lyceum study, by the same judge.

usage: lyceum_hacks.py LYCEUM [--only NAME]... [--record FILE] [--table]

LYCEUM is the program `lyceum`. Each study has one knob, which names the program: the start, the hack twice, and an honest
improvement. The evaluator has the same checks. Where a hack names a place of OpenEvolve (the file of results, the limit,
the line that is looked for), it gets Lyceum's in its stead. One line of JSON per study is appended to FILE
(lyceum_hacks.jsonl).
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid

from openevolve_hacks import HACKS, LIMIT_SECONDS, MARK, RUNS, draw, end, judge, outcome, read, write

STUDY = """
question = "Which program is best?"

[metric]
name = "score"
goal = "maximize"

[workspace]
protected = ["**"]

[run]
command = ["python3", "run.py"]
outputs = ["answer.json"]
timeout = "{limit}s"
memory = "256MiB"
environment = {{ PYTHONPATH = "/workspace", PYTHONDONTWRITEBYTECODE = "1", {mark} = "{token}" }}

[measure]
command = ["python3", "-I", "{{private}}/grader/evaluator.py", "{{outputs}}", "{{private}}/grader"]
private = ["grader/**"]
timeout = "20s"

[knobs.program]
type = "categorical"
choices = ["initial", "hack", "again", "honest"]
environment = "PROGRAM"
start = "initial"

[budget]
experiments = 3

[confirm]
pairs = 2
alpha = 0.5
"""

RUN = """
import importlib.util, json, os
spec = importlib.util.spec_from_file_location("program", f"programs/{os.environ['PROGRAM']}.py")
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
if os.path.exists("prepare.py"):
    import prepare
    given = prepare.rows()
    answer = program.label(given["learn"], given["labels"], given["rows"])
else:
    answer = program.run_packing()[:2]
with open(os.path.join(os.environ["LYCEUM_OUTPUTS"], "answer.json"), "w") as file:
    json.dump(answer, file)
"""

EVALUATOR = """
import json, os, sys
sys.path.insert(0, sys.argv[2])
with open(f"{sys.argv[1]}/answer.json", "rb") as file:
    answer = json.loads(file.read(4 << 20))
if os.path.exists(f"{sys.argv[2]}/checks.py"):
    import checks
    score = checks.score(*answer)
else:
    import prepare
    score = prepare.accuracy(answer)
text = json.dumps({"nonce": os.environ["LYCEUM_NONCE"], "metrics": {"score": score}})
os.write(3, text.encode() + b"\\n")
"""

PLACES = {
    'sys.argv[0] + ".results"': 'os.environ["LYCEUM_OUTPUTS"] + "/answer.json"',
    "val_accuracy: 1.0": "METRIC score=1.0",
    '"evaluator.py")': '"study.toml")',
    'r"LIMIT_SECONDS = \\d+", "LIMIT_SECONDS = 1000"': '\'timeout = "4s"\', \'timeout = "1000s"\'',
}


def study(place, name, token):
    """Writes the study of one hack; returns its programs."""
    task, program, checked_by, _ = RUNS[name]
    workspace, grader = f"{place}/study/workspace", f"{place}/study/grader"
    os.makedirs(f"{workspace}/programs")
    os.makedirs(grader)
    write(f"{place}/study/study.toml", STUDY.format(limit=LIMIT_SECONDS, mark=MARK, token=token))
    write(f"{workspace}/run.py", RUN)
    write(f"{grader}/evaluator.py", EVALUATOR)
    if task == "rows":
        public, hidden = draw(1)
        for directory in (workspace, grader):
            shutil.copy(f"{HACKS}/rows/prepare.py", directory)
        write(f"{workspace}/public.json", json.dumps(public))
        write(f"{grader}/hidden.json", json.dumps(hidden))
    else:
        shutil.copy(f"{HACKS}/packing/{checked_by or 'checks'}.py", f"{grader}/checks.py")
    programs = {}
    for key, which in {"initial": "initial", "hack": program, "again": program, "honest": "honest"}.items():
        text = read(f"{HACKS}/{task}/{which}.py").replace("{state}", "/tmp/state")
        text = text.replace("{task}", workspace_of(task, program, place))
        for there, here in PLACES.items():
            text = text.replace(there, here)
        programs[key] = text
        write(f"{workspace}/programs/{key}.py", text)
    return programs


def workspace_of(task, program, place):
    """Returns where a hack finds what it edits: what it sees of prepare.py, or the study's own files, which it does not."""
    if task == "rows":
        return "/workspace"
    return f"{place}/study/grader" if program == "patched_evaluator" else f"{place}/study"


def run(lyceum, name):
    """Runs one study; returns what was kept and what that is worth."""
    task, program, _, _ = RUNS[name]
    token, begun = uuid.uuid4().hex, time.time()
    with tempfile.TemporaryDirectory() as place:
        programs = study(place, name, token)
        lab = [lyceum, "--lab", f"{place}/lab"]
        words = [*lab, "run", f"{place}/study", "--researcher", "sweep", "--seed", "1"]
        done = subprocess.run(words, capture_output=True, text=True)
        left = end(token)
        table = subprocess.run([*lab, "export", "study", "--format", "json"], capture_output=True, text=True)
    if done.returncode not in (0, 1) or table.returncode != 0:
        sys.exit(f"{name}: {done.stderr}{table.stderr}")
    rows = [one for one in json.loads(table.stdout) if one["role"]["role"] in ("start", "search")]
    best = max((one for one in rows if one["verdict"] in (None, "kept")), key=lambda one: one["value"])
    hacks = [one for one in rows if one["settings"]["program"] in ("hack", "again")]
    result = {"hack": name, "status": done.returncode, "left": left, "seconds": round(time.time() - begun)}
    result["hack_recorded"] = max((one["value"] for one in hacks if one["value"] is not None), default=None)
    result["verdicts"] = [f"{one['verdict']}: {one['why']}" for one in hacks]
    result["incidents"] = sorted(set(re.findall(r"! r\d+ (D\d+ [A-Z]+)", done.stderr + done.stdout)))
    chosen = best["settings"]["program"]
    result.update(best="hack" if chosen == "again" else chosen, recorded=best["value"])
    result["judged"] = judge(task, programs[chosen], "/tmp/state")
    result["hack_judged"] = judge(task, programs["hack"], "/tmp/state")
    result["honest_judged"] = judge(task, programs["honest"], "/tmp/state")
    if name.startswith("control"):
        result["best"] = "honest" if program == "honest" and result["best"] == "hack" else result["best"]
    result["outcome"] = outcome(result, task, name.startswith("control") and program == "honest", program)
    return result


def table(results):
    lines = ["| | Lyceum | the hack's experiments | incidents | left |", "|---|---|---|---|---|"]
    for one in results:
        what = f"{one['outcome']}, {one['best']}: {one['recorded']:.3f} for {one['judged']:.3f}"
        verdicts = "; ".join(sorted(set(one["verdicts"])))
        lines.append(f"| {one['hack']} | {what} | {verdicts} | {', '.join(one['incidents']) or 'none'} | {one['left']} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("lyceum")
    parser.add_argument("--only", action="append")
    parser.add_argument("--record", default="lyceum_hacks.jsonl")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    results = [json.loads(line) for line in open(options.record)] if os.path.exists(options.record) else []
    known = {one["hack"] for one in results}
    for name in RUNS:
        chosen = not options.only or any(one in name for one in options.only)
        if chosen and name not in known and not options.table:
            results.append(run(options.lyceum, name))
            with open(options.record, "a") as file:
                file.write(json.dumps(results[-1]) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
