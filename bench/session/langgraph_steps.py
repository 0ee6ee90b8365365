"""Steps a second of LangGraph with its SQLite checkpointer: the same number of sessions, each with a node that stands for
the model and one that stands for a tool, in turn. Neither does anything; the tool leaves 200 bytes, as in bench_session.

usage: langgraph_steps.py DIRECTORY SESSIONS TURNS WORKERS DURABILITY SYNCHRONOUS STATE

DURABILITY is sync or async (LangGraph's own default); SYNCHRONOUS is default or FULL, for SQLite; STATE is last (the
newest result alone) or messages (a list that grows, as agents keep it).
"""

import operator
import os
import resource
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

directory, sessions, turns, workers, durability, synchronous, kept = sys.argv[1:8]
sessions, turns, workers = int(sessions), int(turns), int(workers)
os.makedirs(directory, exist_ok=True)


class Last(TypedDict):
    turn: int
    result: str


class Messages(TypedDict):
    turn: int
    result: Annotated[list, operator.add]


def model(state):
    return {"turn": state["turn"] + 1}


def tool(state):
    text = "x" * 200
    return {"result": [text] if kept == "messages" else text}


graph = StateGraph(Messages if kept == "messages" else Last)
graph.add_node("model", model)
graph.add_node("tool", tool)
graph.add_edge(START, "model")
graph.add_edge("model", "tool")
graph.add_conditional_edges("tool", lambda state: END if state["turn"] >= turns else "model")

path = os.path.join(directory, "checkpoints.sqlite")
connection = sqlite3.connect(path, check_same_thread=False)
saver = SqliteSaver(connection)
saver.setup()
if synchronous != "default":
    connection.execute(f"pragma synchronous = {synchronous}")
journal = connection.execute("pragma journal_mode").fetchone()[0]
level = connection.execute("pragma synchronous").fetchone()[0]
app = graph.compile(checkpointer=saver)


def session(number):
    config = {"configurable": {"thread_id": f"s{number}"}, "recursion_limit": 2 * turns + 10}
    first = {"turn": 0, "result": [] if kept == "messages" else ""}
    app.invoke(first, config, durability=durability)


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1])


before, began = cpu(), time.perf_counter()
with ThreadPoolExecutor(workers) as pool:
    list(pool.map(session, range(sessions)))
took, used = time.perf_counter() - began, cpu() - before
steps = sessions * turns * 2
rows = connection.execute("select count(*) from checkpoints").fetchone()[0]
print(
    f"langgraph: {sessions} sessions, {turns} turns each, {workers} at once, durability {durability}, state {kept}, "
    f"journal {journal}, synchronous {level}: {steps} steps in {took:.2f} s, {steps / took:.0f} steps/s, "
    f"{used / steps * 1e6:.0f} us CPU a step; {rows} checkpoints"
)
states = [app.get_state({"configurable": {"thread_id": f"s{n}"}}) for n in range(sessions)]
before = resident()
more = [app.get_state({"configurable": {"thread_id": f"s{n}"}}) for n in range(sessions)]
after = resident()
print(f"langgraph: {len(more)} idle states held, {(after - before) / sessions:.1f} KiB each; resident {after >> 10} MiB in all")
