"""Runs peers on the tasks that `bench_researchers tasks` printed.

usage: peers.py tasks.json PEER [--from SEED] [--seeds COUNT] [--evaluations COUNT] [--cpu SECONDS] > PEER.tsv

Peers: optuna-tpe, optuna-gp, smac, smac-gp, hebo, nevergrad, cmaes; each with its defaults. Every formula is written a second
time here, and checked against the values that the Rust program printed. A crash is told as a failure where the peer
knows such a thing (optuna-tpe, optuna-gp), elsewhere as the worst value seen so far. Peers without conditions get
all knobs, those that are off without an effect. Seeds run one after the other, all tasks of one first; with --cpu no
study begins after that many seconds of CPU time.
"""

import argparse
import json
import math
import sys
import time
import warnings

EVALUATIONS = 100
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
    "styblinski10": styblinski,
    "griewank12": griewank,
    "ackley15": ackley,
    "hartmann6-of-16": lambda u: hartmann(u[:12:2], H6A, H6P),
}


def moved(constants, index, x):
    x = 1 - x if constants["reflect"][index] else x
    t = (x + constants["shift"][index]) % 2.0
    return 2 - t if t > 1 else t


def rastrigin(z):
    return sum(v * v + 10 * (1 - math.cos(2 * math.pi * v)) for v in z)


def ellipsoid(z):
    turned = [v + (0.5 * z[i - 1] if i else 0) for i, v in enumerate(z)]
    return sum(100 ** (i / (len(z) - 1)) * v * v for i, v in enumerate(turned))


def valley(z):
    return sum(100 * (b + 1 - (a + 1) ** 2) ** 2 + a * a for a, b in zip(z, z[1:]))


def alpine(z):
    return sum(abs(v * math.sin(v) + 0.1 * v) for v in z)


def zakharov(z):
    total = sum(0.5 * (i + 1) * v for i, v in enumerate(z))
    return sum(v * v for v in z) + total**2 + total**4


def levy_at_zero(z):
    w = [1 + v / 4 for v in z]
    inner = sum((v - 1) ** 2 * (1 + 10 * math.sin(math.pi * v + 1) ** 2) for v in w[:-1])
    end = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
    return math.sin(math.pi * w[0]) ** 2 + inner + end


def ackley_at(x):
    n = len(x)
    waves = sum(math.cos(2 * math.pi * v) for v in x) / n
    return -20 * math.exp(-0.2 * math.sqrt(sum(v * v for v in x) / n)) - math.exp(waves) + 20 + math.e


HELD_OUT = {
    "rastrigin8": rastrigin,
    "ellipsoid10": ellipsoid,
    "rosenbrock12": valley,
    "alpine14": alpine,
    "zakharov16": zakharov,
    "few20": lambda z: levy_at_zero([z[2], z[7], z[11], z[18]]),
    "noisy-levy8": levy_at_zero,
    "noisy-sphere15": lambda z: sum(v * v for v in z),
    "crash-rosenbrock8": lambda z: valley(z) if z[0] + z[1] <= 0.5 else None,
    "crash-ackley10": lambda z: ackley_at(z) if abs(z[3]) <= 11.2 and z[7] >= -8 else None,
}


def branches(constants, settings):
    floors, turn = [0, 0.1, 0.2], constants["turn"]

    def off(name, count):
        return [settings[f"{name}{i}"] - constants["centre"][i] for i in range(count)]

    if settings["kind"] == "a":
        return floors[turn] + sum(v * v for v in off("a", 4))
    if settings["kind"] == "b":
        ratio = math.log(settings["bn"] / 5)
        return floors[(turn + 1) % 3] + 0.5 * sum(abs(v) for v in off("b", 3)) + 0.1 * ratio**2
    return floors[(turn + 2) % 3] + 1 - math.exp(-2 * sum(v * v for v in off("c", 5)))


def recipe(constants, s):
    width, depth, batch = s["width"], s["depth"], s["batch"]
    usual, optimizer = {
        "adam": lambda: (1e-3, 0.02 * ((s["beta2"] - 0.98) / 0.03) ** 2),
        "sgd": lambda: (1e-1, 0.05 + 0.3 * (s["momentum"] - 0.9) ** 2),
        "rmsprop": lambda: (5e-4, 0.03),
    }[s["optimizer"]]()
    best = math.log(usual) + constants["shift"] - 0.5 * math.log(width / 64) + 0.5 * math.log(batch / 16)
    off = math.log(s["rate"]) - best
    if off > 4 or width * depth * batch > 100_000:
        return None
    warm_up = 2 * (s["warmup"] - 0.1) ** 2 if s["warm"] else 0.06
    activation = {"gelu": 0, "silu": 0.01, "relu": 0.03, "tanh": 0.08}[s["activation"]]
    sizes = 0.05 * math.log(width / 180) ** 2 + 0.02 * (depth - 5) ** 2
    rest = 0.03 * math.log(batch / 24) ** 2 + 0.01 * (math.log(s["decay"] / 1e-2) / 2) ** 2 + (s["dropout"] - 0.15) ** 2
    return 1 + 0.08 * off**2 + optimizer + warm_up + activation + sizes + rest


def value(task, settings):
    """Returns the value without noise; `None` for a crash."""
    name, constants = task["task"], task["constants"]
    if "cells" in constants:
        place = 0
        for knob, count in zip(task["knobs"], constants["counts"]):
            place = place * count + int(settings[knob["name"]])
        return constants["cells"][place]
    if name == "branches":
        return branches(constants, settings)
    if name == "recipe":
        return recipe(constants, settings)
    if name == "mixed":
        return mixed([moved(constants, i, settings[f"x{i}"]) for i in range(3)], settings["x3"], settings["c"])
    if name in HELD_OUT:
        both = enumerate(constants["centre"])
        return HELD_OUT[name]([constants["range"] * (settings[f"x{i}"] - c) for i, c in both])
    return FUNCTIONS[name]([moved(constants, i, settings[f"x{i}"]) for i in range(len(constants["shift"]))])


def active(task, settings):
    """Returns the settings of the knobs that are on."""
    on = {}
    for knob in task["knobs"]:
        when = knob.get("when")
        if when is None or on.get(when["knob"]) in when["is"]:
            on[knob["name"]] = settings[knob["name"]]
    return on


def check(task):
    for one in task["checks"]:
        found, expected = value(task, one["settings"]), one["value"]
        same = found is expected is None or (
            None not in (found, expected) and abs(found - expected) <= 1e-9 * max(1, abs(found))
        )
        if not same:
            sys.exit(f"{task['task']} seed {task['seed']}: {found} here, {expected} in Rust")


def versions(*names):
    from importlib.metadata import version

    print(", ".join(f"{name} {version(name)}" for name in names), file=sys.stderr)


class Optuna:
    """Optuna with one of its samplers."""

    def __init__(self, task, evaluations, sampler):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna, self.task = optuna, task
        self.study = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=task["seed"]))

    def ask(self):
        self.trial, settings = self.study.ask(), {}
        for knob in self.task["knobs"]:
            name, when = knob["name"], knob.get("when")
            if when is not None and settings.get(when["knob"]) not in when["is"]:
                continue
            if knob["kind"] == "float":
                settings[name] = self.trial.suggest_float(name, knob["low"], knob["high"], log=knob["log"])
            elif knob["kind"] == "integer":
                settings[name] = self.trial.suggest_int(name, knob["low"], knob["high"], log=knob["log"])
            else:
                settings[name] = self.trial.suggest_categorical(name, knob.get("choices", [False, True]))
        return settings

    def tell(self, observed):
        if observed is None:
            self.study.tell(self.trial, state=self.optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(self.trial, observed)


class Worst:
    """Turns a crash into the worst value seen so far, for peers that know only numbers."""

    worst = 0.0
    seen = False

    def number(self, observed):
        if observed is None:
            return self.worst
        self.worst = max(self.worst, observed) if self.seen else observed
        self.seen = True
        return observed


class Nevergrad(Worst):
    """Nevergrad's NGOpt."""

    def __init__(self, task, evaluations):
        import nevergrad as ng

        def parameter(knob):
            if knob["kind"] in ("choice", "boolean"):
                return ng.p.Choice(knob.get("choices", [False, True]))
            bounds = {"lower": knob["low"], "upper": knob["high"]}
            numeric = ng.p.Log(**bounds) if knob["log"] else ng.p.Scalar(**bounds)
            return numeric.set_integer_casting() if knob["kind"] == "integer" else numeric

        self.task = task
        space = ng.p.Dict(**{knob["name"]: parameter(knob) for knob in task["knobs"]})
        space.random_state.seed(task["seed"])
        self.optimizer = ng.optimizers.NGOpt(parametrization=space, budget=evaluations, num_workers=1)

    def ask(self):
        self.candidate = self.optimizer.ask()
        return active(self.task, self.candidate.value)

    def tell(self, observed):
        self.optimizer.tell(self.candidate, self.number(observed))


class CMA(Worst):
    """The `cmaes` package on the unit cube, mean and spread as Optuna's sampler sets them."""

    def __init__(self, task, evaluations):
        import cmaes
        import numpy

        n = len(task["knobs"])
        self.task, self.told = task, []
        bounds = numpy.array([[0.0, 1.0]] * n)
        # The package refuses a single dimension; no task here has one.
        self.strategy = cmaes.CMA(mean=numpy.full(n, 0.5), sigma=1 / 6, bounds=bounds, seed=task["seed"])

    def ask(self):
        self.point, settings = self.strategy.ask(), {}
        for knob, u in zip(self.task["knobs"], self.point):
            if knob["kind"] in ("choice", "boolean"):
                choices = knob.get("choices", [False, True])
                settings[knob["name"]] = choices[min(int(u * len(choices)), len(choices) - 1)]
                continue
            whole = knob["kind"] == "integer"
            low, high = (knob["low"] - 0.5 * whole, knob["high"] + 0.5 * whole)
            number = low * (high / low) ** u if knob["log"] else low + (high - low) * u
            if whole:
                number = min(max(round(number), knob["low"]), knob["high"])
            settings[knob["name"]] = min(max(number, knob["low"]), knob["high"])
        return active(self.task, settings)

    def tell(self, observed):
        self.told.append((self.point, self.number(observed)))
        if len(self.told) == self.strategy.population_size:
            self.strategy.tell(self.told)
            self.told = []


class Smac(Worst):
    """One of SMAC3's facades: for tuning (a random forest) or for black boxes (a Gaussian process).

    It knows crashes, but wants a number for them.
    """

    def __init__(self, task, evaluations, facade):
        import logging
        import tempfile

        import ConfigSpace
        import smac

        logging.disable(logging.CRITICAL)
        space = ConfigSpace.ConfigurationSpace(seed=task["seed"])
        for knob in task["knobs"]:
            name = knob["name"]
            if knob["kind"] in ("choice", "boolean"):
                space.add(ConfigSpace.CategoricalHyperparameter(name, knob.get("choices", [False, True])))
                continue
            kind = "Float" if knob["kind"] == "float" else "Integer"
            make = getattr(ConfigSpace, f"Uniform{kind}Hyperparameter")
            space.add(make(name, lower=knob["low"], upper=knob["high"], log=knob["log"]))
        for knob in task["knobs"]:
            if when := knob.get("when"):
                both = (space[knob["name"]], space[when["knob"]])
                space.add(ConfigSpace.EqualsCondition(*both, when["is"][0]))
        self.directory = tempfile.TemporaryDirectory()
        scenario = smac.Scenario(
            space, deterministic=True, n_trials=evaluations, seed=task["seed"], output_directory=self.directory.name
        )
        self.task = task
        self.smac = getattr(smac, facade)(scenario, lambda config, seed=0: 0.0, overwrite=True)

    def ask(self):
        self.info = self.smac.ask()
        found = dict(self.info.config)
        plain = {name: getattr(one, "item", lambda one=one: one)() for name, one in found.items()}
        return active(self.task, plain)

    def tell(self, observed):
        from smac.runhistory.dataclasses import TrialValue
        from smac.runhistory.enumerations import StatusType

        status = StatusType.CRASHED if observed is None else StatusType.SUCCESS
        self.smac.tell(self.info, TrialValue(cost=self.number(observed), status=status))


class Hebo(Worst):
    """HEBO."""

    def __init__(self, task, evaluations):
        import numpy
        import torch
        from hebo.design_space.design_space import DesignSpace
        from hebo.optimizers.hebo import HEBO
        from pymoo.config import Config

        # It would be said on standard output, among the results.
        Config.warnings["not_compiled"] = False

        def described(knob):
            if knob["kind"] == "boolean":
                return {"name": knob["name"], "type": "bool"}
            if knob["kind"] == "choice":
                return {"name": knob["name"], "type": "cat", "categories": knob["choices"]}
            usual = {"float": "num", "integer": "int"}[knob["kind"]]
            kind = {"num": "pow", "int": "pow_int"}[usual] if knob["log"] else usual
            return {"name": knob["name"], "type": kind, "lb": knob["low"], "ub": knob["high"]}

        self.task = task
        # Its acquisition draws from the global generators.
        numpy.random.seed(task["seed"])
        torch.manual_seed(task["seed"])
        space = DesignSpace().parse([described(knob) for knob in task["knobs"]])
        self.optimizer = HEBO(space, scramble_seed=task["seed"])

    def ask(self):
        self.row = self.optimizer.suggest(n_suggestions=1)
        found = self.row.iloc[0].to_dict()
        return active(self.task, {name: getattr(one, "item", lambda one=one: one)() for name, one in found.items()})

    def tell(self, observed):
        import numpy

        self.optimizer.observe(self.row, numpy.array([[self.number(observed)]]))


PEERS = {
    "optuna-tpe": (("optuna",), lambda *of: Optuna(*of, "TPESampler")),
    "optuna-gp": (("optuna", "torch"), lambda *of: Optuna(*of, "GPSampler")),
    "smac": (("smac",), lambda *of: Smac(*of, "HyperparameterOptimizationFacade")),
    "smac-gp": (("smac",), lambda *of: Smac(*of, "BlackBoxFacade")),
    "hebo": (("hebo", "torch"), Hebo),
    "nevergrad": (("nevergrad",), Nevergrad),
    "cmaes": (("cmaes",), CMA),
}


def run(task, name, evaluations):
    peer = PEERS[name][1](task, evaluations)
    best, regret = math.inf, math.inf
    for number in range(evaluations):
        settings = peer.ask()
        found = value(task, settings)
        observed = found if found is None or not task["noise"] else found + task["noise"][number]
        if observed is not None and observed < best:
            best, regret = observed, max(found - task["least"], 0.0)
        peer.tell(observed)
        print(f"{task['task']}\t{task['seed']}\t{name}\t{number + 1}\t{float(regret)!r}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tasks")
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=EVALUATIONS)
    parser.add_argument("--cpu", type=float, default=math.inf)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    with open(options.tasks) as file:
        tasks = json.load(file)
    for task in tasks:
        check(task)
    seeds = range(options.first, options.first + options.seeds)
    tasks = sorted((task for task in tasks if task["seed"] in seeds), key=lambda task: task["seed"])
    try:
        versions(*PEERS[options.peer][0])
    except ImportError:
        sys.exit(f"SKIPPED: {options.peer} is not installed here; the README says how")
    begun = time.process_time()
    for task in tasks:
        if time.process_time() - begun > options.cpu:
            print(f"stopped before {task['task']} of seed {task['seed']}", file=sys.stderr)
            break
        run(task, options.peer, options.evaluations)
    spent = time.process_time() - begun
    print(f"{options.peer}: {spent:.0f} s of CPU", file=sys.stderr)


main()
