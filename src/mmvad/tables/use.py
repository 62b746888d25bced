"""The measures of use of a run that is older than they are, from the scores that it left; kept beside its report."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from mmvad.benchmarks.registry import known_benchmark
from mmvad.errors import UserError
from mmvad.metrics.measures import MEASURES, REASONS, USE, measures, no_measures
from mmvad.runs import RunFolder, read_json, write_json
from mmvad.tables.scored import Truths, found_wrong, own_videos

_DIGEST = "scores_sha256"
_OLDER = "the run is older than this figure"
_RETEST = f"{_OLDER}, and its threshold is not known: `mmvad test RUN` prints it"


def with_use(folder: RunFolder, report: dict[str, Any], recorded: str | None, truths: Truths) -> dict[str, Any]:
    """The report with every measure of use; where its scores or their ground truth are not here, with the reason.

    What has to be computed is written to `measures.json`, so that it is computed once.

    Args:
        recorded: where the run says that its bank lies.
    """
    if _is_whole(report.get(USE)):
        return report
    own = report.get(USE, {})
    found = _without_threshold(report, _computed(folder, report, recorded, truths))
    return {**report, USE: {score: _merged(own.get(score, {}), found[score]) for score in found}}


def _computed(folder: RunFolder, report: Mapping[str, Any], recorded: str | None, truths: Truths) -> dict[str, Any]:
    """The measures that a run's scores give, or why they give none: what the report itself says stays good."""
    if not folder.scores.is_file():
        return no_measures(f"{_OLDER}, and its scores.npz is not here")
    kept = _kept(folder)
    if kept is not None:
        return kept
    try:
        videos = own_videos(folder, report["bank_hash"], recorded, truths)
        found = measures(known_benchmark(report["config"]["benchmark"]), videos)
    except UserError as error:
        return no_measures(f"{found_wrong(error, truths)}, and {_OLDER}")
    except ValueError as error:
        return no_measures(f"{folder.scores}: not as a run leaves it ({error}), and {_OLDER}")
    with suppress(UserError):  # the folder may be one that cannot be written to
        write_json(folder.measures, {_DIGEST: _digest(folder), USE: found})
    return found


def _without_threshold(report: Mapping[str, Any], use: Mapping[str, Any]) -> dict[str, Any]:
    """The measures with the reason why there is no threshold, where the run did hold videos out."""
    if not report["config"].get("data", {}).get("validation_share"):
        return dict(use)
    reasons = {measure.name: _RETEST for measure in MEASURES if measure.held_out}
    return {
        score: {**own, REASONS: {**own[REASONS], **{n: r for n, r in reasons.items() if own[n] is None}}}
        for score, own in use.items()
    }


def _merged(own: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """What was computed, under what the report itself has of a score: it may know a threshold from held-out videos."""
    known = {name: value for name, value in own.items() if value is not None and name != REASONS}
    return {**found, **known, REASONS: {**found[REASONS], **own.get(REASONS, {})}}


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
