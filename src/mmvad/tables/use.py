"""The measures of use of a run that is older than they are, from the scores that it left; kept beside its report."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from mmvad.benchmarks.registry import known_benchmark
from mmvad.errors import UserError
from mmvad.metrics.measures import HELD_OUT, MEASURES, USE, measures
from mmvad.runs import RunFolder, read_json, write_json
from mmvad.tables.scored import Truths, own_videos

_DIGEST = "scores_sha256"


def with_use(folder: RunFolder, report: dict[str, Any], recorded: str | None, truths: Truths) -> dict[str, Any]:
    """The report with every measure of use that its scores give; as it is where scores or ground truth are not here.

    What has to be computed is written to `measures.json`, so that it is computed once.

    Args:
        recorded: where the run says that its bank lies.
    """
    if _is_whole(report.get(USE)) or not folder.scores.is_file():
        return report
    kept = _kept(folder)
    if kept is None:
        try:
            videos = own_videos(folder, report["bank_hash"], recorded, truths)
            kept = measures(known_benchmark(report["config"]["benchmark"]), videos)
        except (UserError, ValueError):  # what the report itself says stays good
            return report
        with suppress(UserError):  # the folder may be one that cannot be written to
            write_json(folder.measures, {_DIGEST: _digest(folder), USE: kept})
    return {**report, USE: {score: {**kept[score], **_own(report, score)} for score in kept}}


def held_out_of(folder: RunFolder) -> dict[str, float]:
    """By score, the thresholds from held-out videos that a finished run's report knows."""
    scores = read_json(folder.report).get(USE, {})
    return {name: own[HELD_OUT] for name, own in scores.items() if own.get(HELD_OUT) is not None}


def _own(report: Mapping[str, Any], score: str) -> dict[str, Any]:
    """What the report itself has of a score: it may know a threshold from held-out videos."""
    figures = report.get(USE, {}).get(score, {})
    return {name: value for name, value in figures.items() if value is not None}


def _kept(folder: RunFolder) -> dict[str, Any] | None:
    """What `measures.json` holds; None where it is not there, damaged, or of other scores or fewer measures."""
    try:
        content = read_json(folder.measures, (_DIGEST, USE))
    except UserError:
        return None
    return content[USE] if content[_DIGEST] == _digest(folder) and _is_whole(content[USE]) else None


def _is_whole(use: Any) -> bool:
    names = {measure.name for measure in MEASURES}
    parts = list(use.values()) if isinstance(use, dict) else []
    return bool(parts) and all(isinstance(part, dict) and names <= part.keys() for part in parts)


def _digest(folder: RunFolder) -> str:
    return hashlib.sha256(folder.scores.read_bytes()).hexdigest()
