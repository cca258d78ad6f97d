"""A benchmark's report as tables in Markdown."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from export.cards import COMPUTE_SHARE, KERNEL_S, MEMORY_SHARE
from export.layer_times import KINDS


def tables(report: dict[str, Any]) -> str:
    """Everything, for docs/benchmarks.md."""
    parts = [machine(report), engine_table(report["rows"]), *limits(report["limits"])]
    parts += [against_port(entry) for entry in report["against_port"]]
    parts += [layer_table(entry, report["rows"]) for entry in report["layers"]]
    parts += ["; ".join(f"{kind}: {what}" for kind, what in KINDS.items()) + "."]
    parts += [f"Left out: {what}: {why}" for what, why in report["left_out"].items()]
    return "\n\n".join([*parts, card_table(report["calculated"])])


def machine(report: dict[str, Any]) -> str:
    """One sentence: on what, when, with which versions, and how busy it was."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return (
        f"{report['date']}, {report['processor']}, {report['cores']} cores, {report['threads']} "
        f"threads, {report['system']}; {versions}. Load average {report['load_before']} before, "
        f"{report['load_after']} after."
    )


def engine_table(rows: Iterable[dict[str, Any]]) -> str:
    """A line for each graph on each engine, beside the limit."""
    heads = (
        "model, px",
        "graph",
        "engine",
        "GMAC",
        "median ms",
        "p95",
        "CPU ms",
        "GFLOP/s",
        "limit",
    )
    lines = [
        (
            f"{entry['model']}, {entry['size']}",
            entry["graph"],
            f"{entry['backend']}, {entry['device']}",
            f"{entry['gmac']:.2f}",
            *(f"{entry[name]:.1f}" for name in ("median_ms", "p95_ms", "cpu_ms")),
            f"{entry['gflops']:.0f}",
            "-" if entry["share"] is None else f"{entry['limit_gflops']:.0f}",
            "-"
            if entry["share"] is None
            else f"{100 * entry['share']:.0f} % ({100 * entry['cpu_share']:.0f} %)",
            entry["rounds"],
        )
        for entry in rows
    ]
    return _table((*heads, "reached (by CPU time)", "rounds"), lines)


def limits(entries: Iterable[dict[str, Any]]) -> list[str]:
    """What the limits are, and how steady they were."""
    best: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for entry in entries:
        figures = [2000 * entry["gmac"] / entry[name] for name in ("best_ms", "median_ms")]
        best[entry["device"], entry["graph"]].append((figures[0], figures[1]))
    return [
        f"Limit, {device}: {what}, {max(f for f, _ in figures):.0f} GFLOP/s at best "
        f"(median {', '.join(f'{m:.0f}' for _, m in figures)})."
        for (device, what), figures in best.items()
    ]


def against_port(entry: dict[str, Any]) -> str:
    """How much faster than the ordinary port, in one sentence."""
    return (
        f"{entry['model']}, {entry['size']} px, {entry['backend']} ({entry['device']}): "
        f"{entry['ratio']:.1f} times as fast as the ordinary port in fp32 (half of the rounds between "
        f"{entry['low_quartile']:.1f} and {entry['high_quartile']:.1f}; by CPU time "
        f"{entry['cpu_ratio']:.1f})."
    )


def layer_table(profile: dict[str, Any], rows: Iterable[dict[str, Any]]) -> str:
    """Where the renderer's time goes in OpenVINO: kinds of work by size of the feature map."""
    times: dict[int, dict[str, float]] = defaultdict(lambda: dict.fromkeys(KINDS, 0.0))
    for entry in profile["kernels"]:
        times[entry["side"]][entry["kind"]] += entry["ms"]
    total = {kind: sum(at[kind] for at in times.values()) for kind in KINDS}
    whole = sum(total.values())
    lines = [
        (f"{side} px", *_cells([*at.values(), sum(at.values())]))
        for side, at in sorted(times.items())
    ]
    lines.append(("all", *_cells([*total.values(), whole])))
    lines.append(("share", *(f"{100 * ms / whole:.0f} %" for ms in [*total.values(), whole])))
    where = f"{profile['model']}, {profile['size']} px"
    title = f"Where the renderer's time goes in OpenVINO, {where}, ms by its own counters."
    entries = (e for e in rows if (e["model"], e["backend"]) == (profile["model"], "openvino"))
    render = next((e for e in entries if e["graph"] == "render"), None)
    if render:
        title += " " + _rest(render, profile["convolution_gmac"], total)
    return "\n\n".join([title, _table(("feature map", *KINDS, "all"), lines)])


def _rest(render: dict[str, Any], convolution_gmac: float, times: dict[str, float]) -> str:
    """What a renderer's median time is made of, by the kinds' shares, beside what it would be."""
    whole, limit = render["median_ms"], render["limit_gflops"]
    spent = {kind: whole * ms / sum(times.values()) for kind, ms in times.items()}
    needed = 2000 * convolution_gmac / limit
    others = ", ".join(f"{ms:.1f} {kind}" for kind, ms in spent.items() if kind != "convolution")
    return (
        f"Of {whole:.1f} ms in the table above {spent['convolution']:.1f} are convolutions, which "
        f"at the limit would take {needed:.1f} ({100 * needed / spent['convolution']:.0f} %); the "
        f"rest: {others}."
    )


def card_table(cards: list[dict[str, Any]]) -> str:
    """The calculated table."""
    sizes = list(cards[0]["ms"])
    title = (
        "**CALCULATED from data sheets, never measured**: ms of one picture in fp16, with sums in fp16 "
        "/ in fp32. Kernel by kernel the longer of arithmetic at "
        f"{100 * COMPUTE_SHARE:.0f} % of the tensor cores' peak and traffic at "
        f"{100 * MEMORY_SHARE:.0f} % of the bandwidth, and {1e6 * KERNEL_S:.0f} us for each kernel."
    )
    lines = [
        (
            card["card"],
            _two(card["tflops"], "g"),
            card["gb_per_s"],
            *(_two(card["ms"][size], ".2f") for size in sizes),
        )
        for card in cards
    ]
    return "\n\n".join([title, _table(("card", "TFLOP/s", "GB/s", *sizes), lines)])


def _two(figures: list[float], how: str) -> str:
    """Both figures, or one where they are the same."""
    return " / ".join(dict.fromkeys(f"{figure:{how}}" for figure in figures))


def _cells(times: list[float]) -> list[str]:
    return [f"{ms:.2f}" if ms else "-" for ms in times]


def _table(heads: tuple[str, ...], lines: Iterable[Iterable[Any]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)
