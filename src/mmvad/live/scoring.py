"""From rows to scores: those that the look-ahead makes due, over all crops that the run is tested with."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.data.look_ahead import NO_LIMIT, Span
from mmvad.errors import UserError
from mmvad.extraction.extractor import Extractor
from mmvad.live.alarms import ScoredSnippet
from mmvad.live.rows import Row
from mmvad.metrics.evaluate import frame_scores
from mmvad.metrics.postprocessing import averaged
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.predict.online import Network, OnlineScorer, RowScores, stream_span
from mmvad.predict.scorer import check_width, chosen_overlap, scored_crops
from mmvad.predict.torch_network import torch_network
from mmvad.predict.trained import TrainedRun
from mmvad.runs import read_json

_SECONDS = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ms|s|m|)")
_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0}
_LONGEST_SECONDS = 86_400.0
USUAL_THRESHOLD = 0.5


def seconds(text: str, option: str) -> float:
    """Of `2s`, `500ms`, `1m`, `0`. Raises UserError, naming the option, for anything else."""
    found = _SECONDS.fullmatch(text.strip())
    if not found:
        raise UserError(f"{option}: {text}", "is no length of time", expected="such as 2s, 500ms, 1m or 0")
    length = float(found[1]) * _UNITS[found[2]]
    if length > _LONGEST_SECONDS:  # more than the system's clocks take is a mistake anyhow
        raise UserError(f"{option}: {text}", "is too long", expected=f"at most {_LONGEST_SECONDS:g}s, a day")
    return length


def look_ahead_of(text: str) -> float | None:
    """Seconds of `--look-ahead`; None for `all`."""
    return None if text.strip() == "all" else seconds(text, "--look-ahead")


def in_snippets(look_ahead: float | None, frames_per_second: float) -> int:
    """How many whole snippets of the future lie in so many seconds; None is all of it."""
    if look_ahead is None:
        return NO_LIMIT
    return math.floor(look_ahead * frames_per_second / SNIPPET_FRAMES + 1e-9)


def usual_threshold(run: TrainedRun) -> tuple[float, str]:
    """The run's own threshold, that of held-out training videos, or USUAL_THRESHOLD; and which of them it is."""
    try:
        held_out = read_json(run.folder.report)["use"]["combined"]["held_out_threshold"]
    except (UserError, OSError, KeyError, TypeError):
        held_out = None
    if held_out is None or not 0 < held_out <= 1:
        return USUAL_THRESHOLD, "no threshold was chosen on held-out videos"
    return float(held_out), "the run's, of held-out training videos"


@dataclass(frozen=True)
class RunScorer:
    """What a run's scores of a stream are made with; one for all connections.

    Attributes:
        look_ahead: seconds; None for all of the stream.
        overlap: snippets that chunks share; None as the run was tested.
    """

    run: TrainedRun
    network: Network
    look_ahead: float | None
    overlap: int | None = None

    def span(self, frames_per_second: float) -> Span:
        """How a stream at that rate is cut, and how many snippets a score looks ahead."""
        if self.look_ahead is None and self.run.config.data.test_span != "chunks":
            return Span(None)
        return stream_span(self.run.config, in_snippets(self.look_ahead, frames_per_second), self.overlap)


def run_scorer(run: TrainedRun, look_ahead: float | None, overlap: int | None = None) -> RunScorer:
    """The scorer of a run. Raises UserError for an overlap that leaves chunks nothing new."""
    longest = stream_span(run.config).length
    assert longest is not None  # a stream is always cut
    chosen_overlap(overlap, longest, 0)
    return RunScorer(run, torch_network(run), look_ahead, overlap)


def check_towers(run: TrainedRun, extractor: Extractor) -> None:
    """Raises UserError where the rows are of another width than those that the run was trained on."""
    check_width("--visual-tower", "visual", extractor.image.width, run.widths.visual)
    if run.uses_audio and extractor.sound is not None:
        check_width("--audio-tower", "audio", extractor.sound.width, run.widths.audio)


class StreamScores:
    """One connection's rows in, scored snippets out."""

    def __init__(self, scorer: RunScorer, frames_per_second: float, crops: int) -> None:
        self._run, self.span = scorer.run, scorer.span(frames_per_second)
        config = scorer.run.config
        self._crops = scored_crops(range(crops), config.data.test_crop, every=config.quirks.all_crops)
        self._scorers = [OnlineScorer(scorer.network, self.span) for _ in self._crops]
        self._rows: deque[Row] = deque()

    def take(self, rows: Sequence[Row]) -> list[tuple[Row, ScoredSnippet]]:
        """The snippets whose scores are due, now that these rows are there."""
        found: list[tuple[Row, ScoredSnippet]] = []
        for silent, part in groupby(rows, lambda row: row.audio is None or not self._run.uses_audio):
            group = list(part)
            self._rows.extend(group)
            sound = None if silent else np.stack([row.audio for row in group if row.audio is not None])
            pictures = [np.stack([row.visual[crop] for row in group]) for crop in self._crops]
            found += self._scored([scorer.add(rows, sound) for scorer, rows in zip(self._scorers, pictures)])
        return found

    def rest(self) -> list[tuple[Row, ScoredSnippet]]:
        """All that is left: the connection has ended."""
        return self._scored([scorer.end() for scorer in self._scorers])

    def _scored(self, by_crop: Sequence[RowScores]) -> list[tuple[Row, ScoredSnippet]]:
        count = by_crop[0].count
        if not count:
            return []
        rows = [self._rows.popleft() for _ in range(count)]
        videos = [[ScoredVideo("stream", (), (), (), each.coarse, each.classes)] for each in by_crop]
        (video,) = averaged(videos)
        scores, classes = frame_scores([video])["combined"], video.class_probabilities
        keys, found = self._run.benchmark.class_keys, []
        for place, row in enumerate(rows):
            label = probability = None
            if classes is not None and (best := int(np.argmax(classes[place]))):
                label, probability = keys[best], float(classes[place, best])
            found.append((row, ScoredSnippet(row.start, row.end, float(scores[place]), label, probability)))
        return found
