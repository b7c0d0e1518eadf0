"""The plots: what docs/benchmarks.md and README.md show besides tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from contestants import Coredis, Glide, JsonFile, Native, RedisExpert, RedisReplaced
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from .figures import Workloads, middle
from .limits import BENCHMARK
from .pages import OURS, limit_of

Parts = dict[str, Any]
Ends = dict[str, tuple[float, float, str]]  # of lines: x, y and colour by name

COLOURS = {
    Native.name: "#c0392b",
    RedisReplaced.name: "#8fb1dd",
    RedisExpert.name: "#3b6fb6",
    Glide.name: "#2a7f78",
    Coredis.name: "#8d6bb0",
    JsonFile.name: "#d9902f",
}
LIMIT = "#222222"
PANELS = {
    # those of the first column have the names of the clients, so the one with the most clients is there
    "get_sequential": "get_by_id, one after another",
    "get_64_tasks": "get_by_id, 64 tasks",
    "get_gather": "gather of 1,000 get_by_id",
    "llm_call": "an uncached LLM call",
    "upsert_64_tasks": "upsert of one, 64 tasks",
    "upsert_1000": "upsert of 1,000 chunks, 5 KB each",
    "get_1000_chunks": "get_by_ids of 1,000 chunks, 5 KB each",
    "get_200_titles": "the titles of 200 reports, 14 KB each",
    "filter_10000": "filter_keys of 10,000 ids",
}
STYLE = {
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "figure.dpi": 110,
}


def human(value: float, _: object = None) -> str:
    """1,234,567 as 1.2M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def rates(workload: dict[str, Any]) -> dict[str, float]:
    """Calls per second of all who have taken part."""
    found = {name: middle(workload, name, "wall") for name in workload["contestants"]}
    return {name: 1e6 / value for name, value in found.items() if value}


def save(figure: Figure, folder: Path, name: str) -> None:
    figure.savefig(folder / name, metadata={"Software": None})
    plt.close(figure)


# --- all workloads ----------------------------------------------------------------------------------------


def panel(axes: Axes, title: str, found: dict[str, float], names: list[str], limit: str | None) -> None:
    """A bar for each client, on a logarithmic scale that begins below the slowest."""
    shown = {name: found[name] for name in names if name in found}
    lowest, highest = min(shown.values()), max(found.values())
    axes.set_xscale("log")
    axes.set_xlim(10 ** math.floor(math.log10(lowest / 1.3)), highest * 5)
    axes.set_ylim(len(names) - 0.4, -0.6 if limit is None else -1.25)
    for place, name in enumerate(names):
        if name in shown:
            axes.barh(place, shown[name], color=COLOURS[name], height=0.74, zorder=2)
            weight = "bold" if name == OURS else "normal"
            value = axes.text(shown[name] * 1.13, place, human(shown[name]), va="center", weight=weight, zorder=4)
            value.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # over the line of the limit
    if limit:
        axes.axvline(found[limit], color=LIMIT, linestyle=(0, (4, 2)), linewidth=1.3, zorder=3)
        axes.text(
            found[limit] * 0.93, -0.62, f"{limit} {human(found[limit])}", ha="right", va="bottom", fontsize=8.5
        )
    axes.set_title(title)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(human))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color="#e4e7eb", linewidth=0.7, zorder=0)


def draw_main(parts: Parts, folder: Path) -> None:
    figures: Workloads = parts["main"]["workloads"]
    network = [name for name in COLOURS if name != JsonFile.name]
    figure, grid = plt.subplots(3, 3, figsize=(13.5, 9.6), layout="constrained")
    for axes, (name, title) in zip(grid.flat, PANELS.items(), strict=True):
        found = rates(figures[name])
        names = [*network, JsonFile.name] if JsonFile.name in found else network
        panel(axes, title, found, names, limit_of(figures[name]))
        if axes not in grid[:, 0]:
            axes.set_yticklabels([])
    for axes in grid[-1]:
        axes.set_xlabel("calls per second")
    figure.suptitle(
        "Calls per second, logarithmic: longer is better; dashed: the limit, which decodes nothing",
        fontsize=13, x=0.01, ha="left",
    )
    save(figure, folder, "benchmarks.png")


# --- curves -----------------------------------------------------------------------------------------------


def curve(axes: Axes, xs: Sequence[float], ys: Sequence[float], name: str, colour: str, **style: Any) -> None:
    """Ours is the thickest."""
    is_ours = name == OURS
    axes.plot(xs, ys, marker="o", markersize=4, linewidth=2.6 if is_ours else 1.6, color=colour, **style)


def name_ends(axes: Axes, ends: Ends) -> None:
    """Names at the ends of the lines, moved apart where they would meet (the scale is logarithmic)."""
    lowest = 0.0
    for name, (x, y, colour) in sorted(ends.items(), key=lambda end: end[1][1]):
        lowest = max(y, lowest * 1.32)
        weight = "bold" if name == OURS else "normal"
        axes.annotate(name, (x, lowest), (8, 0), textcoords="offset points", va="center", color=colour, weight=weight)


def log_axes(axes: Axes, ticks: list[int], xlabel: str, ylabel: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(human))
    axes.grid(color="#e4e7eb", linewidth=0.7)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)


def draw_scaling(parts: Parts, folder: Path) -> None:
    figures: Workloads = parts["scaling"]["workloads"]
    tasks = [int(name.split("_")[1]) for name in figures]
    figure, axes = plt.subplots(figsize=(9.5, 5.4), layout="constrained")
    ends: Ends = {}
    for name in [*COLOURS, BENCHMARK]:
        found = [(n, rates(w)[name]) for n, w in zip(tasks, figures.values(), strict=True) if name in rates(w)]
        if found:
            colour = COLOURS.get(name, LIMIT)
            dashes = {} if name in COLOURS else {"linestyle": (0, (4, 2))}
            xs, ys = zip(*found, strict=True)
            curve(axes, xs, ys, name, colour, **dashes)
            label = name if name in COLOURS else f"{name}, as many in flight"
            ends[label] = (xs[-1], ys[-1], colour)
    name_ends(axes, ends)
    log_axes(axes, tasks, "tasks", "calls per second")
    axes.set_xlim(tasks[0] * 0.85, tasks[-1] * 9)
    axes.set_title("get_by_id of answers of 1.5 KB, by the number of tasks: higher is better")
    save(figure, folder, "benchmarks-scaling.png")


def draw_growth(parts: Parts, folder: Path) -> None:
    figures: Workloads = parts["growth"]["workloads"]
    figure, axes = plt.subplots(figsize=(9.5, 4.6), layout="constrained")
    ends: Ends = {}
    for workload, colour in zip(figures.values(), ("#c0392b", "#486581", "#d9902f"), strict=True):
        sizes = [int(name.split()[0].replace(",", "")) for name in workload["contestants"]]
        costs = [middle(workload, name, "wall") or 0.0 for name in workload["contestants"]]
        label = workload["title"].partition(", as")[0]
        curve(axes, sizes, costs, label, colour)
        server = [middle(workload, name, "server") or math.nan for name in workload["contestants"]]
        axes.plot(sizes, server, color=colour, linewidth=1.2, linestyle=(0, (4, 2)))
        ends[label] = (sizes[-1], costs[-1], colour)
    name_ends(axes, ends)
    log_axes(axes, sizes, "rows in the store", "microseconds per row")
    axes.set_xlim(sizes[0] * 0.85, sizes[-1] * 14)
    low, high = axes.get_ylim()
    axes.set_ylim(low / 2, high * 2)
    axes.set_title("What a call costs as the store grows: lower is better; dashed: what the server spends of it")
    save(figure, folder, "benchmarks-growth.png")


def draw_worker(parts: Parts, folder: Path) -> None:
    workload = parts["worker"]["workloads"]["worker"]
    figure, pair = plt.subplots(1, 2, figsize=(9.5, 2.4), layout="constrained", sharey=True)
    names = [OURS, JsonFile.name]
    for axes, (column, title) in zip(
        pair, {"memory": "memory of a worker, MiB", "start": "seconds until it has its rows"}.items(), strict=True
    ):
        values = [middle(workload, name, column) or 0.0 for name in names]
        axes.barh(range(len(names)), values, color=[COLOURS[name] for name in names], height=0.6, zorder=2)
        for place, value in enumerate(values):
            axes.text(value * 1.15, place, human(value), va="center")
        axes.set_xscale("log")
        axes.set_xlim(min(values) / 4, max(values) * 4)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.xaxis.set_major_formatter(FuncFormatter(human))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(axis="x", color="#e4e7eb", linewidth=0.7, zorder=0)
        axes.set_title(title)
    figure.suptitle("A storage of 100,000 chunks of 5 KB, logarithmic: shorter is better", x=0.01, ha="left")
    save(figure, folder, "benchmarks-worker.png")


def draw_all(parts: Parts, folder: Path) -> None:
    plt.switch_backend("Agg")
    with mpl.rc_context(STYLE):
        for draw in (draw_main, draw_scaling, draw_growth, draw_worker):
            draw(parts, folder)
