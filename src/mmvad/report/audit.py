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
from mmvad.metrics.frame_metrics import HEADINGS
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.report.audit_material import Material
from mmvad.report.audit_steps import Audited, Step, audit_run
from mmvad.runs import RunFolder, read_json, read_report, require_finished, write_json
from mmvad.system.disk import whole_set, write_whole
from mmvad.system.markdown import as_text
from mmvad.tables.frame import run_folders
from mmvad.tables.scored import Truths, own_videos, require_banks, scores_in

_AGAIN = "remove it; the same training with --runtime.audit=on makes it again"


def write_audit(
    run: Path,
    banks: Sequence[Path] = (),
    truth: Path | None = None,
    resamples: int = RESAMPLES,
    out: Path | None = None,
) -> tuple[Audited, str, tuple[Path, ...]]:
    """Audits a finished run and writes `audit.{md,json,png,svg}` together; gives the steps, their title and the files.

    Args:
        banks: where banks lie now, for runs that were made elsewhere.
        truth: another frame ground truth, in a form that `mmvad data audit` reads.
        out: where the files go; into `audit/` of the run's folder by default.

    Raises UserError for what is no finished run, for a bank or scores that are not here, and for a truth that cannot be
    read.
    """
    require_banks(banks)
    folder = RunFolder(run)
    require_finished(folder)
    report = read_report(folder)
    remember_benchmark(folder)
    benchmark = known_benchmark(report["config"]["benchmark"])
    truths = Truths(banks, fix="say where it lies now: mmvad audit --bank DIR")
    material = _material(folder, report, truths)
    metric, name = cast(Headline, benchmark.headline), folder.path.resolve().name
    with whole_set(out or folder.audit, last="audit.json") as fresh:
        found = audit_run(material, metric, resamples, _other_truth(truth, benchmark, material.reported.videos))
        picture = audit_figure(fresh, found, name)
        write_whole(fresh / "audit.md", "\n".join(audit_lines(found, name)).encode() + b"\n")
        write_json(fresh / "audit.json", asdict(found))
    files = ("audit.md", *(file.name for file in picture.files))
    return found, picture.title, tuple((out or folder.audit) / file for file in files)


def audit_figure(folder: Path, found: Audited, name: str) -> Picture:
    """The steps as bars."""
    bars: list[Bar] = []
    at: float | None = None
    for step in found.steps:
        value = None if step.value is None else 100 * step.value
        low, high = (None if g is None or at is None else at + 100 * g for g in (step.low, step.high))
        start = at if step.gain is not None else None
        bars.append(Bar(step.name, start, value, low, high, step.habit, _absent(step)))
        at = value if value is not None else at
    caption = f"{summary(found)} Lines: the {LEVEL:.0%} interval of each step over test videos."
    unit = f"{HEADINGS[found.metric]} (percent)"
    return waterfall_figure(folder, "audit", f"What each habit is worth: {name}", caption, bars, unit)


def _absent(step: Step) -> str:
    """What stands in place of the bar of a step that is not in the chain."""
    if step.unknown:
        return "not known"
    return f"{_gain(step)}, not in the sum" if step.applies else "does not apply"


def audit_lines(found: Audited, name: str) -> list[str]:
    """The table of the steps in Markdown, and its sum in words."""
    heading = HEADINGS[found.metric]
    lines = [
        f"**What each habit is worth: {as_text(name)}**",
        "",
        f"| step | {heading} | gain [95 %] | |",
        "|---|---:|---:|---|",
    ]
    lines += [f"| {' | '.join(map(as_text, step_row(step)))} |" for step in found.steps]
    return [*lines, "", summary(found)]


def step_row(step: Step) -> list[str]:
    """A step's name, figure, gain with its interval, and what it was read from or why it is missing.

    A gain that was measured beside the chain stands in parentheses.
    """
    if step.value is None:
        return [step.name, "-", f"({_gain(step)})" if step.gain is not None else "", step.missing]
    return [step.name, f"{100 * step.value:.2f}", _gain(step), step.detail]


def _gain(step: Step) -> str:
    if step.gain is None:
        return ""
    return f"{100 * step.gain:+z.2f}{_within(step.low, step.high)}"


def _within(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{100 * low:+z.2f}, {100 * high:+z.2f}]"


def summary(found: Audited) -> str:
    """`Of +3.10 points, +2.40 are habits.`, with the interval of the sum."""
    missing = sum(step.unknown for step in found.steps)
    left = f" {missing} steps are not known." if missing > 1 else " 1 step is not known." if missing else ""
    within = _within(found.low, found.high)
    return f"Of {100 * found.total:+z.2f} points{within}, {100 * found.habits:+z.2f} are habits.{left}"


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
    return Material(folder, report, read, own, beside, None if folder.foreign else _crops(truths, report, folder))


def _crops(truths: Truths, report: Mapping[str, Any], folder: RunFolder) -> int:
    """How many crops every test video has at least."""
    return min(len(video.crops) for video in truths.of(report["bank_hash"], _recorded(folder)))


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
    frames = frames_by_video(path, Truth(benchmark, known, frozenset(), "the run's test set", ""))
    other = sum(_is_of_another_length(video, frames[video.name]) for video in videos if video.name in frames)
    return path.name + (f", of other lengths in {other} video{'s' * (other > 1)}" if other else ""), frames


def _is_of_another_length(video: ScoredVideo, frames: np.ndarray) -> bool:
    """Whether frames and rows differ by more than two rows: features of one file may have a row more or less."""
    own = int(video.frame_edges[-1])
    return abs(len(frames) - own) > 2 * own / video.snippets


def _truth_video(video: ScoredVideo) -> TruthVideo:
    """Of snippets of 16 frames the rows are known, and not the file's frames; of others its frames are."""
    rows = video.snippets if video.edges is None else None
    frames = None if video.edges is None else int(video.edges[-1])
    return TruthVideo(video.name, video.labels, video.events, video.intervals, rows=rows, frames=frames)
