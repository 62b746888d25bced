"""A run's report on the terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from mmvad.config.schema import CHOSEN
from mmvad.metrics.frame_metrics import HEADINGS
from mmvad.runs import RunFolder, read_report
from mmvad.system.terminal import Terminal
from mmvad.tables.frame import flat
from mmvad.tables.marks import run_marks


def print_report(folder: RunFolder) -> None:
    """Prints all metrics of all three scores in percent, what has to be said of them, and where the files are."""
    report = read_report(folder)
    console = Terminal()
    console.print(frame_table(report))
    console.print(map_table(report))
    for reason in sorted(reasons(report)):
        console.print(f"  -: {reason}", highlight=False)
    for line in run_marks(flat(report["config"])):
        console.print(f"  {line}", highlight=False)
    if report["select"] in CHOSEN:
        console.print(f"  {CHOSEN[report['select']]}", highlight=False)
    figures = sorted(folder.figures.glob("*.png"))
    for file in [folder.report, folder.scores, *figures]:
        console.print(f"  {file}", highlight=False, soft_wrap=True)


def frame_table(report: dict[str, Any]) -> Table:
    """Every frame metric of the combined, the coarse and the fine score; a dash for one that came after the run."""
    config = report["config"]
    name = config["model"]["name"]
    model = "" if name == "dual_stream" else f"{name}, "
    title = f"{model}{config['benchmark']}, modalities {config['modalities']}, seed {config['seed']}: frames (percent)"
    table = Table("score", *HEADINGS.values(), title=title, title_justify="left", min_width=len(title))
    for name, figures in report["scores"].items():
        table.add_row(name, *(percent(figures.get(key)) for key in HEADINGS))
    return table


def map_table(report: dict[str, Any]) -> Table:
    """mAP at every IoU, in both variants."""
    thresholds = [key for key in report["map"]["published"] if key not in {"reasons", "classes"}]
    table = Table("mAP at IoU", *thresholds, title="events (percent)", title_justify="left")
    for variant, figures in report["map"].items():
        table.add_row(variant, *(percent(figures[key]) for key in thresholds))
    return table


def reasons(report: dict[str, Any]) -> set[str]:
    """Why figures are missing."""
    parts = [*report["scores"].values(), *report["map"].values()]
    return {reason for part in parts for reason in part["reasons"].values()}


def percent(fraction: float | None) -> str:
    """A fraction as percent with two decimals; a dash for a missing one."""
    return "-" if fraction is None else f"{100 * fraction:.2f}"
