"""The soak of bench/durability/soak.sh on OpenEvolve: its process is killed at random instants and started again.

Needs `pip install openevolve`. Call: openevolve_kills.py [KILLS] [ITERATIONS_PER_CHECKPOINT] [SEED]

Its language model is a small server in this program that changes one number, so no key and no network are needed. Each
evaluation appends to a file and syncs it: that is what truly ran. Each start goes on from the newest checkpoint that
loads. Afterwards the newest one is asked what it knows. Without OpenEvolve this prints SKIPPED and ends well.
"""

import http.server
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

try:
    import openevolve
except ImportError:
    print("SKIPPED: openevolve is not installed (pip install openevolve)")
    sys.exit(0)

PROGRAM = "# EVOLVE-BLOCK-START\nX = 0\n# EVOLVE-BLOCK-END\n"

EVALUATOR = """
import os, re
def evaluate(path):
    x = int(re.search(r"X = (-?[0-9]+)", open(path).read()).group(1))
    with open({effects!r}, "a") as file:
        file.write(f"{{x}}\\n")
        file.flush()
        os.fsync(file.fileno())
    return {{"combined_score": -abs(x - 10**8) / 10**8}}
"""

CONFIG = """
max_iterations: 100000
checkpoint_interval: {interval}
log_level: ERROR
random_seed: 1
diff_based_evolution: false
llm:
  api_base: http://127.0.0.1:{port}/v1
  api_key: none
  models: [{{name: stub, weight: 1.0}}]
  timeout: 20
  retries: 0
prompt: {{num_top_programs: 1}}
database: {{population_size: 1000000, archive_size: 10, num_islands: 1}}
evaluator: {{parallel_evaluations: 1, cascade_evaluation: false, timeout: 20}}
"""


class Model(http.server.BaseHTTPRequestHandler):
    """Answers every request with a program that nobody has proposed before."""

    number = 0
    lock = threading.Lock()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        with Model.lock:
            Model.number += 1
            x = Model.number
        text = "```python\n" + PROGRAM.replace("X = 0", f"X = {x}") + "```"
        answer = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "stub",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def recorded(checkpoint):
    """Returns up to which iteration a checkpoint goes; None if it cannot be read whole."""
    try:
        metadata = json.load(open(f"{checkpoint}/metadata.json"))
        names = os.listdir(f"{checkpoint}/programs")
        known = {json.load(open(f"{checkpoint}/programs/{name}"))["id"] for name in names}
    except (OSError, ValueError):
        return None
    if any(one not in known for island in metadata["islands"] for one in island):
        return None
    return metadata["last_iteration"]


def evaluations(effects):
    return len(open(effects).read().split())


def newest(directory):
    """Returns the newest checkpoint that can be read, and how many newer ones cannot."""
    place = f"{directory}/out/checkpoints"
    names = os.listdir(place) if os.path.isdir(place) else []
    names.sort(key=lambda name: -int(name.split("_")[1]))
    for broken, name in enumerate(names):
        if recorded(f"{place}/{name}") is not None:
            return f"{place}/{name}", broken
    return None, len(names)


def main():
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    interval = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    random.seed(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as directory:
        effects = f"{directory}/effects"
        open(effects, "w").close()
        open(f"{directory}/program.py", "w").write(PROGRAM)
        open(f"{directory}/evaluator.py", "w").write(EVALUATOR.format(effects=effects))
        open(f"{directory}/config.yaml", "w").write(CONFIG.format(interval=interval, port=server.server_port))
        broken = left = silent = lost = 0
        for _ in range(kills):
            checkpoint, torn = newest(directory)
            broken += torn
            words = [sys.executable, "-m", "openevolve.cli", f"{directory}/program.py", f"{directory}/evaluator.py"]
            words += ["--config", f"{directory}/config.yaml", "--output", f"{directory}/out"]
            words += ["--checkpoint", checkpoint] if checkpoint else []
            iterations = recorded(checkpoint) if checkpoint else 0
            count = evaluations(effects)
            before = os.path.getsize(effects)
            quiet = subprocess.DEVNULL
            worker = subprocess.Popen(words, stdout=quiet, stderr=quiet, start_new_session=True)
            # Until it works, at most a minute; then a random while.
            deadline = time.time() + 60
            while os.path.getsize(effects) == before and time.time() < deadline and worker.poll() is None:
                time.sleep(0.05)
            silent += os.path.getsize(effects) == before
            time.sleep(random.random() * 3)
            worker.kill()
            worker.wait()
            time.sleep(0.2)
            # Its pool of processes is in its process group.
            alive = subprocess.run(["ps", "-o", "pid=", "-g", str(worker.pid)], capture_output=True, text=True)
            left += len(alive.stdout.split())
            try:
                os.killpg(worker.pid, 9)
            except ProcessLookupError:
                pass
            checkpoint, _ = newest(directory)
            done = (recorded(checkpoint) if checkpoint else 0) - iterations
            # The first session also evaluates what it starts from.
            lost += max(0, evaluations(effects) - count - (count == 0) - done)
        print(
            f"openevolve {openevolve.__version__}, a checkpoint every {interval} iterations: {kills} kills, "
            f"{evaluations(effects)} evaluations; {lost} of them are in no checkpoint and were lost; "
            f"{broken} checkpoints cannot be read; {left} processes went on after a kill; "
            f"{silent} starts evaluated nothing"
        )


main()
