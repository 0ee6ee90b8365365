"""Runs Optuna's TPE with its defaults on the tasks that `bench_researchers tasks` printed.

usage: optuna_tpe.py tasks.json > optuna-tpe.tsv

Every task's formula is written a second time here, and checked against the value that the Rust program printed.
"""

import json
import math
import sys

try:
    import optuna
except ImportError:
    sys.exit("SKIPPED: Optuna is not installed; `pip install optuna` in a virtual environment")

EVALUATIONS = 40
H3A = [[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]
H3P = [[0.3689, 0.1170, 0.2673], [0.4699, 0.4387, 0.7470], [0.1091, 0.8732, 0.5547], [0.0381, 0.5743, 0.8828]]
H6A = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
H6P = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]


def scaled(u, low, high):
    return [low + (high - low) * x for x in u]


def hartmann(u, a, p):
    weights = [1.0, 1.2, 3.0, 3.2]
    return -sum(
        w * math.exp(-sum(r[i] * (u[i] - q[i]) ** 2 for i in range(len(u)))) for w, r, q in zip(weights, a, p)
    )


def branin(u):
    x, y = -5 + 15 * u[0], 15 * u[1]
    bend = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def camel(u):
    x, y = -3 + 6 * u[0], -2 + 4 * u[1]
    return (4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (-4 + 4 * y**2) * y**2


def goldstein(u):
    x, y = scaled(u, -2, 2)
    a = 19 - 14 * x + 3 * x * x - 14 * y + 6 * x * y + 3 * y * y
    b = 18 - 32 * x + 12 * x * x + 48 * y - 36 * x * y + 27 * y * y
    return math.log((1 + (x + y + 1) ** 2 * a) * (30 + (2 * x - 3 * y) ** 2 * b))


def ackley(u):
    x = scaled(u, -32.768, 32.768)
    n = len(x)
    squares = sum(v * v for v in x) / n
    waves = sum(math.cos(2 * math.pi * v) for v in x) / n
    return -20 * math.exp(-0.2 * math.sqrt(squares)) - math.exp(waves) + 20 + math.e


def rosenbrock(u):
    x = scaled(u, -5, 10)
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))


def levy(u):
    w = [1 + (x - 1) / 4 for x in scaled(u, -10, 10)]
    inner = sum((v - 1) ** 2 * (1 + 10 * math.sin(math.pi * v + 1) ** 2) for v in w[:-1])
    end = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
    return math.sin(math.pi * w[0]) ** 2 + inner + end


def styblinski(u):
    return sum(x**4 - 16 * x * x + 5 * x for x in scaled(u, -5, 5)) / 2


def griewank(u):
    x = scaled(u, -600, 600)
    waves = math.prod(math.cos(v / math.sqrt(i + 1)) for i, v in enumerate(x))
    return sum(v * v for v in x) / 4000 - waves + 1


def mixed(u, whole, choice):
    floor, centre, best = {
        "a": (0.3, [0.3, 0.6, 0.5], 8),
        "b": (0.0, [0.7, 0.25, 0.4], 5),
        "c": (0.15, [0.5, 0.8, 0.6], 3),
    }[choice]
    x, y, z = (u[i] - centre[i] for i in range(3))
    wave = 1 - math.cos(4 * math.pi * x)
    return floor + 5 * x * x + 2 * abs(y) + (z + x) ** 2 + 0.5 * math.log(whole / best) ** 2 + 0.1 * wave


FUNCTIONS = {
    "branin": branin,
    "camel": camel,
    "log-goldstein": goldstein,
    "hartmann3": lambda u: hartmann(u, H3A, H3P),
    "hartmann6": lambda u: hartmann(u, H6A, H6P),
    "ackley3": ackley,
    "ackley6": ackley,
    "rosenbrock4": rosenbrock,
    "levy4": levy,
    "styblinski4": styblinski,
    "griewank5": griewank,
}


def moved(task, index, x):
    x = 1 - x if task["reflect"][index] else x
    t = (x + task["shift"][index]) % 2.0
    return 2 - t if t > 1 else t


def value(task, settings):
    if task["task"] == "mixed":
        floats = [moved(task, i, settings[f"x{i}"]) for i in range(3)]
        return mixed(floats, settings["x3"], settings["c"])
    return FUNCTIONS[task["task"]]([moved(task, i, settings[f"x{i}"]) for i in range(len(task["shift"]))])


def check(task):
    n = len(task["shift"])
    settings = {f"x{i}": 0.1 + 0.8 * i / n for i in range(n)}
    if task["task"] == "mixed":
        settings.update(x3=7, c="c")
    found = value(task, settings)
    if abs(found - task["check"]) > 1e-9 * max(1, abs(found)):
        sys.exit(f"{task['task']} seed {task['seed']}: {found} here, {task['check']} in Rust")


def run(task):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=task["seed"]))
    best = []

    def objective(trial):
        n = len(task["shift"])
        settings = {f"x{i}": trial.suggest_float(f"x{i}", 0, 1) for i in range(3 if task["task"] == "mixed" else n)}
        if task["task"] == "mixed":
            settings["x3"] = trial.suggest_int("x3", 1, 12)
            settings["c"] = trial.suggest_categorical("c", ["a", "b", "c"])
        found = value(task, settings)
        regret = max(found - task["least"], 0.0)
        best.append(min(regret, best[-1]) if best else regret)
        return found

    study.optimize(objective, n_trials=EVALUATIONS)
    for index, regret in enumerate(best):
        print(f"{task['task']}\t{task['seed']}\toptuna-tpe\t{index + 1}\t{regret!r}")


def main():
    with open(sys.argv[1]) as file:
        tasks = json.load(file)
    for task in tasks:
        check(task)
    for task in tasks:
        run(task)
    print(f"optuna {optuna.__version__}", file=sys.stderr)


main()
