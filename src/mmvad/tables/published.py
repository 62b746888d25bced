"""Published figures of the paper and its peers, in percent, each with its source and how sure it is.

`published_results.csv` holds them. `published` was read in the source itself, `derived` follows from what the paper's
text and figures say (its table cells are not public), `second-hand` was read in another work.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PAPER = "Multimodal VAD"
"""The method that this suite builds, under its published name."""

_UNSUPERVISED = {"OC-SVM", "Hasan et al.", "GODS", "GCL", "Random", "LAVAD"}
_MARKS = {"published": "", "derived": "*", "second-hand": "**"}


@dataclass(frozen=True)
class Published:
    """One published figure.

    Attributes:
        value: in percent.
        feature, modality: what the method reads; empty where the source does not say.
        confidence: published, derived or second-hand.
    """

    method: str
    dataset: str
    metric: str
    value: float
    feature: str
    modality: str
    source: str
    confidence: str

    @property
    def text(self) -> str:
        """The figure with two decimals and the mark of its confidence."""
        return f"{self.value:.2f}{_MARKS[self.confidence]}"

    @property
    def origin(self) -> tuple[str, ...]:
        """What it reads, as far as that is known, where it is from, and how sure it is."""
        return tuple(part for part in (self.feature, self.modality, self.source, self.confidence) if part)

    @property
    def supervision(self) -> str:
        return "unsupervised" if self.method in _UNSUPERVISED else "weak"


@cache
def published_figures() -> tuple[Published, ...]:
    """All figures of the data file, in its order."""
    with open(Path(__file__).with_name("published_results.csv"), newline="", encoding="utf-8") as file:
        return tuple(Published(**{**row, "value": float(row["value"])}) for row in csv.DictReader(file))  # type: ignore[arg-type]


def find_published(
    method: str, dataset: str, metric: str, feature: str | None = None, modality: str | None = None
) -> Published | None:
    """The figure of that method that is nearest to what is asked for, or None where there is none.

    With the same feature and modality, else the same modality, else the same visual feature, else the first.
    """

    def nearness(figure: Published) -> tuple[bool, bool, bool]:
        same_modality = modality is not None and figure.modality == modality
        same_picture = feature is not None and figure.feature.partition("+")[0] == feature.partition("+")[0]
        return same_modality and figure.feature == feature, same_modality, same_picture

    key = (method, dataset, metric)
    found = [p for p in published_figures() if (p.method, p.dataset, p.metric) == key]
    return max(found, key=nearness, default=None)


def confidence_notes(figures: list[Published]) -> list[str]:
    """What the marks of these figures mean, and where the figures are from."""
    if not figures:
        return []
    meanings = {"derived": "derived from the paper's text and figures", "second-hand": "read in another work"}
    present = {figure.confidence for figure in figures}
    notes = [f"{_MARKS[kind]} {meaning}" for kind, meaning in meanings.items() if kind in present]
    sources = "; ".join(dict.fromkeys(figure.source for figure in figures))
    return [*notes, f"published figures from: {sources}"]
