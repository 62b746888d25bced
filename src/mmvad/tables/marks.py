"""What marks a run's row in every table: published quirks and other readings of a method that it used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmvad.tables.filled import ELSEWHERE, QUIRKY, RECONSTRUCTED, FilledRow
from mmvad.tables.frame import method_of

_OFF = {False, "none"}
NOT_TRAINED = "public weights, not trained here; public code as a rule keeps the epoch that is best on the test set"


def quirks_of(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The published quirks of a run that are on, and its method's switches, as `key=value`.

    Args:
        record: the run's configuration as dotted keys.
    """
    quirks = {key: value for key, value in record.items() if key.startswith("quirks.") and value is not None}
    used = {key: value for key, value in quirks.items() if value not in _OFF}
    peer = method_of(record)
    used |= {key: value for key, value in (peer.switches if peer else {}).items() if record.get(key) == value}
    return tuple(f"{_short(key)}={value}" for key, value in used.items())


def run_marks(record: Mapping[str, Any]) -> list[str]:
    """What has to be said of a single run's figures."""
    peer = method_of(record)
    messages = [f"{peer.title} is a reconstruction: {_INFERRED}"] if peer and peer.reconstruction else []
    messages += [NOT_TRAINED] if record.get("published_weights") else []
    switches = quirks_of(record)
    return [*messages, f"switches on: {', '.join(switches)}"] if switches else messages


def mark_notes(rows: Sequence[FilledRow]) -> list[str]:
    """What the marks of a table's rows mean; rows with the same switches share a line."""
    names: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if row.quirks:
            names.setdefault(row.quirks, []).append(row.lead[0])
    notes = [f"{QUIRKY} {', '.join(who)}: switches on: {', '.join(quirks)}" for quirks, who in names.items()]
    if any(row.reconstruction for row in rows):
        notes.append(f"{RECONSTRUCTED} reconstruction: {_INFERRED}")
    found = [(row.lead[0], "; ".join(row.elsewhere)) for row in rows if row.elsewhere]
    return [*notes, *(f"{ELSEWHERE} {who}: another program's scores, evaluated here ({files})" for who, files in found)]


_INFERRED = "parts are inferred, since neither paper nor code says them"


def _short(key: str) -> str:
    """A quirk or a method's own key by its last name: the row says whose it is."""
    return key.rpartition(".")[2] if key.startswith(("quirks.", "peers.")) else key
