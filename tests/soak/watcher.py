"""Looks at whole batches from outside, each in one atomic step: `python -m soak.watcher`.

A batch is always written by one upsert, so all its entries carry one generation; two of them are half a batch.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from pathlib import Path

import redis
from servers import raw_client

from .figures import HALF, WRONG, Figures
from .operations import UNREADABLE
from .plan import all_lanes, key_of
from .values import generation_of
from .worker import await_plan, memory, say

PAUSE = 0.005  # seconds between two looks; reading is not what this run is for


def generations(client: redis.Redis, keys: list[str]) -> set[int]:
    with client.pipeline(transaction=True) as pipe:
        pipe.mget(keys)
        (values,) = pipe.execute()
    return {generation_of(key, data and json.loads(data)) for key, data in zip(keys, values, strict=True)}


def watch(client: redis.Redis, until: float, figures: Figures, chance: random.Random) -> None:
    batches = [[key_of(namespace, id) for id in ids] for lane in all_lanes() for namespace, ids in lane.batches()]
    while time.time() < until:
        keys = chance.choice(batches)
        try:
            found = generations(client, keys)
        except UNREADABLE as error:
            figures.violations[WRONG] += 1
            say({"violation": WRONG, "text": repr(error)})
            continue
        figures.calls["looks at a batch"] += 1
        figures.checked += len(keys)
        if len(found) > 1:
            figures.violations[HALF] += 1
            say({"violation": HALF, "text": f"generations {sorted(found)} of the {len(keys)} keys like {keys[0]}"})
        time.sleep(PAUSE)


def main() -> None:
    plan = await_plan()
    figures, chance = Figures(), random.Random(plan.seed)
    while time.time() < plan.until:
        until = min(plan.until, time.time() + 1.0)
        client = raw_client(Path(plan.socket), socket_timeout=5.0)
        with contextlib.closing(client), contextlib.suppress(redis.RedisError, OSError):  # the server is down at times
            watch(client, until, figures, chance)
        say({"figures": figures.to_plain(), "memory": memory()})
        time.sleep(0.05)
    say({"end": "watcher"})


if __name__ == "__main__":
    main()
