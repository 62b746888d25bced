"""A stream's scores against the run's own test, and that none changes when later rows do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from mmvad.bank.bank import Bank, open_bank
from mmvad.data.look_ahead import NO_LIMIT, Span
from mmvad.errors import UserError
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.predict.online import STREAM_CHUNK, ChunkRows, OnlineScorer, RowScores, scored_rows, stream_span
from mmvad.predict.torch_network import torch_network
from mmvad.predict.trained import TrainedRun, load_run
from mmvad.runs import RunFolder
from tests.predict.trained import small_run

TAKEN = (1, 3, 8, 20, 100)
"""Rows that come at once, one after the other."""


@pytest.fixture(scope="module")
def bank(trained: RunFolder) -> Bank:
    return open_bank(trained.path.parents[1] / "bank")


@pytest.fixture(scope="module")
def run(trained: RunFolder) -> TrainedRun:
    return load_run(trained.path)


def rows_of(bank: Bank, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    video = next(v for v in bank.test.videos if v.name == name)
    return np.array(bank.test.visual_rows(video, 0)), bank.test.audio_rows(video)


def streamed(
    scorer: OnlineScorer, visual: np.ndarray, audio: np.ndarray | None, sizes: tuple[int, ...] = TAKEN
) -> list[RowScores]:
    found, start = [], 0
    for size in sizes:
        stop = start + size
        found.append(scorer.add(visual[start:stop], None if audio is None else audio[start:stop]))
        start = stop
    return [*found, scorer.end()]


def test_without_a_limit_a_stream_is_scored_as_the_test_was(
    run: TrainedRun, bank: Bank, tested: dict[str, ScoredVideo]
) -> None:
    network = torch_network(run)
    for name, wanted in tested.items():
        parts = streamed(OnlineScorer(network, stream_span(run.config)), *rows_of(bank, name))
        np.testing.assert_allclose(np.concatenate([p.coarse for p in parts if p.count]), wanted.coarse, atol=1e-6)
        classes = np.concatenate([p.classes for p in parts if p.count])
        np.testing.assert_allclose(classes, wanted.class_probabilities, atol=1e-6)


def test_a_look_ahead_is_that_of_the_test(trained: RunFolder, bank: Bank) -> None:
    folder = small_run(trained.path.parents[1], "optim.epochs=1", "data.look_ahead=2", "data.chunk_overlap=4")
    run = load_run(folder.path)
    network = torch_network(run)
    span = stream_span(run.config, 2)
    assert span == (16, 4, 2)
    with np.load(folder.scores) as scores:
        for video in bank.test.videos:
            parts = streamed(OnlineScorer(network, span), *rows_of(bank, video.name))
            found = np.concatenate([p.coarse for p in parts if p.count])
            np.testing.assert_allclose(found, scores[f"{video.name}/coarse"], atol=1e-6)


@pytest.mark.parametrize("look_ahead", [0, 3, NO_LIMIT])
def test_no_score_changes_when_later_rows_do(run: TrainedRun, bank: Bank, look_ahead: int) -> None:
    network, (visual, audio) = torch_network(run), rows_of(bank, "test02")
    assert audio is not None
    other = np.random.default_rng(0).normal(size=visual.shape).astype(np.float32)
    for cut in (5, 16, 21):
        changed = np.concatenate([visual[:cut], other[cut:]])
        both = [OnlineScorer(network, stream_span(run.config, look_ahead)) for _ in range(2)]
        first, second = (scorer.add(rows[:cut], audio[:cut]) for scorer, rows in zip(both, (visual, changed)))
        np.testing.assert_array_equal(first.coarse if first.count else [], second.coarse if second.count else [])
        assert first.count == (cut // 16 * 16 if look_ahead == NO_LIMIT else max(cut // 16 * 16, cut - look_ahead))


def test_sound_may_begin_late_and_nothing_grows(run: TrainedRun) -> None:
    draw = np.random.default_rng(1)
    scorer = OnlineScorer(torch_network(run), stream_span(run.config, 1, overlap=4))
    for minute in range(40):
        sound = None if minute < 5 else draw.normal(size=(8, run.widths.audio)).astype(np.float32)
        found = scorer.add(draw.normal(size=(8, run.widths.visual)).astype(np.float32), sound)
        assert found.coarse is None or np.isfinite(found.coarse).all()
        assert len(scorer._rows) <= 2 * 16
        assert len(scorer._known) <= 8
    assert scorer.seen == 320
    assert scorer.end().count == 1
    assert scorer.end().count == 0


def test_whole_videos_become_chunks_in_a_stream(run: TrainedRun) -> None:
    data = run.config.data.model_copy(update={"test_span": "whole"})
    assert stream_span(run.config.model_copy(update={"data": data}), 0) == (STREAM_CHUNK, STREAM_CHUNK // 2, 0)


def test_rows_of_another_width(run: TrainedRun) -> None:
    scorer = OnlineScorer(torch_network(run), stream_span(run.config, 0))
    with pytest.raises(UserError, match="visual features of width 5"):
        scorer.add(np.zeros((2, 5), np.float32))


def test_a_long_video_is_not_copied_a_chunk_a_snippet() -> None:
    """4,000 snippets that each look ahead: all chunks at once would be 250 times the video."""
    visual, most = np.zeros((4000, 2), np.float32), 0

    def network(chunks: Sequence[ChunkRows]) -> list[tuple[np.ndarray, None]]:
        nonlocal most
        most = max(most, len(chunks))
        return [(chunk.visual[:, 0], None) for chunk in chunks]

    assert scored_rows(network, Span(256, 0, 4), visual, None).count == 4000
    assert most <= 32
