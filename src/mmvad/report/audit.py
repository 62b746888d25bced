"""`mmvad audit RUN`: reads a run, takes the steps of `audit_steps`, and writes them as a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.benchmarks.registry import known_benchmark
from mmvad.errors import UserError
from mmvad.evaluation.audit import frames_by_video
from mmvad.evaluation.run_folder import remember_benchmark
from mmvad.evaluation.truth import Truth, TruthVideo
from mmvad.figures.pictures import Picture
from mmvad.figures.waterfall import Bar, waterfall_figure
from mmvad.metrics.bootstrap import LEVEL, RESAMPLES, Headline
from mmvad.metrics.evaluate import ScoredVideo
from mmvad.metrics.frame_metrics import HEADINGS
from mmvad.report.audit_material import Material
from mmvad.report.audit_steps import Audited, Step, audit_run
from mmvad.runs import RunFolder, read_json, read_report, write_json
from mmvad.system.disk import disk_errors, write_whole
from mmvad.tables.frame import run_folders
from mmvad.tables.scored import Truths, own_videos, require_banks, scores_in

_AGAIN = "remove it; the same training with --runtime.audit=on makes it again"


def write_audit(
    run: Path, banks: Sequence[Path] = (), truth: Path | None = None, resamples: int = RESAMPLES
) -> tuple[Audited, Picture, Path]:
    """Audits a finished run, writes `audit/audit.{md,json,png,svg}` in its folder; gives the steps and the files.

    Args:
        banks: where banks lie now, for runs that were made elsewhere.
        truth: another frame ground truth, in a form that `mmvad data audit` reads.

    Raises UserError for what is no finished run, for a bank or scores that are not here, and for a truth that cannot be
    read.
    """
    require_banks(banks)
    folder = RunFolder(run)
    if not folder.finished:
        raise UserError(run, "is no finished run", expected="a folder of `mmvad train` with report.json")
    report = read_report(folder)
    remember_benchmark(folder)
    benchmark = known_benchmark(report["config"]["benchmark"])
    truths = Truths(banks, fix="say where it lies now: mmvad audit --bank DIR")
    material = _material(folder, report, truths)
    metric = cast(Headline, benchmark.headline)
    found = audit_run(material, metric, resamples, _other_truth(truth, benchmark, material.reported.videos))
    with disk_errors(folder.audit):
        folder.audit.mkdir(exist_ok=True)
    name = folder.path.resolve().name
    write_json(folder.audit / "audit.json", asdict(found))
    text = folder.audit / "audit.md"
    write_whole(text, "\n".join(audit_lines(found, name)).encode() + b"\n")
    return found, audit_figure(folder.audit, found, name), text


def audit_figure(folder: Path, found: Audited, name: str) -> Picture:
    """The steps as bars."""
    bars, at = [], None
    for step in found.steps:
        value = None if step.value is None else 100 * step.value
        low, high = (None if g is None or at is None else at + 100 * g for g in (step.low, step.high))
        bars.append(Bar(step.name, at if step.gain is not None else None, value, low, high, step.habit))
        at = value if value is not None else at
    caption = f"{summary(found)} Lines: the {LEVEL:.0%} interval of each step over test videos."
    unit = f"{HEADINGS[found.metric]} (percent)"
    return waterfall_figure(folder, "audit", f"What each habit is worth: {name}", caption, bars, unit)


def audit_lines(found: Audited, name: str) -> list[str]:
    """The table of the steps in Markdown, and its sum in words."""
    heading = HEADINGS[found.metric]
    lines = [
        f"**What each habit is worth: {name}**",
        "",
        f"| step | {heading} | gain [95 %] | |",
        "|---|---:|---:|---|",
    ]
    lines += [f"| {' | '.join(step_row(step))} |" for step in found.steps]
    return [*lines, "", summary(found)]


def step_row(step: Step) -> list[str]:
    """A step's name, figure, gain with its interval, and what it was read from or why it is missing."""
    if step.value is None:
        return [step.name, "-", "", step.missing]
    gain = "" if step.gain is None else f"{100 * step.gain:+.2f}"
    if step.low is not None and step.high is not None:
        gain += f" [{100 * step.low:+.2f}, {100 * step.high:+.2f}]"
    return [step.name, f"{100 * step.value:.2f}", gain, step.detail]


def summary(found: Audited) -> str:
    """`Of +3.10 points, +2.40 are habits.`, with the interval of the sum."""
    within = ""
    if found.low is not None and found.high is not None:
        within = f" [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"
    missing = sum(step.value is None for step in found.steps)
    left = f" {missing} steps are not known." if missing > 1 else " 1 step is not known." if missing else ""
    return f"Of {100 * found.total:+.2f} points{within}, {100 * found.habits:+.2f} are habits.{left}"


def _material(folder: RunFolder, report: Mapping[str, Any], truths: Truths) -> Material:
    """The run with what lies beside it; a sibling whose report cannot be read is none."""

    def own(run: RunFolder) -> list[ScoredVideo]:
        return own_videos(run, report["bank_hash"], _recorded(run), truths)

    def read(path: Path) -> list[ScoredVideo]:
        return scores_in(path, truths.of(report["bank_hash"], _recorded(folder)), _AGAIN)

    beside = []
    for run in run_folders(folder.path.resolve().parent):
        if run.finished and run.scores.is_file() and run.path != folder.path.resolve():
            try:
                beside.append((run, read_report(run)))
            except UserError:
                continue
    return Material(folder, report, read, own, beside)


def _recorded(folder: RunFolder) -> str | None:
    """Where a run says that its bank lies."""
    return read_json(folder.manifest).get("bank", {}).get("path") if folder.manifest.is_file() else None


def _other_truth(
    path: Path | None, benchmark: Benchmark, videos: Sequence[ScoredVideo]
) -> tuple[str, dict[str, np.ndarray]] | None:
    """What a file says of the run's own test videos, which are as long as their rows of scores."""
    if path is None:
        return None
    known = tuple(map(_truth_video, videos))
    return path.name, frames_by_video(path, Truth(benchmark, known, frozenset(), "the run's test set", ""))


def _truth_video(video: ScoredVideo) -> TruthVideo:
    """Of snippets of 16 frames the rows are known, and not the file's frames; of others its frames are."""
    rows = video.snippets if video.edges is None else None
    frames = None if video.edges is None else int(video.edges[-1])
    return TruthVideo(video.name, video.labels, video.events, video.intervals, rows=rows, frames=frames)
