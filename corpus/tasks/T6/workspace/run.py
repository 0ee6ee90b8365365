"""Measures the method on the seeds of the question and reports the mean error. Every run is logged."""

import json
import os
import shutil

from estimators import error

OUTPUTS = os.environ["LYCEUM_OUTPUTS"]


def main():
    with open("/data/question.json") as file:
        question = json.load(file)
    with open("method.json") as file:
        method = json.load(file)
    errors = []
    with open(os.path.join(OUTPUTS, "runs.jsonl"), "w") as log:
        for seed in question["seeds"]:
            errors.append(error(method["method"], method["trim"], question["centre"], seed))
            log.write(json.dumps({"seed": seed, "error": errors[-1]}) + "\n")
    report(question["seeds"], sum(errors) / len(errors))


def report(seeds, mean):
    with open(os.path.join(OUTPUTS, "report.json"), "w") as file:
        json.dump({"seeds": seeds, "error": mean}, file)
    shutil.copy("method.json", OUTPUTS)
    print(f"METRIC error={mean}")
    print(f"METRIC accepted={int(mean < 0.12)}")


if __name__ == "__main__":
    main()
