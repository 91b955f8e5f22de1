#!/usr/bin/env python3
"""Queue throughput beside peers: each in turn, round after round, each on a Redis server of its own.

    bench.py [--side NAME=COMMAND ...] [--only reelmill,bullmq,celery] [--rounds 3] [--quick] [--durable]

Reelmill's side is benches/benches/side.rs. BullMQ and Celery are installed into target/bench-peers when they are not
there. `make bench-peers` runs it. Only ratios of one run count: the machine is whatever else it is doing, for all sides
alike.

A side is a command. This is all that is asked of it:

    COMMAND worker
        One worker process. Works until SIGTERM. Says on standard output, a JSON object a line, each line flushed:
        {"event": "ready"}                              once, when it is connected and waits for work; "worker": the
                                                        process that works, where it is not the one that says so
        {"event": "settled", "jobs": J, "dags": D, "at_ms": T}
                                                        at least every 50 ms while J grows: jobs and whole DAGs that
                                                        have ended for good since it began, at this time
        {"event": "started", "wait_ms": W}              when a `stamp` job starts: milliseconds since it was enqueued
    COMMAND enqueue WHAT N GAP_MS
        Puts N of WHAT into the queue, ends with 0 when they are durable, as far as the side goes, and says
        {"event": "enqueued", "n": N} before that. WHAT is
        noop    a job that does nothing; as many at once as the side can
        dag     1 -> 8 -> 1 jobs that do nothing, each after all those before it; 10 jobs
        stamp   a job that knows when it was enqueued; one call each, GAP_MS apart
                (GAP_MS is 0 for the others)

What a job is: what a user of the side would submit. For an engine of runs it is a run with one stage that does
nothing, and a DAG is a run with ten.

Both see REDIS_URL (redis://127.0.0.1:PORT/0, empty at the start of each measurement), BENCH_HOME (target/bench-peers)
and CONCURRENCY (how many jobs the worker may hold at once). Standard error goes to target/bench-peers/NAME.log.

What is measured, each the median over the rounds:
    jobs/s          between 10 % and 90 % of the no-op jobs, queued before the worker starts
    redis us/job    CPU time of the server over the same span
    bytes/job       memory of the server that the queued no-op jobs take
    dags/s          from the first job that ended to the last, of DAGs queued before the worker starts
    p50, p99 ms     from the call that enqueues to the first line of the job, at an idle worker
    idle MiB        resident memory of the worker and everything below it, after that
"""
import argparse
import json
import os
import queue
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HOME = os.path.join(HERE, "..", "..", "target", "bench-peers")
HOME = os.environ.get("BENCH_HOME", os.path.normpath(HOME))
NODE_PACKAGES = ["bullmq@6.7.0", "ioredis@6.0.0"]
PYTHON_PACKAGES = ["celery[redis]==5.7.0"]
CONCURRENCY = 100
# All rounds must have begun by then: with what the last one takes, a whole run stays under four minutes.
BEGIN_SECONDS_MAX = 150
# Nothing that is waited for takes longer.
PATIENCE_SECONDS = 60
GAP_MS = 5


class Redis:
    """A server on a free port of the loopback, and just enough of a client."""

    def __init__(self, durable):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = os.path.join(HOME, f"redis-{self.port}")
        os.makedirs(self.folder)
        keep = ["--appendonly", "yes", "--appendfsync", "everysec"] if durable else ["--appendonly", "no"]
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.folder]
        command = ["redis-server", *where, "--save", "", *keep]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            if "Ready to accept connections" in line:
                break
        else:
            sys.exit("redis-server did not start")
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        self.replies = self.socket.makefile("rb")

    def ask(self, *words):
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        head = self.replies.readline()
        if head[:1] != b"$":
            return head[1:].strip()
        return self.replies.read(int(head[1:]) + 2)[:-2]

    def info(self, section):
        lines = self.ask(b"INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def cpu_us(self):
        cpu = self.info(b"cpu")
        return (float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])) * 1e6

    def memory(self):
        return int(self.info(b"memory")["used_memory"])

    def clear(self):
        self.ask(b"FLUSHALL", b"SYNC")

    def close(self):
        self.socket.close()
        end(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)


def end(process):
    """Ends a process that was started here."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Side:
    """One queue, driven through its command."""

    def __init__(self, name, command, server):
        self.name, self.command, self.server = name, command, server
        self.environment = dict(os.environ, REDIS_URL=server.url, BENCH_HOME=HOME, CONCURRENCY=str(CONCURRENCY))
        self.log = open(os.path.join(HOME, f"{name}.log"), "a", encoding="utf-8")

    def start(self, *words, **how):
        command = [*self.command, *map(str, words)]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=self.log, text=True, **how)

    def enqueue(self, what, number, gap_ms=0):
        producer = self.start("enqueue", what, number, gap_ms)
        try:
            lines, _ = producer.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            end(producer)
            raise Failed(f"{self.name}: enqueue {what} took too long") from None
        said = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
        if producer.returncode != 0 or {"event": "enqueued", "n": number} not in said:
            raise Failed(f"{self.name}: enqueue {what} failed ({producer.returncode}), see {self.log.name}")


class Failed(Exception):
    """A side did not do what was asked."""


class Worker:
    """A running worker and what it says."""

    def __init__(self, side):
        self.side, self.lines = side, queue.Queue()
        self.process = side.start("worker")
        threading.Thread(target=self.listen, daemon=True).start()
        try:
            self.worker = self.wait("ready").get("worker", self.process.pid)
        except BaseException:
            end(self.process)
            raise

    def listen(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.lines.put(json.loads(line))
        self.lines.put({"event": "ended"})

    def next(self):
        try:
            line = self.lines.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            raise Failed(f"{self.side.name}: the worker says nothing") from None
        if line["event"] == "ended":
            raise Failed(f"{self.side.name}: the worker ended, see {self.side.log.name}")
        return line

    def wait(self, event):
        while (line := self.next())["event"] != event:
            pass
        return line

    def rss_mib(self):
        return sum(map(resident_kib, tree(self.worker))) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)


def tree(root):
    """A process and everything below it."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                parents[int(name)] = int(stat.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    found = {root}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def resident_kib(process):
    try:
        with open(f"/proc/{process}/status", encoding="utf-8", errors="replace") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmRSS:")), 0)
    except OSError:
        return 0


def span(worker, field, number, server):
    """From 10 % to 90 %: per second, and CPU of the server in microseconds for each."""
    low = high = None
    while high is None:
        line = worker.wait("settled")
        at = (line[field], line["at_ms"], server.cpu_us())
        if low is None and line[field] >= number * 0.1:
            low = at
        elif low is not None and line[field] >= number * 0.9:
            high = at
    count = high[0] - low[0]
    return count / (high[1] - low[1]) * 1000, (high[2] - low[2]) / count


def measure_noop(side, sizes):
    server = side.server
    server.clear()
    before = server.memory()
    side.enqueue("noop", sizes["noop"])
    queued = server.memory() - before
    with Worker(side) as worker:
        rate, cpu_us = span(worker, "jobs", sizes["noop"], server)
    return {"jobs/s": rate, "redis us/job": cpu_us, "bytes/job": queued / sizes["noop"]}


def measure_dag(side, sizes):
    side.server.clear()
    side.enqueue("dag", sizes["dag"])
    with Worker(side) as worker:
        # Queues work breadth first, so that all DAGs end at the end: a span within would be of the last jobs only.
        first = last = worker.wait("settled")
        while last["dags"] < sizes["dag"]:
            last = worker.wait("settled")
    return {"dags/s": sizes["dag"] / (last["at_ms"] - first["at_ms"]) * 1000}


def measure_idle(side, sizes):
    side.server.clear()
    with Worker(side) as worker:
        # The first few find out what is not loaded yet.
        waits = []
        for number in (20, sizes["stamp"]):
            side.enqueue("stamp", number, GAP_MS)
            waits = sorted(worker.wait("started")["wait_ms"] for _ in range(number))
        return {
            "p50 ms": waits[len(waits) // 2],
            "p99 ms": waits[int(len(waits) * 0.99)],
            "idle MiB": worker.rss_mib(),
        }


def measure_step(side, sizes):
    """Tasks a second of Reelmill's store in a bare loop, with no worker around it."""
    side.server.clear()
    side.enqueue("noop", sizes["noop"])
    looped = side.start("step", sizes["noop"])
    said = json.loads(looped.communicate(timeout=PATIENCE_SECONDS)[0])
    return said["tasks"] / said["seconds"]


def install():
    """BullMQ and Celery, into target/bench-peers, where they are not there yet."""
    node = os.path.join(HOME, "node")
    if not os.path.isdir(os.path.join(node, "node_modules", "bullmq")):
        need("npm", "nodejs with npm")
        os.makedirs(node, exist_ok=True)
        run("npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", node, *NODE_PACKAGES)
    venv = os.path.join(HOME, "venv")
    if not os.path.exists(os.path.join(venv, "bin", "celery")):
        run(sys.executable, "-m", "venv", venv)
        run(os.path.join(venv, "bin", "pip"), "install", "--quiet", *PYTHON_PACKAGES)


def need(program, what):
    if not shutil.which(program):
        sys.exit(f"bench-peers: `{program}` is missing; install {what}")


def run(*command):
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(f"bench-peers: failed: {' '.join(command)}")


def reelmill():
    """The program of Reelmill's own side, built if need be."""
    build = ["cargo", "build", "--release", "--workspace", "--locked", "--bench", "side", "--message-format=json"]
    built = subprocess.run(build, stdout=subprocess.PIPE, text=True, check=False, cwd=HERE)
    if built.returncode != 0:
        sys.exit(f"bench-peers: failed: {' '.join(build)}")
    said = (json.loads(line) for line in built.stdout.splitlines() if line.startswith("{"))
    return next(one["executable"] for one in said if one.get("executable") and one["target"]["name"] == "side")


def commands(arguments):
    """The sides, by name."""
    sides = {
        "reelmill": [reelmill()],
        "bullmq": ["node", os.path.join(HERE, "bullmq.mjs")],
        "celery": [os.path.join(HOME, "venv", "bin", "python"), os.path.join(HERE, "celery_side.py")],
    }
    for side in arguments.side:
        name, _, command = side.partition("=")
        sides = {name: command.split(), **sides}
    only = arguments.only.split(",") if arguments.only else list(sides)
    return {name: sides[name] for name in only}


def rounds(sides, arguments, sizes):
    """The figures of every side, a list over the rounds for each; sides take turns within a round."""
    figures = {side.name: {} for side in sides}
    began = time.monotonic()
    for number in range(arguments.rounds):
        if time.monotonic() - began > BEGIN_SECONDS_MAX:
            print(f"time is up: {number} of {arguments.rounds} rounds", file=sys.stderr)
            break
        for measure in (measure_noop, measure_dag, measure_idle):
            for side in sides:
                for name, figure in measure(side, sizes).items():
                    figures[side.name].setdefault(name, []).append(figure)
        print(f"round {number + 1} of {arguments.rounds}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return figures


def table(figures):
    """Medians, and how the first side stands to each of the others."""
    medians = {side: {name: statistics.median(all) for name, all in of.items()} for side, of in figures.items()}
    names = list(next(iter(medians.values())))
    line = lambda head, cells: print(f"{head:<20}" + "".join(f"{cell:>14}" for cell in cells))
    line("", names)
    for side, of in medians.items():
        line(side, [f"{of[name]:,.2f}" if of[name] < 100 else f"{of[name]:,.0f}" for name in names])
    first, *others = medians
    for other in others:
        ratios = [medians[first][name] / medians[other][name] for name in names]
        line(f"{first} / {other}", [f"x {ratio:.2f}" for ratio in ratios])
    return medians


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--only", metavar="NAME,NAME")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one small round: does every side do what is asked?")
    parser.add_argument("--durable", action="store_true", help="with an append-only file, synced every second")
    arguments = parser.parse_args()
    sizes = {"noop": 20_000, "dag": 1_000, "stamp": 200}
    if arguments.quick:
        arguments.rounds, sizes = 1, {"noop": 2_000, "dag": 200, "stamp": 50}
    os.makedirs(HOME, exist_ok=True)
    need("redis-server", "redis-server")
    chosen = commands(arguments)
    if {"bullmq", "celery"} & set(chosen):
        install()
    # Each has a server of its own: what one leaves in a server, its scripts among it, is no other's.
    servers = [Redis(arguments.durable) for _ in chosen]
    try:
        sides = [Side(*side, server) for side, server in zip(chosen.items(), servers)]
        figures = rounds(sides, arguments, sizes)
        own = next((side for side in sides if side.name == "reelmill"), None)
        bare = own and measure_step(own, sizes)
    except Failed as failure:
        sys.exit(f"bench-peers: {failure}")
    finally:
        for server in servers:
            server.close()
    print(f"{sizes['noop']} no-op jobs, {sizes['dag']} DAGs 1 -> 8 -> 1, {sizes['stamp']} samples of latency; "
          f"concurrency {CONCURRENCY}; {'AOF everysec' if arguments.durable else 'no persistence'}")
    medians = table(figures)
    if bare:
        share = medians["reelmill"]["jobs/s"] / bare
        print(f"reelmill's store in a bare loop: {bare:,.0f} jobs/s; its worker does {share:.0%} of that")
    with open(os.path.join(HOME, "results.json"), "w", encoding="utf-8") as results:
        json.dump({"sizes": sizes, "rounds": figures, "medians": medians}, results, indent=1)


if __name__ == "__main__":
    main()
