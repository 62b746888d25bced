"""A run's report on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.config.schema import CHOSEN
from mmvad.metrics.annotators import ANNOTATORS
from mmvad.metrics.frame_metrics import HEADINGS
from mmvad.metrics.measures import MEASURES, USE
from mmvad.runs import RunFolder, read_report
from mmvad.system.terminal import Terminal
from mmvad.tables.frame import flat
from mmvad.tables.marks import run_marks


def print_report(folder: RunFolder) -> None:
    """Prints all metrics of all three scores in percent, what has to be said of them, and where the files are."""
    print_figures(read_report(folder))
    console = Terminal()
    figures = sorted(folder.figures.glob("*.png"))
    card = [folder.card] if folder.card.is_file() else []  # runs from before it have none
    for file in [*card, folder.report, folder.scores, *figures]:
        console.print(f"  {file}", highlight=False, soft_wrap=True)


def print_figures(report: dict[str, Any]) -> None:
    """Prints a report's metrics, and what has to be said of them."""
    console = Terminal()
    console.print(frame_table(report))
    console.print(map_table(report))
    if USE in report:
        console.print(use_table(report))
    lines = [*chance_line(report), *(f"-: {reason}" for reason in sorted(reasons(report)))]
    lines += annotator_lines(report)
    lines += [*run_marks(flat(report["config"])), *report.get("foreign", {}).get("notes", ())]
    lines += [CHOSEN[report["select"]]] if report["select"] in CHOSEN else []
    for line in lines:
        console.print(f"  {line}", highlight=False)


def print_transfer(report: dict[str, Any]) -> None:
    """Prints the metrics of a run on another bank, and which classes its mAP is over."""
    console = Terminal()
    console.print(frame_table(report))
    console.print(map_table(report))
    target = benchmark_named(report["target"]["benchmark"])
    kept, keys = [key for key in report["classes"] if key != target.normal], target.class_keys[1:]
    lines = [*(f"-: {reason}" for reason in sorted(reasons(report))), *report["notes"]]
    if report["open_vocabulary"]:
        lines.append(f"the network was given the class names of {target.title}")
    elif len(kept) < len(keys):
        missing = ", ".join(key for key in keys if key not in kept)
        lines.append(f"mAP over {len(kept)} of {len(keys)} classes; not mapped: {missing} (--classes MAP.yaml)")
    for line in lines:
        console.print(f"  {line}", highlight=False)


def frame_table(report: dict[str, Any]) -> Table:
    """Every frame metric of the combined, the coarse and the fine score; a dash for one that came after the run."""
    title = f"{_what_ran(report)}: frames (percent)"
    table = Table("score", *HEADINGS.values(), title=title, title_justify="left", min_width=len(title))
    for name, figures in report["scores"].items():
        table.add_row(name, *(percent(figures.get(key)) for key in HEADINGS))
    return table


def look_ahead_table(figures: Mapping[str, Any], seconds: float | None) -> Table:
    """Every frame metric of the combined score by look-ahead; `seconds` of a snippet, where they are known."""
    table = Table(
        "look-ahead (snippets)", "seconds", *HEADINGS.values(), title="combined (percent)", title_justify="left"
    )
    for look_ahead, report in figures.items():
        known = seconds is not None and look_ahead.isdecimal()
        time = f"{int(look_ahead) * seconds:.2f}" if known and seconds is not None else "-"
        table.add_row(look_ahead, time, *(percent(report["scores"]["combined"].get(key)) for key in HEADINGS))
    return table


def _what_ran(report: dict[str, Any]) -> str:
    if "target" in report:
        source = report["source"]
        return f"run {source['identity'][:12]} of {source['benchmark']} on {report['target']['benchmark']}"
    config = report["config"]
    if "foreign" in report:
        return f"{report['foreign']['title']} (scores from elsewhere), {config['benchmark']}"
    name = config["model"]["name"]
    model = "" if name == "dual_stream" else f"{name}, "
    return f"{model}{config['benchmark']}, modalities {config['modalities']}, seed {config['seed']}"


def map_table(report: dict[str, Any]) -> Table:
    """mAP at every IoU, in both variants."""
    thresholds = [key for key in report["map"]["published"] if key not in {"reasons", "classes"}]
    table = Table("mAP at IoU", *thresholds, title="events (percent)", title_justify="left")
    for variant, figures in report["map"].items():
        table.add_row(variant, *(percent(figures[key]) for key in thresholds))
    return table


def use_table(report: dict[str, Any]) -> Table:
    """Every measure of use of the three scores: percent, and seconds where the name says so."""
    table = Table("measure", *report[USE], title="in use (percent)", title_justify="left")
    for measure in MEASURES:
        values = [figures.get(measure.name) for figures in report[USE].values()]
        if any(value is not None for value in values):
            table.add_row(measure.heading, *(measured(value, measure.unit) for value in values))
    return table


def chance_line(report: dict[str, Any]) -> list[str]:
    """What the AP of scores that know nothing would be: the share of abnormal frames."""
    frames, abnormal = report.get("frames"), report.get("abnormal_frames")
    return [f"{abnormal / frames:.2%} of {frames} frames are abnormal: the AP of chance"] if frames and abnormal else []


def annotator_lines(report: dict[str, Any]) -> list[str]:
    """The figures by every annotator, over their mean truth, and their agreement; nothing of one annotator alone."""
    several = report.get(ANNOTATORS)
    if not several:
        return []
    lines = []
    for metric in ("ap", "auc"):
        own = several[metric]
        each = ", ".join(f"{name} {percent(value)}" for name, value in own["by"].items())
        spread = f"mean {percent(own['mean'])}, range {percent(own['low'])} to {percent(own['high'])}"
        lines.append(
            f"{HEADINGS[metric]} by annotator: {each}; {spread}; over their mean truth {percent(own['mean_truth'])}"
        )
    agreed = several["agreement"]
    kappa = "undefined" if agreed["kappa"] is None else f"{agreed['kappa']:.3f}"
    return [
        *lines,
        f"annotators: {agreed['kind']}'s kappa over frames {kappa}, all agree in {percent(agreed['agree'])} %",
    ]


def measured(value: float | None, unit: str) -> str:
    """A fraction as percent, seconds as they are; a dash for a missing one."""
    return percent(value) if unit == "fraction" or value is None else f"{value:.2f}"


def reasons(report: dict[str, Any]) -> set[str]:
    """Why figures are missing."""
    parts = [*report["scores"].values(), *report["map"].values()]
    return {reason for part in parts for reason in part["reasons"].values()}


def percent(fraction: float | None) -> str:
    """A fraction as percent with two decimals; a dash for a missing one."""
    return "-" if fraction is None else f"{100 * fraction:.2f}"
