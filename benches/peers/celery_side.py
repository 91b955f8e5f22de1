"""Celery as a side of bench.py, which says what is asked of a side. One process: the pool `solo`, its fastest here."""
import json
import os
import sys
import threading
import time

from celery import Celery, chain, group, signals

URL = os.environ["REDIS_URL"]
app = Celery("bench", broker=URL, backend=URL)
app.conf.update(broker_connection_retry_on_startup=True, result_expires=300, worker_hijack_root_logger=False)
# Standard output is where a side speaks.
app.conf.worker_redirect_stdouts = False
done = {"jobs": 0, "dags": 0}


def now():
    return time.time() * 1000


def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


@app.task(ignore_result=True)
def noop(_number):
    pass


@app.task(ignore_result=True)
def stamp(at_ms):
    say({"event": "started", "wait_ms": now() - at_ms})


@app.task
def step(_before=None):
    return 1


@app.task(ignore_result=True)
def last(_before):
    pass


@signals.task_success.connect
def count(sender=None, **_):
    done["jobs"] += 1
    done["dags"] += sender.name == last.name


@signals.worker_ready.connect
def ready(**_):
    say({"event": "ready"})
    threading.Thread(target=tell, daemon=True).start()


def tell():
    told = -1
    while True:
        if done["jobs"] != told:
            told = done["jobs"]
            say({"event": "settled", **done, "at_ms": now()})
        time.sleep(0.02)


def worker():
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.worker_main(["worker", "-l", "ERROR", "-P", "solo", "-n", f"bench{os.getpid()}@%h", *quiet])


def enqueue(what, number, gap_ms):
    if what == "noop":
        # Celery has no call that publishes many: one producer, used again.
        with app.producer_pool.acquire(block=True) as producer:
            for index in range(number):
                noop.apply_async((index,), producer=producer)
    for _ in range(number if what == "dag" else 0):
        chain(step.s(), group(step.s() for _ in range(8)), last.s()).apply_async()
    for _ in range(number if what == "stamp" else 0):
        stamp.delay(now())
        time.sleep(gap_ms / 1000)
    say({"event": "enqueued", "n": number})


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        worker()
    else:
        enqueue(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
