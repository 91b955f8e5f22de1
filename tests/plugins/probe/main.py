"""Stages made for tests: each does one thing that a test wants to see, and says when it did it."""

import hashlib
import json
import os
import select
import sys
import time


class Failed(Exception):
    """Ends the attempt with a failure of the given class."""

    def __init__(self, failure_class, message, code=""):
        super().__init__(message)
        self.answer = {"type": "fail", "class": failure_class, "message": message, "code": code}


def send(message):
    data = (json.dumps(message) + "\n").encode()
    while data:
        data = data[os.write(0, data):]


def echo(given, call):
    """Puts its `with` out."""
    return given


def say(given, call):
    """Writes its text into the log."""
    send({"type": "log", "text": given["text"]})
    return {"text": given["text"]}


def gate(given, call):
    """Stands at a named pipe until the test opens it, and says from when to when."""
    begun = time.monotonic_ns()
    with open(given["gate"], "rb") as pipe:
        pipe.read()
    return {"from": begun, "to": time.monotonic_ns(), "value": given.get("value")}


def hold(given, call):
    """Stands at a gate with so much memory in its hands."""
    held = b"x" * (given["mib"] << 20)
    return {"held": len(held), **gate(given, call)}


def moment(given, call):
    """Says when it ran."""
    return {"name": given["name"], "at": time.monotonic_ns()}


def fail(given, call):
    """Fails, or fails until a certain attempt."""
    if call["attempt"] < given.get("until", 1 << 30):
        raise Failed(given["class"], given.get("message", "asked to fail"), given.get("code", ""))
    return {"attempt": call["attempt"]}


def file(given, call):
    """Puts a file out whose content follows from `with` alone."""
    with open(os.path.join(call["scratch"], given["name"]), "w") as out:
        out.write(given["text"] * given.get("times", 1))
    return {"file": {"$file": given["name"], "media_type": "text/plain"}, "length": len(given["text"])}


def join(given, call):
    """Puts its files out as one."""
    with open(os.path.join(call["scratch"], given["name"]), "wb") as out:
        for one in given["files"]:
            with open(one["path"], "rb") as part:
                out.write(part.read())
    return {"file": {"$file": given["name"], "media_type": "text/plain"}}


def read(given, call):
    """Puts the text of an artifact out."""
    with open(given["file"]["path"]) as source:
        return {"text": source.read()}


def stay(given, call):
    """Works until it is asked to stop; says how far it is, or is silent."""
    send({"type": "log", "text": "here to stay"})
    done = 0
    while True:
        if select.select([0], [], [], 0.01)[0]:
            if not given.get("deaf"):
                raise Failed("cancelled", "stopped because it was asked to")
            # A deaf stage reads what it is sent and goes on, so that the socket does not wake it again.
            if not os.read(0, 65536):
                sys.exit(0)
        if given.get("talks"):
            done += 1
            send({"type": "progress", "done": done, "total": 1000, "unit": "rounds"})


def big(given, call):
    """Puts out as many bytes as asked for."""
    return {"text": "x" * given["bytes"]}


def count(given, call):
    """Puts out a list of so many numbers."""
    return {"items": list(range(given["to"]))}


def leak(given, call):
    """Says a secret wherever it can."""
    token = given["token"]
    send({"type": "log", "text": "the token is " + token})
    send({"type": "progress", "done": 1, "message": "using " + token})
    print("printed", token, flush=True)
    print("complained", token, file=sys.stderr, flush=True)
    if given.get("fails"):
        raise Failed("permanent", "refused " + token, token)
    sha256 = hashlib.sha256(token.encode()).hexdigest()
    return {"sha256": sha256, "echo": token, "keys": {token: ["in " + token]}}


STAGES = [echo, say, gate, hold, moment, fail, file, join, read, stay, big, count, leak]


def main():
    stages = {stage.__name__: stage for stage in STAGES}
    buffered = b""
    while True:
        while b"\n" not in buffered:
            received = os.read(0, 65536)
            if not received:
                return
            buffered += received
        line, buffered = buffered.split(b"\n", 1)
        message = json.loads(line)
        if message["type"] != "run":
            continue
        try:
            send({"type": "reply", "outputs": stages[message["stage"]](message["with"], message["call"])})
        except Failed as failed:
            send(failed.answer)


main()
