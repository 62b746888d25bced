"""`card.md`: a run on one page. What it was trained on, what it is worth, where it fails, and how to make it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.config.load import Tree, load_config, plain, spelled
from mmvad.config.schema import CHOSEN, Config
from mmvad.config.shipped import find_file
from mmvad.figures.pictures import file_name
from mmvad.figures.run_figures import draw_curve
from mmvad.metrics.bootstrap import LEVEL, RESAMPLES, Headline, mean_interval, resampled_metric, video_weights
from mmvad.metrics.evaluate import is_normal
from mmvad.metrics.frame_metrics import HEADINGS
from mmvad.metrics.judged import judged_scores
from mmvad.metrics.measures import HELD_OUT, MEASURES, USE
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.runs import RunFolder
from mmvad.system.disk import write_whole
from mmvad.system.markdown import as_code, as_text
from mmvad.training.prepare import Prepared

WORST = 5
DRAWN = 2
"""Of the worst abnormal and of the worst normal videos, as many have their curve."""
_NOT_SETTINGS = {"runtime", "seed", "benchmark"}


def write_card(
    folder: RunFolder,
    prepared: Prepared,
    report: dict[str, Any],
    videos: Sequence[ScoredVideo],
    manifest: dict[str, Any],
) -> None:
    """Writes the card of a run whose report is about to be written, and with `runtime.figures` its worst curves."""
    ordered = sorted(videos, key=lambda video: video.name)
    worst = worst_videos(prepared, ordered)
    drawn = _draw(folder, prepared, worst) if prepared.config.runtime.figures else {}
    lines = [
        f"# {as_text(folder.path.name)}",
        "",
        *headline_lines(prepared, report, ordered),
        "",
        "## Made of",
        "",
        *_made_of(prepared, report, manifest),
        "",
        "## In use",
        "",
        *use_lines(report),
        "",
        "## Where it fails",
        "",
        *_worst_lines(worst, drawn),
        *_class_lines(prepared, report),
        "",
    ]
    write_whole(folder.card, "\n".join(lines).encode())


def headline_lines(prepared: Prepared, report: dict[str, Any], videos: Sequence[ScoredVideo]) -> list[str]:
    """The headline figure with its interval over test videos, and how its checkpoint was chosen."""
    metric = cast(Headline, prepared.benchmark.headline)
    value = report["scores"]["combined"][metric]
    title = as_text(prepared.benchmark.title)
    if value is None:
        return [f"No {HEADINGS[metric]} on {title}: {report['scores']['combined']['reasons'][metric]}."]
    of = f"combined score of seed {report['config']['seed']}"
    within, said = _interval(prepared, metric, videos)
    lines = [f"**{HEADINGS[metric]} {100 * value:.2f}**{within} on {title} ({of}; {said})."]
    return [*lines, *([f"Note: {CHOSEN[report['select']]}."] if report["select"] in CHOSEN else [])]


def _interval(prepared: Prepared, metric: Headline, videos: Sequence[ScoredVideo]) -> tuple[str, str]:
    """The headline's interval over test videos in brackets, and what they are, or why there is none."""
    trapezoid = prepared.config.quirks.trapezoid_ap
    try:
        draws = resampled_metric(videos, metric, video_weights(len(videos), RESAMPLES), trapezoid=trapezoid)
        low, high, _ = mean_interval({prepared.config.seed: draws})
    except ValueError as error:
        return "", f"without interval: {error}"
    return f" [{100 * low:.2f}, {100 * high:.2f}]", f"in brackets its {LEVEL:.0%} interval over test videos"


def use_lines(report: dict[str, Any]) -> list[str]:
    """Every measure of use of the combined score as a table, and the threshold that some of them are at."""
    figures = report[USE]["combined"]
    rows = [
        f"| {measure.heading} | {100 * value if measure.unit == 'fraction' else value:.2f} |"
        for measure in MEASURES
        if (value := figures[measure.name]) is not None
    ]
    threshold = figures[HELD_OUT]
    said = f"{threshold:.4g}" if threshold is not None else "none, since no training videos were held out"
    return [
        f"Threshold from held-out training videos: {said}.",
        "",
        "| measure (percent) | combined |",
        "|---|---:|",
        *rows,
    ]


def worst_videos(prepared: Prepared, videos: Sequence[ScoredVideo]) -> list[tuple[ScoredVideo, str]]:
    """The abnormal videos of lowest AUC inside, then the normal ones of highest MIL score, each with its figure."""
    judged = judged_scores(prepared.benchmark, videos)["combined"]
    inside = judged.own_aucs
    abnormal = [i for i in np.argsort(inside, kind="stable") if np.isfinite(inside[i])][:WORST]
    normal = [i for i in np.argsort(-judged.mil, kind="stable") if is_normal(prepared.benchmark, videos[i])][:WORST]
    return [
        *((videos[i], f"AUC inside {100 * inside[i]:.1f}") for i in abnormal),
        *((videos[i], f"normal, video score {judged.mil[i]:.2f}") for i in normal),
    ]


def _draw(folder: RunFolder, prepared: Prepared, worst: Sequence[tuple[ScoredVideo, str]]) -> dict[str, Path]:
    folder.figures.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, Path] = {}
    for normal in (False, True):
        kind = [video for video, _ in worst if is_normal(prepared.benchmark, video) == normal]
        for i, video in enumerate(kind[:DRAWN]):
            path = folder.figures / f"worst_{'normal' if normal else 'abnormal'}_{i}_{file_name(video.name)}.png"
            drawn[video.name] = draw_curve(path, prepared.benchmark, video, CHOSEN.get(prepared.config.select))
    return drawn


def _made_of(prepared: Prepared, report: dict[str, Any], manifest: dict[str, Any]) -> Iterator[str]:
    config, bank = prepared.config, prepared.bank
    tower = manifest["bank"].get("extraction")
    yield f"- bank {bank.content_hash[:12]}: {len(bank.train.videos)} training, {len(bank.test.videos)} test videos"
    yield f"- features {as_text(bank.features)}" + (f", extracted here: {as_text(_words(tower))}" if tower else "")
    parameters = f"{report['trainable_parameters']:,} trainable parameters"
    yield f"- {as_text(config.model.name)}, modalities {config.modalities}, {parameters}"
    if report["selected_epoch"]:
        yield f"- epoch {report['selected_epoch']} of {config.optim.epochs}, {report['precision']}"
    base, differing = differing_settings(config, prepared.benchmark)
    yield f"- settings other than {base}: {as_text(', '.join(differing)) or 'none'}"
    yield f"- again: {as_code(command(prepared))}"


def command(prepared: Prepared) -> str:
    """What makes the run again, from its own folder's configuration."""
    config = f"--config={prepared.folder.path / 'config.yaml'}"
    return shlex.join(["mmvad", "train", config, "--runtime.results=again"])


def differing_settings(config: Config, benchmark: Benchmark) -> tuple[str, list[str]]:
    """The base configuration of the run's benchmark, and where the run is another, as `key=value`."""
    names = [f"experiments/{name}.yaml" for name in (benchmark.name, benchmark.settings)]
    found = next(((name, file) for name in names if (file := find_file(name, "experiments"))), None)
    base = plain(load_config([found[1]] if found else []))
    return found[0] if found else "the defaults", list(_differing(plain(config), base))


def _differing(tree: Tree, base: Any, prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        before = base.get(key) if isinstance(base, dict) else None
        if prefix + key in {"data.bank", *_NOT_SETTINGS}:
            continue
        if isinstance(value, dict):
            yield from _differing(value, before, f"{prefix}{key}.")
        elif value != before:
            yield f"{prefix}{key}={spelled(value)}"


def _worst_lines(worst: Sequence[tuple[ScoredVideo, str]], drawn: dict[str, Path]) -> Iterator[str]:
    for video, figure in worst:
        link = f" ([curve](figures/{drawn[video.name].name}))" if video.name in drawn else ""
        yield f"- {as_text(video.name)} ({as_text(', '.join(video.labels))}): {figure}{link}"


def _class_lines(prepared: Prepared, report: dict[str, Any]) -> list[str]:
    """The classes from the worst on."""
    metric = prepared.benchmark.headline
    classes = report["scores"]["combined"]["classes"]
    known = sorted((own[metric], key, own["videos"]) for key, own in classes.items() if own[metric] is not None)
    if not known:
        return []
    rows = [f"| {as_text(key)} | {videos} | {100 * value:.2f} |" for value, key, videos in known]
    return ["", f"| class, the worst first | videos | {HEADINGS[metric]} |", "|---|---:|---:|", *rows]


def _words(tower: Any) -> str:
    return ", ".join(f"{key} {value}" for key, value in tower.items()) if isinstance(tower, dict) else str(tower)
