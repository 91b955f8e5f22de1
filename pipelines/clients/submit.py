#!/usr/bin/env python3
"""Submits a run to Reelmill with nothing but an ordinary Redis client.

    submit.py PIPELINE [NAME=VALUE ...]          e.g. submit.py topic_to_video topic='How tides work' scenes=4

PIPELINE is the name of a registered pipeline (`demo`, `demo@3`) or a YAML file. Values are JSON where they read as
JSON, and text otherwise. REDIS_URL says where Redis is, REELMILL_ID names the request: the same id again is the same
run, so a producer that is not sure sends its envelope once more. The form of an envelope:
schemas/envelope.schema.json. Needs redis-py (`apt install python3-redis`).
"""
import json
import os
import sys
import uuid

import redis


def value(text):
    """The value of NAME=VALUE."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def envelope(pipeline, inputs):
    """What goes into the inbox."""
    made = {"version": 1, "id": os.environ.get("REELMILL_ID") or str(uuid.uuid4()), "inputs": inputs}
    if pipeline.endswith((".yaml", ".yml")):
        with open(pipeline, encoding="utf-8") as file:
            made["yaml"] = file.read()
    else:
        made["pipeline"] = pipeline
    return made


def main():
    if len(sys.argv) < 2 or any("=" not in word for word in sys.argv[2:]):
        sys.exit(__doc__)
    pairs = (word.split("=", 1) for word in sys.argv[2:])
    request = envelope(sys.argv[1], {name: value(text) for name, text in pairs})
    server = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
    server.xadd("rm:inbox", {"envelope": json.dumps(request)})
    print(request["id"])


if __name__ == "__main__":
    main()
