"""Stages of a program that misbehave, one way each, and some that do not."""

import ctypes
import json
import os
import select
import socket
import subprocess
import sys
import time

served = 0


def say(kind, **fields):
    os.write(0, (json.dumps({"type": kind, **fields}) + "\n").encode())


def result(work):
    try:
        work()
        return "ok"
    except OSError as error:
        return type(error).__name__


def run(stage, with_, call):
    global served
    served += 1
    if stage == "echo":
        print("printed")
        say("log", severity="warn", text="said")
        say("progress", done=1, total=2)
        with open(os.path.join(call["scratch"], "file.txt"), "w") as file:
            file.write("x")
        return {"with": with_, "seed": call["seed"]}
    if stage == "pooled":
        return {"calls": served, "pid": os.getpid()}
    if stage == "until_cancelled":
        say("log", text="waiting")
        select.select([0], [], [])
        say("fail", **{"class": "cancelled", "message": "stopped as asked"})
        return None
    if stage == "hang":
        say("log", text=f"hanging as {os.getpid()}")
        while True:
            time.sleep(1000)
    if stage == "garbage":
        os.write(0, b"Hello, World\n")
        time.sleep(1000)
    if stage == "exit":
        print("leaving", file=sys.stderr)
        sys.exit(5)
    if stage == "segfault":
        ctypes.string_at(8)
    if stage == "oom":
        held = []
        while True:
            held.append(bytearray(1 << 20))
    if stage == "claim":
        say("fail", **{"class": "worker_lost", "message": "not my fault"})
        return None
    if stage == "reach":
        return {
            "etc_passwd": result(lambda: open("/etc/passwd")),
            "exec": result(lambda: subprocess.run(["/bin/true"])),
            "tcp": result(lambda: socket.socket(socket.AF_INET)),
            "own_folder": result(lambda: open("main.py")),
            "write_own_folder": result(lambda: open("new.txt", "w")),
        }
    if stage == "leave_process":
        child = subprocess.Popen(["sleep", "3600"])
        return {"pid": child.pid}
    raise ValueError(stage)


for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "run":
        outputs = run(message["stage"], message["with"], message["call"])
        if outputs is not None:
            say("reply", outputs=outputs)
