"""docs/benchmarks.md and the numbers in README.md, as text made of the figures and nothing else: the same
figures give the same text, which a test compares with the files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from contestants import Coredis, Glide, JsonFile, Native, RedisExpert, RedisReplaced

from . import gate
from .figures import Workloads, middle, rounds_of, times
from .limits import BENCHMARK, EXISTS, FUTURES, RECEIVER, SENDER
from .report import number
from .rounds import scatter

Parts = dict[str, Any]

OURS = Native.name
LIMITS = (BENCHMARK, SENDER, RECEIVER, EXISTS, FUTURES)
BEGIN = "<!-- numbers: make bench-report -->"
END = "<!-- /numbers -->"
VARIANTS = {"main": "TCP", "uvloop": "uvloop", "unix": "Unix socket", "tls": "TLS"}
IN_README = {
    "get_sequential": "`get_by_id`, one after another",
    "get_64_tasks": "`get_by_id`, 64 tasks",
    "get_gather": "gather of 1,000 `get_by_id`",
    "upsert_64_tasks": "`upsert` of one, 64 tasks",
    "llm_call": "an uncached LLM call: miss, `upsert`, `index_done_callback`",
    "upsert_1000": "`upsert` of 1,000 chunks of 5 KB",
    "get_1000_chunks": "`get_by_ids` of 1,000 chunks of 5 KB",
    "get_200_titles": '`get_by_ids` of 200 reports, `fields={"title"}`',
    "filter_10000": "`filter_keys` of 10,000 ids",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """The first `left` columns are words."""
    rule = ["---" if i < left else "---:" for i in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def command(*names: str, options: Sequence[str] = ()) -> str:
    words = [*(f"--only {name}" for name in names), *options]
    return f'`make bench ARGS="{" ".join(words)}"`'


def ratio(workload: dict[str, Any], name: str, to: str = OURS) -> str:
    found = times(workload, name, to)
    return "" if found is None else f"{number(found)} x"


def figure(workload: dict[str, Any], name: str, column: str) -> str:
    value = middle(workload, name, column)
    return "" if value is None else f"{number(value)} ±{scatter(rounds_of(workload, name, column)):.0%}"


def rate(workload: dict[str, Any], name: str) -> str:
    """Calls in a second."""
    value = middle(workload, name, "wall")
    return "" if value is None else number(1e6 / value)


def limit_of(workload: dict[str, Any]) -> str | None:
    """The first one counts."""
    return next((name for name in workload["contestants"] if name in LIMITS), None)


# --- README -----------------------------------------------------------------------------------------------


def readme_numbers(parts: Parts) -> str:
    figures: Workloads = parts["main"]["workloads"]
    rows = []
    for name, label in IN_README.items():
        workload = figures[name]
        best_redis = min(times(workload, peer, OURS) or 0 for peer in (RedisReplaced.name, RedisExpert.name))
        limit = limit_of(workload)
        share = "" if limit is None else f"{times(workload, limit, OURS) or 0:.2f} ({limit})"
        glide = ratio(workload, Glide.name)
        rows.append([label, rate(workload, OURS), f"{number(best_redis)} x", glide, share])
    head = ["", "calls/s", "redis.asyncio", "valkey-glide", "of the limit"]
    where = parts["main"]["environment"]
    return "\n".join(
        [
            "![Calls per second of each client, and the limit, workload by workload](docs/benchmarks.png)",
            "",
            f"`make bench` on {where['processors']} processors ({where['machine']}), Python {where['python']}, "
            f"redis-server {where['server']} over loopback TCP, all clients in turn in one run, each in a "
            "process of its own. The ratios are how many times longer the other client takes (redis.asyncio with "
            "hiredis: the faster of two ways to use it); the limit is what the server, or asyncio, can do for a client "
            "that does nothing.",
            "",
            table(head, rows),
            "",
            "Each row by itself: " + command("get_64_tasks") + " and so on. All figures, with uvloop, Unix sockets, "
            "TLS, memory, and the targets that are not reached yet: [docs/benchmarks.md](docs/benchmarks.md).",
        ]
    )


def readme(text: str, parts: Parts) -> str:
    """The page with these numbers instead of those it has."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{readme_numbers(parts)}\n{END}{after}"


# --- docs/benchmarks.md -----------------------------------------------------------------------------------


def benchmarks(parts: Parts) -> str:
    sections = [_opening(parts), _targets(parts), _workloads(parts), _variants(parts), _scaling(parts)]
    sections += [_growth(parts), _worker(parts), _codec(parts), _method()]
    return "\n\n".join(sections) + "\n"


def _opening(parts: Parts) -> str:
    where = parts["main"]["environment"]
    packages = ", ".join(f"{name} {found}" for name, found in where["packages"].items() if found)
    return f"""# Benchmarks

Written by `make bench` on {where["date"]}; `make bench-report` writes it again from
[benchmarks.json](benchmarks.json), which has every round.
{where["machine"]}, {where["processors"]} processors (load {where["load"]:.1f} before the run), {where["system"]};
Python {where["python"]}, redis-server {where["server"]}, {packages}.

![Calls per second of each client, and the limit, workload by workload](benchmarks.png)"""


def _verdict_row(verdict: gate.Verdict) -> list[str]:
    return [verdict.title, verdict.row.wanted(), verdict.reached_text, verdict.text]


def _targets(parts: Parts) -> str:
    found = gate.verdicts(parts["main"]["workloads"])
    met = sum(verdict.is_met for verdict in found)
    head = ["workload", "target", "reached", "verdict"]
    return f"""## Targets

{met} of {len(found)} are met. "2 x" of another client means that it takes twice as long as this one; "0.5 x" of
a limit means half its speed.

{table(head, map(_verdict_row, found), left=4)}"""


def _workload(name: str, workload: dict[str, Any]) -> str:
    columns = workload["columns"]
    has_rate = next(iter(columns)) == "wall"
    unit = workload["unit"]
    head = ["", *([f"{unit}s/s"] if has_rate else []), *(f"{c}, {u}" for c, u in columns.items()), "times ours"]
    rows = []
    for contestant, found in workload["contestants"].items():
        label = f"*{contestant}*" if contestant in LIMITS else contestant
        if "failure" in found:
            rows.append([label, *([""] * (len(head) - 2)), "failed"])
            continue
        cells = [figure(workload, contestant, column) for column in columns]
        first = [rate(workload, contestant)] if has_rate else []
        rows.append([label, *first, *cells, "" if contestant == OURS else ratio(workload, contestant)])
    rounds = len(rounds_of(workload, OURS))
    title = workload["title"][0].upper() + workload["title"][1:]
    return f"### {title}\n\n{command(name)}, {rounds} rounds\n\n{table(head, rows)}"


def _workloads(parts: Parts) -> str:
    figures = {n: w for n, w in parts["main"]["workloads"].items() if not _is_codec(n)}
    return "\n\n".join(["## Each workload", *(_workload(name, workload) for name, workload in figures.items())])


def _variants(parts: Parts) -> str:
    columns = {name: label for name, label in VARIANTS.items() if name in parts}
    found = {name: {v.row: v for v in gate.verdicts(parts[name]["workloads"])} for name in columns}
    rows = []
    for row, verdict in found["main"].items():
        if all(row in others for others in found.values()):
            cells = [found[name][row].reached_text or "-" for name in columns]
            rows.append([verdict.title, verdict.row.wanted(), *cells])
    options = [" ".join(parts[name]["options"]) for name in columns if name != "main"]
    how = ", ".join(command("NAME", options=[words]) for words in options)
    return f"""## uvloop, Unix socket, TLS

The same table of targets; a dash where there is no such limit (the C programs speak no TLS). {how}

{table(["workload", "target", *columns.values()], rows, left=2)}"""


def _scaling(parts: Parts) -> str:
    figures: Workloads = parts["scaling"]["workloads"]
    tasks = {name: re.sub(r"\D", "", name) for name in figures}
    names = list(next(iter(figures.values()))["contestants"])
    rows = [[name, *(rate(workload, name) for workload in figures.values())] for name in names]
    return f"""## From 1 to 1,000 tasks

{command("scaling")}: `get_by_id` of answers of 1.5 KB, calls per second by the number of tasks.

![Calls per second by the number of tasks](benchmarks-scaling.png)

{table(["", *tasks.values()], rows)}"""


def _growth(parts: Parts) -> str:
    figures: Workloads = parts["growth"]["workloads"]
    sizes = list(next(iter(figures.values()))["contestants"])
    rows = []
    for workload in figures.values():
        about = workload["title"].partition(", as")[0]
        for label, column in ((about, "wall"), ("of that, in the server", "server")):
            rows.append([label, *(figure(workload, size, column) for size in sizes)])
    return f"""## As the store grows

{command("growth")}: microseconds per row, for rows from everywhere in a store of so many. What the server
spends on a command is by its own count; a large store does not fit into a processor's cache.

![Microseconds per row by the number of rows](benchmarks-growth.png)

{table(["", *sizes], rows)}"""


def _worker(parts: Parts) -> str:
    workload = parts["worker"]["workloads"]["worker"]
    head = ["", *(f"{column}, {unit}" for column, unit in workload["columns"].items())]
    rows = [
        [name, *(figure(workload, name, column) for column in workload["columns"])]
        for name in (OURS, JsonFile.name)
    ]
    return f"""## The memory of a worker

{command("worker")}: {workload["title"]}; what it adds to the process, code included, and the seconds until the
rows are there.

![Memory of a worker](benchmarks-worker.png)

{table(head, rows)}"""


def _is_codec(name: str) -> bool:
    return name.startswith(("encode_", "decode_"))


def _codec(parts: Parts) -> str:
    figures: Workloads = parts["main"]["workloads"]
    rows = [
        [
            " ".join(workload["title"].split()),
            figure(workload, OURS, "wall"),
            ratio(workload, "orjson"),
            ratio(workload, "json"),
        ]
        for name, workload in figures.items()
        if _is_codec(name)
    ]
    return f"""## The codec alone

{command("codec")}: one document read from bytes or written to bytes. `utf8` documents are as this package
writes them, `ascii` as `json.dumps` does. Integers of any size, `NaN` and lone surrogates, which orjson rounds
or refuses, are exact.

{table(["", "ours, us", "orjson", "json"], rows)}"""


def _method() -> str:
    return f"""## How it is measured

* One run on one machine. In each round every client has its turn with a workload, one directly after the other,
  each round beginning with another one; a ratio is taken within a round, and the median of the ratios is shown.
  Figures are medians, ± half the distance between the quartiles.
* Each client has a process of its own for the whole run, as a program has that uses no other. In one process for all,
  the modules, threads and garbage of the others cost the fastest one most, and what this package asks of the
  allocator would be everyone's.
* Before anything is timed, every answer is compared with what is stored.
* CPU is that of the client's process with all its threads, per call. Memory is what a fresh process gains
  (resident set).
* Records have nano-graphrag's shapes and real text: English, French, German, Russian, Chinese, an emoji in
  every tenth. What is written has never been encoded before.
* {RedisReplaced.name}: a pool, one command per id in MULTI, json. {RedisExpert.name}, {Glide.name},
  {Coredis.name}: as somebody writes it who knows Redis well.
* Limits: `redis-benchmark` with the same command and size of value; `bench/limits/exchange.c`, which sends a
  request of ours and throws the reply away; a gather of coroutines that await one future each, which is asyncio
  without any client.
* The gate (`make bench ARGS=--gate`, under a minute) holds each ratio against its floor in
  `bench/harness/gate.py`."""
