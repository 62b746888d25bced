"""Figures of single test videos: two runs over one another (Fig. 6), abnormal and normal ones (Fig. 7)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.errors import UserError
from mmvad.figures.pictures import Picture, save
from mmvad.figures.run_figures import curve_on, row_seconds, some_videos
from mmvad.metrics.evaluate import frame_scores
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.tables.choosing import select
from mmvad.tables.notes import caption_notes
from mmvad.tables.results import Record, Results, RowRuns, Selection
from mmvad.tables.scored import Truths, scored_run
from mmvad.tables.studies import study_named

NAMED = {
    "ucf_crime": ("Burglary024", "Explosion033", "Normal_Videos_887"),
    "xd_violence": ("v=bU86SW6L7Tc", "v=pFamvR9CpYw", "Mission.Impossible.II.2000"),
}
"""The videos of the paper's Fig. 6, by the start of their names."""
MOST = 6
BEFORE = "#e08214"
WIDTH = 11.0
"""Inches of a figure."""


def context_prompt_figure(
    folder: Path,
    benchmark: str,
    results: Results,
    truths: Truths,
    named: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> Picture:
    """Fig. 6: scores before and after ACP over the ground truth, of the same seed, on the paper's videos."""
    title = f"Fig. 6. Before and after ACP ({benchmark_named(benchmark).title})"
    selection = _selection("VIII", benchmark, results, overrides)
    pair = _pair(selection)
    if pair is None:
        return Picture(
            title,
            "",
            missing=f"needs a run without ACP and one with it: `{study_named('VIII', benchmark, overrides).command}`",
        )
    try:
        before, after = (scored_run(record, truths) for record in pair)
    except UserError as error:
        return Picture(title, "", missing=" ".join(str(error).split()))
    videos, how = chosen_videos(benchmark_named(benchmark), after, named or NAMED.get(benchmark, ()))
    earlier = {video.name: video for video in before}
    figure, panels = curve_panels(len(videos))
    for axes, video in zip(panels, videos):
        draw_over(axes, benchmark_named(benchmark), earlier[video.name], video)
    shared_legend(figure, panels[0], {"before": "without ACP", "combined": "with ACP"})
    seeds = " and ".join(str(seed) for seed in dict.fromkeys(record["seed"] for record in pair))
    drawn = [RowRuns(row.row, (record,)) for row in selection.rows for record in pair if record in row.runs]
    caption = f"Combined score, without ACP and with it, seed {seeds}; ground truth shaded. {how}"
    caption += caption_notes(benchmark, selection, drawn)
    return Picture(title, caption, save(figure, folder, f"fig6_{benchmark}"))


def context_prompt_pair(benchmark: str, results: Results) -> tuple[Record, Record] | None:
    """A run without ACP and one with it, of the same seed where there is one; None where either is missing."""
    return _pair(_selection("VIII", benchmark, results))


def _pair(selection: Selection) -> tuple[Record, Record] | None:
    rows = {row.row.settings["model.acp"]: row.runs for row in selection.rows}
    pairs = [(a, b) for a in rows.get("none", ()) for b in rows.get("pre_post", ())]
    return min(pairs, key=lambda pair: (pair[0]["seed"] != pair[1]["seed"], pair[0]["seed"]), default=None)


def qualitative_figure(
    folder: Path,
    benchmark: str,
    results: Results,
    truths: Truths,
    named: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> Picture:
    """Fig. 7: score curves of abnormal and normal test videos of the base run."""
    title = f"Fig. 7. Scores of abnormal and normal test videos ({benchmark_named(benchmark).title})"
    selection = _selection("VI", benchmark, results, overrides)
    base = selection.base
    if base is None:
        return Picture(title, "", missing=f"needs the base run: `{study_named('VI', benchmark, overrides).command}`")
    try:
        scored = scored_run(base.runs[0], truths)
    except UserError as error:
        return Picture(title, "", missing=" ".join(str(error).split()))
    videos, how = chosen_videos(benchmark_named(benchmark), scored, named)
    figure, panels = curve_panels(len(videos))
    for axes, video in zip(panels, videos):
        curve_on(axes, benchmark_named(benchmark), video)
        name_panel(axes, benchmark_named(benchmark), video)
    shared_legend(figure, panels[0], {name: name for name in ("combined", "coarse", "fine")})
    caption = f"Row {base.row.label}, seed {base.runs[0]['seed']}; ground truth shaded. {how}"
    caption += caption_notes(benchmark, selection, [base])
    return Picture(title, caption, save(figure, folder, f"fig7_{benchmark}"))


def chosen_videos(
    benchmark: Benchmark, videos: Sequence[ScoredVideo], named: Sequence[str]
) -> tuple[list[ScoredVideo], str]:
    """Up to MOST test videos whose names begin with one of `named`, or else some spread over the names; and which."""
    found = [video for start in named for video in sorted(videos, key=lambda v: v.name) if video.name.startswith(start)]
    if found:
        cut = f"The first {MOST} of {len(found)} test videos with these names." if len(found) > MOST else ""
        return found[:MOST], cut
    how = "Videos spread evenly over the names, not chosen by how well they came out."
    lacking = f" The test set at hand has none of {', '.join(named)}." if named else ""
    return some_videos(benchmark, videos), how + lacking


def draw_over(axes: Axes, benchmark: Benchmark, before: ScoredVideo, after: ScoredVideo) -> None:
    """Two runs' combined scores of one video over one another."""
    earlier = frame_scores([before])["combined"]
    curve_on(axes, benchmark, after, ["combined"])
    axes.stairs(earlier, row_seconds(benchmark, before), color=BEFORE, linewidth=1.3, baseline=None, label="before")
    name_panel(axes, benchmark, after)


def name_panel(axes: Axes, benchmark: Benchmark, video: ScoredVideo, above: float = 0.0) -> None:
    """Writes the video's name and label over a panel, `above` inches higher than usual."""
    names = {c.key: c.prompt for c in benchmark.classes}
    short = video.name if len(video.name) <= 44 else f"{video.name[:43]}…"
    title = f"{short}  ({', '.join(names[key] for key in video.labels)})"
    axes.set_title(title, fontsize=8, loc="left", pad=6 + 72 * above)


def shared_legend(figure: Figure, axes: Axes, names: dict[str, str]) -> None:
    """One legend above all panels, so that it hides no curve."""
    drawn = dict(zip(*reversed(axes.get_legend_handles_labels())))
    shown = {spelled: drawn[name] for name, spelled in names.items() if name in drawn}
    figure.legend(shown.values(), shown.keys(), loc="outside upper right", ncols=3, fontsize=8, frameon=False)


def curve_panels(count: int, above: float = 0.0) -> tuple[Figure, list[Axes]]:
    """Two columns of panels, with `above` inches of room over each."""
    lines = -(-count // 2)
    figure = Figure(figsize=(WIDTH, (1.9 + above) * lines + 0.3), layout="constrained")
    return figure, [figure.add_subplot(lines, 2, i + 1) for i in range(count)]


def _selection(key: str, benchmark: str, results: Results, overrides: Sequence[str] = ()) -> Selection:
    return select(results, study_named(key, benchmark, overrides))
