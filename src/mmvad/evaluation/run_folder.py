"""A run folder of scores that another program wrote, so that its method stands as a row in every table.

truth.json  what the scores were held against     scores.npz, figures/, manifest.json, report.json  as of any run
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mmvad import __version__
from mmvad.bank.index import read_annotators
from mmvad.benchmarks.benchmark import Event
from mmvad.benchmarks.registry import remember
from mmvad.benchmarks.timeline import Timing
from mmvad.config.identity import SCHEMA_VERSION
from mmvad.errors import UserError
from mmvad.evaluation.foreign_scores import ForeignScores
from mmvad.evaluation.matching import Matched
from mmvad.evaluation.truth import Truth
from mmvad.figures.run_figures import draw_figures
from mmvad.metrics.checks import check_outputs
from mmvad.metrics.evaluate import evaluate
from mmvad.metrics.in_use import in_use
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.runs import RunFolder, read_json, write_json, write_scores
from mmvad.system.disk import disk_errors, sole_writer

PREFIX = "elsewhere:"
"""Before a method's name where `model.name` stands: no name of ours begins like this."""
_LONGEST_NAME = 60
_SELECT = "unknown"
"""How the checkpoint was chosen: whoever made the scores knows."""
_AGAIN = "evaluate the scores again: mmvad evaluate SCORES --benchmark B --out RUN --name NAME"


@dataclass(frozen=True)
class Described:
    """What a user says of a method; what is not said stays open in tables.

    Attributes:
        name: as tables print it.
        seed: which of the method's runs it is: rows are means over them.
        modalities: what it reads: v, va, vt or vat.
        features: what it reads pictures with.
        supervision: weak, unsupervised, ...
    """

    name: str
    seed: int = 0
    modalities: str | None = None
    features: str | None = None
    supervision: str | None = None

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.name.isprintable() or len(self.name) > _LONGEST_NAME:
            expected = f"the method's name as tables shall print it, up to {_LONGEST_NAME} characters"
            raise UserError("--name", f"{self.name!r} is no name", expected=expected)


def foreign_report(scores: ForeignScores, truth: Truth, matched: Matched, described: Described) -> dict[str, Any]:
    """`report.json` of the scores: every figure as of any run, and under `foreign` whose they are and from where."""
    content = [scores.digest, truth.content_hash, matched.per, described.name, described.seed, SCHEMA_VERSION]
    return {
        "schema": SCHEMA_VERSION,
        "identity": hashlib.sha256(json.dumps(content).encode()).hexdigest(),
        "bank_hash": truth.content_hash,
        "precision": None,
        "config": {
            "benchmark": truth.benchmark.name,
            "seed": described.seed,
            "modalities": described.modalities,
            "model": {"name": f"{PREFIX}{described.name}"},
            "select": _SELECT,
            **({"data": {"fold": truth.benchmark.fold}} if truth.benchmark.fold else {}),
        },
        "select": _SELECT,
        "features": described.features or "-",
        "trainable_parameters": None,
        "headline": {"score": "combined", "metric": truth.benchmark.headline},
        "foreign": {
            "title": described.name,
            "classes": all(video.class_probabilities is not None for video in matched.videos),
            "supervision": described.supervision or "-",
            "scores_from": f"{scores.path.name}, sha256 {scores.digest[:12]}",
            "per": matched.per,
            "held_against": "bank" if truth.bank else "lists",
            "test_videos": len(truth.videos),
            "missing": list(matched.missing),
            "notes": list(matched.notes),
        },
        **evaluate(truth.benchmark, matched.videos),
        **in_use(truth.benchmark, matched.videos),
    }


def write_foreign_run(path: Path, report: dict[str, Any], truth: Truth, matched: Matched) -> RunFolder:
    """Writes the folder, its report last. Raises UserError where another run lies there."""
    folder = RunFolder(path)
    with sole_writer(path.resolve()):
        _refuse_another(folder, report["identity"])
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        write_json(folder.truth, _truth_record(truth, matched))
        write_scores(folder.scores, matched.videos)
        title = f"scores from elsewhere: {report['foreign']['title']} ({report['foreign']['scores_from']})"
        draw_figures(folder.figures, truth.benchmark, matched.videos, title)
        write_json(folder.manifest, _manifest(report, truth))
        write_json(folder.report, report)
    return folder


def foreign_videos(folder: RunFolder) -> list[ScoredVideo]:
    """The scored videos of a folder that `write_foreign_run` made, by name. Raises UserError where it is damaged."""
    record = read_json(folder.truth, ("per", "videos"))
    try:
        with np.load(folder.scores, allow_pickle=False) as arrays:
            videos = [_scored(video, arrays, record["per"]) for video in record["videos"]]
        check_outputs(videos)
    except UserError as error:
        raise UserError(folder.scores, f"{error.where} {error.problem}", expected=error.expected, fix=_AGAIN) from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise UserError(folder.scores, f"cannot be read beside truth.json: {error!r}", fix=_AGAIN) from None
    return videos


def _refuse_another(folder: RunFolder, identity: str) -> None:
    there = folder.path.is_dir() and any(folder.path.iterdir())
    if not there:
        return
    fix = "choose another place for --out"
    if not folder.foreign:
        raise UserError(folder.path, "is a folder of something else", expected="a new folder", fix=fix)
    found = read_json(folder.report).get("identity") if folder.finished else identity
    if found != identity:
        problem = f"holds other scores or another name ({str(found)[:12]})"
        raise UserError(folder.path, problem, expected="a new folder, or the same scores again", fix=fix)


def remember_benchmark(folder: RunFolder) -> None:
    """Makes a user's benchmark known, of which a finished run is, without the benchmark's file."""
    file, key = (folder.truth, "definition") if folder.foreign else (folder.manifest, "benchmark")
    facts = read_json(file).get(key) if folder.foreign or file.is_file() else None
    if facts:
        remember(facts, file)


def _truth_record(truth: Truth, matched: Matched) -> dict[str, Any]:
    timings = {video.name: video.timing.record() for video in truth.videos}
    return {
        **({"definition": truth.benchmark.facts} if truth.benchmark.own else {}),
        "per": matched.per,
        "videos": [
            {
                "name": video.name,
                "labels": video.labels,
                "events": [[event.label, event.start, event.end] for event in video.events],
                "intervals": video.intervals,
                **({"timing": timings[video.name]} if timings[video.name] else {}),
                **({"annotators": video.annotators} if video.annotators else {}),
            }
            for video in matched.videos
        ],
    }


def _scored(record: dict[str, Any], arrays: Any, per: str) -> ScoredVideo:
    combined, coarse, classes = (arrays.get(f"{record['name']}/{part}") for part in ("combined", "coarse", "classes"))
    events = tuple(Event(label, int(start), int(end)) for label, start, end in record["events"])
    intervals = tuple((int(start), int(end)) for start, end in record["intervals"])
    video = ScoredVideo(record["name"], tuple(record["labels"]), events, intervals, coarse, classes, combined)
    if not video.snippets:
        raise ValueError(f"no scores of {video.name}")
    timing = Timing(**record.get("timing", {}))
    edges = timing.edges(video.snippets) if per == "row" else np.arange(video.snippets + 1, dtype=np.int64)
    annotators = read_annotators(record.get("annotators", ()))
    return replace(video, edges=edges, fps=timing.fps, annotators=annotators)


def _manifest(report: dict[str, Any], truth: Truth) -> dict[str, Any]:
    return {
        "identity": report["identity"],
        "precision": None,
        "bank": {"path": str(truth.bank) if truth.bank else None, "content_hash": truth.content_hash},
        "held_against": truth.source,
        "command": sys.argv,
        "host": platform.node(),
        "versions": {"python": platform.python_version(), "mmvad": __version__, "numpy": np.__version__},
        "finished": datetime.now(UTC).isoformat(),
    }
