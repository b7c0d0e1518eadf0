"""The calls of one lane, chosen at random; each answer is held against the model.

A lane writes only its own keys, one write per key at a time, and reads those of all lanes of its loop. Of the keys of
other loops and processes it can only tell whether a value belongs where it was found.
"""

from __future__ import annotations

import asyncio
import copy
import pickle
import random
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis

from nano_graphrag_redis.errors import ProtocolError

from .figures import ERROR, LATE, WRONG
from .model import Look
from .plan import CALM, CALM_BATCHES, FADING, FADING_BATCHES, SLACK, Lane, all_lanes, key_of
from .values import ABSENT, WrongValueError, generation_of, generation_of_part, make, random_size

if TYPE_CHECKING:
    from .worker import Loop

OUTAGE = (ConnectionError, TimeoutError, asyncio.TimeoutError, redis.ConnectionError, redis.TimeoutError)
UNREADABLE = (WrongValueError, LookupError, TypeError, ValueError)
CANCELLED, TOO_LATE, FAILED = "cancelled", "timed out by wait_for", "failed"
MILLISECOND = 0.001


@dataclass
class Outcome:
    value: Any = None
    failure: str = ""  # why there is no answer

    @property
    def is_answered(self) -> bool:
        return not self.failure


class Actor:
    """One lane at work."""

    def __init__(self, lane: Lane, loop: Loop, chance: random.Random) -> None:
        self._lane, self._loop, self._chance = lane, loop, chance
        self._writes_old = loop.style.is_mixed and lane.number % 2 == 0
        self._everybody = all_lanes()

    async def work(self, until: float) -> None:
        names, weights = list(OPERATIONS), [weight for _, weight in OPERATIONS.values()]
        while time.time() < until:
            name = self._chance.choices(names, weights)[0]
            operation, _ = OPERATIONS[name]
            try:
                await operation(self)
            except Exception:
                self._loop.violation(ERROR, f"in {name}: {traceback.format_exc()}")

    # --- making calls -------------------------------------------------------------------------------------

    async def _ask(self, method: str, call: Awaitable[Any], is_old: bool = False) -> Outcome:
        """Awaits a call, or gives it up at some moment; notes how long it took."""
        figures, lag = self._loop.figures, self._loop.lag
        figures.calls[f"{method} (older class)" if is_old else method] += 1
        started = time.monotonic()
        outcome = await self._outcome(asyncio.ensure_future(call), may_give_up=not is_old)
        took = time.monotonic() - started
        figures.outcomes[outcome.failure or "answered"] += 1
        if not is_old:
            lagged = self._loop.lag - lag
            figures.waited(method, took, (took - lagged) / self._loop.bound)
            if took > self._loop.bound + SLACK + lagged:
                text = f"{method} took {took:.2f} s of {self._loop.bound:.2f} s, while the loop lagged {lagged:.2f} s"
                self._loop.violation(LATE, text)
        return outcome

    async def _outcome(self, task: asyncio.Future[Any], may_give_up: bool) -> Outcome:
        patience = self._chance.expovariate(1 / (self._chance.choice((1, 10, 300)) * MILLISECOND))
        mood = self._chance.random() if may_give_up else 1.0
        try:
            if mood < 0.08:
                asyncio.get_running_loop().call_later(patience, task.cancel)
            elif mood < 0.14:
                return Outcome(await asyncio.wait_for(task, patience))
            return Outcome(await task)
        except asyncio.CancelledError:
            return Outcome(failure=CANCELLED)
        except OUTAGE as error:
            if isinstance(error, ProtocolError):
                self._loop.violation(ERROR, repr(error))
            return Outcome(failure=FAILED if str(error) else TOO_LATE)
        except Exception as error:
            self._loop.violation(ERROR, "".join(traceback.format_exception(error)))
            return Outcome(failure=FAILED)

    def _reader(self, namespace: str) -> tuple[Any, bool]:
        """What reads, and whether it is the older class."""
        is_old = self._loop.style.is_mixed and self._chance.random() < 0.5
        return (self._loop.old(namespace) if is_old else self._loop.ours(namespace)), is_old

    def _writer(self, namespace: str) -> Any:
        return self._loop.old(namespace) if self._writes_old else self._loop.ours(namespace)

    # --- judging ------------------------------------------------------------------------------------------

    def _judge(
        self, keys: Sequence[str], values: Sequence[Any], look: Look, read: Callable[[str, Any], int] = generation_of
    ) -> None:
        """Each value may be what one of the writes before or during the look has left."""
        if len(keys) != len(values):
            self._loop.violation(WRONG, f"{len(values)} answers to {len(keys)} questions")
        for position, (key, value, allowed) in enumerate(zip(keys, values, look.allowed, strict=False)):
            self._loop.figures.checked += 1
            try:
                generation = read(key, value)
            except UNREADABLE as error:
                self._loop.violation(WRONG, f"{error!r}; {self._loop.model.story(key)}")
                continue
            if why := look.why_late(position, generation):
                self._loop.figures.late[why] += 1
            if generation not in allowed:
                text = f"read generation {generation}, not one of {sorted(allowed)}; {self._loop.model.story(key)}"
                self._loop.violation(WRONG, text)

    def _some(self, ids: list[str]) -> list[str]:
        return self._chance.sample(ids, self._chance.randint(1, len(ids)))

    def _anybody(self) -> Lane:
        return self._chance.choice(self._loop.lanes)

    def _somewhere(self, lane: Lane) -> tuple[str, list[str]]:
        """A namespace and ids of a lane: some of its single entries, or a whole batch."""
        if self._chance.random() < 0.25:
            return self._chance.choice(lane.batches())
        return self._chance.choice(lane.namespaces), self._some(lane.singles())

    # --- reading ------------------------------------------------------------------------------------------

    async def get_by_id(self) -> None:
        lane = self._anybody()
        await self._get_one(self._chance.choice(lane.namespaces), self._chance.choice(lane.singles()))

    async def _get_one(self, namespace: str, id: str) -> None:
        kv, is_old = self._reader(namespace)
        keys = [key_of(namespace, id)]
        look = self._loop.model.look(keys)
        outcome = await self._ask("get_by_id", kv.get_by_id(id), is_old)
        look.end()
        if outcome.is_answered:
            self._judge(keys, [outcome.value], look)

    async def burst(self) -> None:
        """Many single reads at once."""
        lane = self._anybody()
        namespace = self._chance.choice(lane.namespaces)
        ids = self._chance.choices(lane.singles(), k=self._chance.randint(10, 100))
        await asyncio.gather(*[self._get_one(namespace, id) for id in ids])

    async def get_by_ids(self) -> None:
        namespace, ids = self._somewhere(self._anybody())
        await self._get_many(namespace, ids)

    async def _get_many(self, namespace: str, ids: list[str]) -> None:
        kv, is_old = self._reader(namespace)
        ids = ids + self._chance.choices(ids, k=2)  # duplicates are kept
        keys = [key_of(namespace, id) for id in ids]
        look = self._loop.model.look(keys)
        outcome = await self._ask("get_by_ids", kv.get_by_ids(ids), is_old)
        look.end()
        if outcome.is_answered:
            self._judge(keys, outcome.value, look)

    async def get_fields(self) -> None:
        lane = self._anybody()
        namespace, ids = self._chance.choice(lane.namespaces), self._some(lane.documents())
        fields = {"key", "gen", "absent"} | self._chance.choice((set(), {"sum"}, {"text", "more"}))
        kv, is_old = self._reader(namespace)
        keys = [key_of(namespace, id) for id in ids]
        look = self._loop.model.look(keys)
        outcome = await self._ask("get_by_ids, fields", kv.get_by_ids(ids, fields), is_old)
        look.end()
        if not outcome.is_answered:
            return
        self._judge(keys, outcome.value, look, generation_of_part)
        surplus = {name for value in outcome.value if value for name in value} - fields
        if surplus:
            self._loop.violation(WRONG, f"fields that nobody asked for: {surplus}")

    async def get_of_others(self) -> None:
        namespace, ids = self._somewhere(self._chance.choice(self._everybody))
        outcome = await self._ask("get_by_ids, another's", self._loop.ours(namespace).get_by_ids(ids))
        for id, value in zip(ids, outcome.value or [], strict=False):
            self._loop.figures.checked += 1
            try:
                generation_of(key_of(namespace, id), value)
            except UNREADABLE as error:
                self._loop.violation(WRONG, repr(error))

    async def filter_keys(self) -> None:
        namespace, ids = self._somewhere(self._anybody())
        kv, is_old = self._reader(namespace)
        look = self._loop.model.look(key_of(namespace, id) for id in ids)
        outcome = await self._ask("filter_keys", kv.filter_keys(ids), is_old)
        look.end()
        if outcome.is_answered:
            self._judge_presence(namespace, ids, look, {id: id not in outcome.value for id in ids})

    async def all_keys(self) -> None:
        namespace = self._chance.choice((self._lane.own_namespace, CALM, FADING))
        owners = [self._lane] if namespace == self._lane.own_namespace else self._loop.lanes
        ids = [id for lane in owners for id in lane.singles()]
        kv, is_old = self._reader(namespace)
        look = self._loop.model.look(key_of(namespace, id) for id in ids)
        outcome = await self._ask("all_keys", kv.all_keys(), is_old)
        look.end()
        if outcome.is_answered:
            found = set(outcome.value)
            self._judge_presence(namespace, ids, look, {id: id in found for id in ids})
            if len(found) != len(outcome.value):
                self._loop.violation(WRONG, f"all_keys of {namespace} names an id twice")

    def _judge_presence(self, namespace: str, ids: list[str], look: Look, is_there: dict[str, bool]) -> None:
        for id, allowed in zip(ids, look.allowed, strict=True):
            self._loop.figures.checked += 1
            if (is_there[id] and allowed == {ABSENT}) or (not is_there[id] and ABSENT not in allowed):
                state = "is there" if is_there[id] else "is absent"
                self._loop.violation(WRONG, f"{state}: {self._loop.model.story(key_of(namespace, id))}")

    # --- writing ------------------------------------------------------------------------------------------

    async def upsert(self) -> None:
        await self._put_some(self._chance.randint(1, 4))

    async def upsert_many(self) -> None:
        await self._put_some(self._chance.randint(5, 32))

    async def _put_some(self, count: int) -> None:
        namespace = self._chance.choice(self._lane.namespaces)
        ids = self._chance.sample(self._lane.singles(), count)
        await self._put(namespace, {id: 10 if "tiny" in id else random_size(self._chance) for id in ids})

    async def upsert_batch(self) -> None:
        namespace, ids = self._chance.choice(self._lane.batches())
        longest = max(200, 2_500_000 // len(ids))
        await self._put(namespace, {id: random_size(self._chance, longest) for id in ids})

    async def _put(self, namespace: str, sizes: dict[str, int]) -> None:
        model, kv = self._loop.model, self._writer(namespace)
        generation = model.next_generation()
        batch = {id: make(key_of(namespace, id), generation, size) for id, size in sizes.items()}
        write = model.write((key_of(namespace, id) for id in batch), generation, f"upsert of {len(batch)}")
        retries = await self._loop.retries()
        outcome = await self._ask("upsert", kv.upsert(batch), self._writes_old)
        if outcome.is_answered:
            write.acknowledged(retries != await self._loop.retries())
        else:
            write.undecided(outcome.failure)

    async def write_and_read(self) -> None:
        """A batch is read while it is written."""
        namespace, ids = self._chance.choice(self._lane.batches())
        longest = max(200, 1_000_000 // len(ids))
        sizes = {id: random_size(self._chance, longest) for id in ids}
        reads = [self._get_many(namespace, ids) for _ in range(2)]
        await asyncio.gather(self._put(namespace, sizes), *reads)

    async def delete_by_id(self) -> None:
        namespace, id = self._chance.choice(self._lane.namespaces), self._chance.choice(self._lane.singles())
        key = key_of(namespace, id)
        before = set(self._loop.model.cells[key].allowed)
        write = self._loop.model.write([key], ABSENT, "delete_by_id")
        outcome = await self._ask("delete_by_id", self._writer(namespace).delete_by_id(id), self._writes_old)
        if not outcome.is_answered:
            write.undecided(outcome.failure)
            return
        write.acknowledged(was_repeated=False)  # it never is
        if (outcome.value and before == {ABSENT}) or (not outcome.value and ABSENT not in before):
            self._loop.violation(WRONG, f"delete_by_id says {outcome.value}: {self._loop.model.story(key)}")

    async def drop(self) -> None:
        namespace = self._lane.own_namespace
        write = self._loop.model.write((key_of(namespace, id) for id in self._lane.singles()), ABSENT, "drop")
        retries = await self._loop.retries()
        outcome = await self._ask("drop", self._writer(namespace).drop(), self._writes_old)
        if outcome.is_answered:
            write.acknowledged(retries != await self._loop.retries())
        else:
            write.undecided(outcome.failure)

    # --- the rest -----------------------------------------------------------------------------------------

    async def callbacks(self) -> None:
        kv = self._loop.ours(self._chance.choice((CALM, FADING, CALM_BATCHES, FADING_BATCHES)))
        await self._ask("index_start_callback", kv.index_start_callback())
        await self._ask("index_done_callback", kv.index_done_callback())
        await self._ask("query_done_callback", kv.query_done_callback())

    async def ask_for_health(self) -> None:
        kv = self._loop.ours(CALM)
        pong = await self._ask("ping", kv.ping())
        if pong.is_answered and pong.value is not True:
            self._loop.violation(WRONG, f"ping says {pong.value!r}")
        await self._ask("check_health", kv.check_health())

    async def close_and_go_on(self) -> None:
        """Other lanes may be using the storage; their calls end."""
        namespace = self._chance.choice((CALM, FADING, CALM_BATCHES, FADING_BATCHES))
        await self._ask("aclose", self._loop.ours(namespace).aclose())

    async def replace_by_a_copy(self) -> None:
        namespace = self._chance.choice((CALM, FADING, CALM_BATCHES, FADING_BATCHES))
        self._loop.replace(namespace, self._chance.choice((copy.copy, copy.deepcopy, pickled)))


def pickled(kv: Any) -> Any:
    return pickle.loads(pickle.dumps(kv))


OPERATIONS: dict[str, tuple[Callable[[Actor], Awaitable[None]], float]] = {
    "get_by_id": (Actor.get_by_id, 25),
    "burst": (Actor.burst, 8),
    "get_by_ids": (Actor.get_by_ids, 8),
    "get_fields": (Actor.get_fields, 5),
    "get_of_others": (Actor.get_of_others, 2),
    "filter_keys": (Actor.filter_keys, 5),
    "all_keys": (Actor.all_keys, 2),
    "upsert": (Actor.upsert, 20),
    "upsert_many": (Actor.upsert_many, 3),
    "upsert_batch": (Actor.upsert_batch, 6),
    "write_and_read": (Actor.write_and_read, 3),
    "delete_by_id": (Actor.delete_by_id, 5),
    "drop": (Actor.drop, 0.7),
    "callbacks": (Actor.callbacks, 3),
    "ask_for_health": (Actor.ask_for_health, 1),
    "close_and_go_on": (Actor.close_and_go_on, 0.5),
    "replace_by_a_copy": (Actor.replace_by_a_copy, 1),
}
