"""What gives a video its scores: a trained run, or a model that was exported from one. No torch here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from mmvad.bank.index import BankVideo
from mmvad.benchmarks.benchmark import Benchmark
from mmvad.config.schema import CHOSEN
from mmvad.errors import UserError
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.predict.sources import Source

SILENT = "no sound: the audio gate is closed, the picture alone is scored"


class Scorer(Protocol):
    """Attributes:
    name, identity, weights: the run's, and the file that has its weights.
    extraction: how the features that it knows were made; None where nothing says so.
    unfinished: the epoch of the weights, in words, where the run is not finished; else None.
    made_by: which run gave the scores, for the foot of a page.
    """

    @property
    def name(self) -> str: ...
    @property
    def identity(self) -> str: ...
    @property
    def weights(self) -> str: ...
    @property
    def benchmark(self) -> Benchmark: ...
    @property
    def extraction(self) -> dict[str, Any] | None: ...
    @property
    def unfinished(self) -> str | None: ...
    @property
    def uses_audio(self) -> bool: ...
    @property
    def made_by(self) -> str: ...

    def overlap(self, wanted: int | None) -> int:
        """How many snippets chunks share: as many as wanted, or as in the run's test. Raises UserError for too many."""
        ...

    def score(self, source: Source, overlap: int | None = None) -> ScoredVideo:
        """The scores of one video. Raises UserError for features of another width than the run's."""
        ...

    def note(self, source: Source) -> tuple[str, ...]:
        """What a reader of the scores must know of how they came about."""
        ...

    def truths(self) -> Mapping[str, BankVideo]:
        """The run's test videos, which know their truth, by name, where they are at hand."""
        ...


def chosen_overlap(wanted: int | None, length: int, own: int) -> int:
    """Snippets that chunks share: those wanted, or the run's own. Raises UserError for too many of them."""
    if wanted is not None and not 0 <= wanted < length:
        expected = f"0 to {length - 1}: less than the {length} snippets of a chunk"
        raise UserError("--chunk-overlap", f"{wanted} snippets", expected=expected)
    return own if wanted is None else wanted


def scored_crops(there: Collection[int], tested: int, *, every: bool) -> tuple[int, ...]:
    """Of the crops that are there those that are scored: as in the run's test, or the one that there is."""
    if every:
        return tuple(sorted(there))
    return (tested if tested in there else min(there),)


def sound_note(source: Source, *, uses_audio: bool) -> tuple[str, ...]:
    """That a video without sound was scored by its picture alone, where a run listens."""
    if not uses_audio or source.audio is not None:
        return ()
    return (f"{SILENT} ({source.sought} is not there)" if source.sought else SILENT,)


def check_width(where: object, modality: str, found: int, wanted: int) -> None:
    """Raises UserError for features of another width than the run's; the modality is `visual` or `audio`."""
    if found != wanted:
        raise UserError(
            where,
            f"{modality} features of width {found}",
            expected=f"width {wanted}, as the run was trained on",
            fix=f"take the network that made the bank's features (--{modality}-tower), or a run of such features",
        )


def made_by(name: str, weights: str, select: str, *, several: bool) -> str:
    """Which run gave the scores, in a line; `several`: it has a coarse and a fine one."""
    branches = "; combined is the larger of coarse and fine" if several else ""
    policy = f"; {CHOSEN[select]}" if select in CHOSEN else ""
    return f"mmvad, run {name}, {weights}{branches}{policy}"
