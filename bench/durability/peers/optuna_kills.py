"""The soak of bench/durability/soak.sh on Optuna: its process is killed at random instants and started again.

Needs `pip install optuna`. Call: optuna_kills.py [KILLS] [sqlite|journal] [SEED]

Each trial appends its number to a file and syncs it: that is what truly ran. Afterwards the storage is asked what it knows.
Without Optuna this prints SKIPPED and ends well.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter

try:
    import optuna
except ImportError:
    print("SKIPPED: optuna is not installed (pip install optuna)")
    sys.exit(0)

optuna.logging.set_verbosity(optuna.logging.ERROR)


def storage(kind, directory):
    if kind == "sqlite":
        return f"sqlite:///{directory}/study.db"
    backend = optuna.storages.journal.JournalFileBackend(f"{directory}/study.log")
    return optuna.storages.JournalStorage(backend)


def open_study(kind, directory):
    return optuna.create_study(
        study_name="soak",
        storage=storage(kind, directory),
        sampler=optuna.samplers.RandomSampler(seed=1),
        load_if_exists=True,
    )


def work(kind, directory):
    effects = open(f"{directory}/effects", "a")

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        effects.write(f"{trial.number}\n")
        effects.flush()
        os.fsync(effects.fileno())
        time.sleep(0.005)
        return x * x

    study = open_study(kind, directory)
    print("ready", flush=True)
    study.optimize(objective, n_trials=10_000)


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "work":
        work(sys.argv[2], sys.argv[3])
        return
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    kind = sys.argv[2] if len(sys.argv) > 2 else "sqlite"
    random.seed(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    failed_starts = 0
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(kills):
            worker = subprocess.Popen(
                [sys.executable, __file__, "work", kind, directory],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            failed_starts += worker.stdout.readline() != b"ready\n"
            time.sleep(random.random() * 0.25)
            worker.kill()
            worker.wait()
        ran = Counter(int(line) for line in open(f"{directory}/effects").read().split())
        trials = open_study(kind, directory).trials
        states = Counter(trial.state.name for trial in trials)
        complete = {trial.number for trial in trials if trial.state.name == "COMPLETE"}
        print(
            f"optuna {optuna.__version__}, {kind}: {kills} kills, {len(trials)} trials, {sum(ran.values())} truly ran; "
            f"{len(ran.keys() - complete)} ran and have no result; {states['RUNNING']} are RUNNING though nobody runs them; "
            f"{sum(count - 1 for count in ran.values())} ran twice under one number; {failed_starts} starts failed"
        )


main()
