"""1,000 idle clients: a pool needs a thread for each of them, a loop one for all."""

import resource
from functools import partial

from calcbench.bench.classroom.demo.lanes import Lane
from calcbench.bench.classroom.demo.scenario import (
    Bar,
    Figures,
    Finding,
    Picture,
    Place,
    Scenario,
)
from calcbench.bench.classroom.demo.stage import Stage
from calcbench.bench.system.procfs import TELLS_PROCESSES
from calcbench.bench.system.sampler import Sampler, take_samples
from calcbench.bench.units import format_count, format_number
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.launcher import Server

POOL, LOOP = "threadpool", "selectors"
CLIENTS, LEAST_CLIENTS = 1_000, 50
STEPS, STEP_S = 20, 0.2  # in which they come, so that a room sees it
FILES_BESIDE = 200  # descriptors that a process needs beside those of its connections
ANSWER_S = 5.0  # after which a client is one that nobody serves
RATIO = 10  # times as many threads, at least
RATIO_MEMORY = 3  # times as much memory for each client, at least, where it can be told

SCENARIO = Scenario(
    number=6,
    name="idle-clients",
    title="1,000 idle clients: threads and memory against one loop",
    happens=(
        "1,000 clients come, ask once, and stay without a word, as browsers do. A pool is made"
        " large enough to serve all of them; beside it is one event loop."
    ),
    question="How many threads hold the 1,000 idle clients on each side?",
    bets=("8 and 1", "1,000 and 1", "1,000 and 1,000", "1,000 and 8"),
    answer=1,
    because="A thread waits for one client at a time; a loop has the kernel watch all of them.",
    claim=(
        "a pool holds at least ten times as many threads for idle clients as an event loop, and"
        " at least three times as much memory for each client, where the system tells it."
    ),
    why=(
        Place("strategies/threadpool.py", "serve", "one thread for each who stays"),
        Place("core/serving/blocking.py", "wait", "waits for one client"),
        Place("strategies/selectors.py", "Loop.serve_clients", "has the kernel watch a client"),
    ),
    seconds=STEPS * STEP_S,
    strategy=POOL,
)


def run(stage: Stage) -> Figures:
    """Let clients come to both servers in steps, and count threads and memory."""
    count = allowed_clients()
    pool, label, count = launch_pool(stage, count)
    servers = [pool, stage.launch(LOOP)]
    labels = [stage.name, LOOP]
    before = [memory_of(empty_server(stage, label)), memory_of(servers[1])]
    lanes = [
        Lane(name, partial(threads_of, server), show=in_threads)
        for name, server in zip(labels, servers, strict=True)
    ]
    came, served = 0, [0, 0]
    with stage.lanes(*lanes, seconds=SCENARIO.seconds):
        for step in range(STEPS):
            more = count * (step + 1) // STEPS - count * step // STEPS
            for place, server in enumerate(servers):
                if served[place] == came:  # nobody comes where somebody waits in vain
                    served[place] += come(stage, server, more)
            came += more
            stage.wait(STEP_S)
    return {
        "clients": count,
        "wanted": CLIENTS,
        "servers": [
            {
                "label": name,
                "served": answered,
                "threads": threads_of(server),
                "memory_before": bytes_before,
                "memory": memory_of(server),
            }
            for name, server, answered, bytes_before in zip(
                labels, servers, served, before, strict=True
            )
        ],
    }


def allowed_clients() -> int:
    """Return how many clients may come, when this process may open as many files as it can get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * CLIENTS + FILES_BESIDE  # their ends of the connections to two servers
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))  # for servers that we start, too
        return max((most - FILES_BESIDE) // 2, LEAST_CLIENTS)
    return CLIENTS


def launch_pool(stage: Stage, count: int) -> tuple[Server, str, int]:
    """Return a pool for *count* clients, its label, and how many the machine has threads for."""
    if stage.strategy != POOL:
        return stage.launch(stage.strategy), stage.strategy, count
    while True:
        label = f"{POOL}:workers={count}"
        try:
            return stage.launch(label), label, count
        except CalcbenchError:
            if count <= LEAST_CLIENTS:
                raise
            count //= 2  # as many threads are more than the system allows


def empty_server(stage: Stage, label: str) -> Server:
    """Return a server like that with *label* before it has anything for clients."""
    return stage.launch(f"{POOL}:workers=1" if stage.strategy == POOL else label)


def come(stage: Stage, server: Server, count: int) -> int:
    """Let *count* clients come, ask once, and stay; return how many of them were answered.

    Those behind one who is not answered are not waited for.
    """
    clients = stage.connect(server, count)
    for client in clients:
        client.ask(close=False)
    for answered, client in enumerate(clients):
        if not client.is_answered(ANSWER_S):
            return answered
    return count


def threads_of(server: Server) -> int:
    """Return how many threads of *server*, in whatever process, have answered anybody."""
    return len(server.watch.workers()) if server.watch else 0


def in_threads(count: float) -> str:
    """Return a number of threads as it reads."""
    return format_count(int(count), "thread")


def memory_of(server: Server) -> int:
    """Return the most bytes that *server* has held so far, 0 where the system does not tell.

    What it shares with other programs counts in full, and so is the same before and after.
    """
    if not TELLS_PROCESSES:
        return 0
    sampler = Sampler(server.pid, server.listener)
    take_samples([sampler])
    return sampler.samples[-1].levels.peak_bytes


def bytes_each(one: Figures) -> float | None:
    """Return how much memory a client takes of the server *one*, None where nobody knows."""
    if not one["memory"] or not one["memory_before"]:
        return None
    grown: int = one["memory"] - one["memory_before"]
    return grown / max(int(one["served"]), 1)


def conclude(figures: Figures) -> Finding:
    """Compare threads, and memory where it is known, of servers that hold all the clients."""
    pool, loop = figures["servers"]
    count = figures["clients"]
    each = [bytes_each(one) for one in (pool, loop)]
    held = pool["threads"] >= RATIO * loop["threads"] > 0
    held = held and pool["served"] == loop["served"] == count
    memory = ""
    if each[0] is not None and each[1] is not None:
        held = held and each[0] >= RATIO_MEMORY * each[1]
        memory = f", and {size_text(each[0])} and {size_text(each[1])} of memory for each"
    few = count < figures["wanted"]
    fewer = ", fewer than 1,000 because of this machine's limits" if few else ""
    sentence = (
        f"{format_number(count)} idle clients{fewer}: {pool['label']} held"
        f" {in_threads(pool['threads'])} for them, {LOOP}"
        f" {format_number(loop['threads'])}{memory}."
    )
    bars = tuple(
        Bar(one["label"], one["threads"], in_threads(one["threads"]), note(one, count, size))
        for one, size in zip((pool, loop), each, strict=True)
    )
    title = f"{format_number(count)} idle clients: {in_threads(pool['threads'])} or one loop"
    return Finding(held, sentence, Picture(title, "threads", bars))


def note(one: Figures, count: int, size: float | None) -> str:
    """Return what stands beside the threads of *one*: who was served, else the *size* of each."""
    if one["served"] < count:
        return f"{one['served']:,} of {count:,} served"
    return "" if size is None else f"{size_text(size)} a client"


def size_text(size: float) -> str:
    """Return *size* in bytes as people read it."""
    return f"{size:.0f} bytes" if size < 1024 else f"{format_number(size / 1024)} KiB"
