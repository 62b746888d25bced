"""A prediction as files: scores and events as CSV, everything as JSON."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from typing import Any

import numpy as np

from mmvad.predict.prediction import Prediction

DIGITS = 6


def scores_csv(prediction: Prediction) -> str:
    """One line a snippet: start and end in seconds, the scores, `p_CLASS` for every class."""
    columns = {"start": prediction.edges[:-1], "end": prediction.edges[1:], **prediction.scores}
    if prediction.probabilities is not None:
        columns |= {f"p_{c.key}": prediction.probabilities[:, i] for i, c in enumerate(prediction.benchmark.classes)}
    rows = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns.values()])
    return _csv(list(columns), [[f"{value:.{DIGITS}f}" for value in row] for row in rows])


def events_csv(prediction: Prediction) -> str:
    """One line a detected event: class, start and end in seconds, score, peak."""
    rows = [
        [e.label, *(f"{value:.{DIGITS}f}" for value in (e.start, e.end, e.score, e.peak))] for e in prediction.events
    ]
    return _csv(["class", "start", "end", "score", "peak"], rows)


def as_plain(prediction: Prediction) -> dict[str, Any]:
    """The whole prediction as plain values: what a program reads."""
    classes = prediction.benchmark.class_keys
    snippets = []
    for i in range(len(prediction.edges) - 1):
        row: dict[str, Any] = {"start": _round(prediction.edges[i]), "end": _round(prediction.edges[i + 1])}
        row |= {name: _round(values[i]) for name, values in prediction.scores.items()}
        if prediction.probabilities is not None:
            row["classes"] = dict(zip(classes, map(_round, prediction.probabilities[i]), strict=True))
        snippets.append(row)
    truth = prediction.truth
    return {
        "name": prediction.name,
        "benchmark": prediction.benchmark.name,
        "duration": _round(prediction.duration),
        "notes": list(prediction.notes),
        "events": [_class_key(asdict(event)) for event in prediction.events],
        "truth": None if truth is None else [_class_key(asdict(event)) for event in truth],
        "snippets": snippets,
    }


def _class_key(event: dict[str, Any]) -> dict[str, Any]:
    """`label` is spelled `class` outside, as in the CSV."""
    return {"class" if key == "label" else key: _round(v) if isinstance(v, float) else v for key, v in event.items()}


def _round(value: float) -> float:
    return round(float(value), DIGITS)


def _csv(heading: list[str], rows: list[list[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows(rows)
    return text.getvalue()
