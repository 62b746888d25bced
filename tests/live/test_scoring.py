"""Look-ahead in seconds and snippets; rows to scores, over crops, and sound that comes and goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("av", reason="the extra `video` is not installed")

from mmvad.errors import UserError
from mmvad.live import scoring
from mmvad.live.rows import Row
from mmvad.live.scoring import StreamScores, in_snippets, look_ahead_of, run_scorer, seconds, usual_threshold
from mmvad.predict.online import ChunkRows
from mmvad.runs import RunFolder, write_json
from tests.live.streams import light_scorer


@pytest.mark.parametrize(("text", "value"), [("2s", 2.0), ("0", 0.0), ("500ms", 0.5), (" 1.5 ", 1.5), ("1m", 60.0)])
def test_lengths_of_time(text: str, value: float) -> None:
    assert seconds(text, "--x") == value == look_ahead_of(text)


@pytest.mark.parametrize("text", ["", "-1s", "2 s", "1h", "nan", "1e3", "1441m", "9" * 400])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(UserError, match="--before"):
        seconds(text, "--before")


@pytest.mark.parametrize(
    ("look_ahead", "rate", "snippets"), [(None, 25, -1), (0, 25, 0), (2, 25, 3), (0.64, 25, 1), (2, 5, 0), (2, 8, 1)]
)
def test_only_whole_snippets_are_looked_ahead_to(look_ahead: float | None, rate: float, snippets: int) -> None:
    assert in_snippets(look_ahead, rate) == snippets


def rows(count: int, sound: Sequence[int] = ()) -> list[Row]:
    """Two crops of one column: the snippet's number as a share, and half of it."""
    return [
        Row(i, float(i), i + 1.0, np.array([[i / 100], [i / 200]], dtype=np.float32),
            np.ones(1, dtype=np.float32) if i in sound else None, 0.0)
        for i in range(count)
    ]  # fmt: skip


def scored(count: int, by: int, look_ahead: float | None, sound: Sequence[int] = (), **changes: object) -> list[tuple]:
    scorer = replace(light_scorer(look_ahead), **changes)
    stream, found, every = StreamScores(scorer, 16.0, 2), list[tuple](), rows(count, sound)
    for start in range(0, count, by):
        found += [(row.number, snippet.score) for row, snippet in stream.take(every[start : start + by])]
    return found + [(row.number, snippet.score) for row, snippet in stream.rest()]


@pytest.mark.parametrize("look_ahead", [0.0, 3.0, None])
@pytest.mark.parametrize("by", [1, 7])
def test_every_snippet_is_scored_once_in_order(look_ahead: float | None, by: int) -> None:
    found = scored(150, by, look_ahead, sound=range(20, 90))
    assert [number for number, _ in found] == list(range(150))
    np.testing.assert_allclose([score for _, score in found], np.arange(150) / 100, atol=1e-7)


@pytest.mark.parametrize("length", [32, 512])
def test_chunks_that_share_too_much_are_refused_by_the_length_of_the_streams_own(length: int) -> None:
    data = SimpleNamespace(test_span="whole", segment_length=length, chunk_overlap=0)
    run = SimpleNamespace(config=SimpleNamespace(data=data))
    with pytest.raises(UserError, match="0 to 255"):
        run_scorer(run, 2.0, 256)


def test_crops_are_averaged_where_the_run_was_tested_with_all() -> None:
    run = light_scorer(all_crops=True).run
    np.testing.assert_allclose([score for _, score in scored(9, 2, 0.0, run=run)], 0.75 * np.arange(9) / 100, atol=1e-7)


def test_a_score_sees_no_more_than_the_look_ahead() -> None:
    longest: list[int] = []

    def network(chunks: Sequence[ChunkRows]) -> list[tuple]:
        longest.extend(round(float(100 * chunk.visual[-1, 0])) for chunk in chunks)
        return [(chunk.visual[:, 0], None) for chunk in chunks]

    stream = StreamScores(replace(light_scorer(2.0), network=network), 16.0, 1)
    for row in rows(10):
        for _, snippet in stream.take([row]):
            assert snippet.start + 2 == row.start == max(longest)


def test_the_threshold_is_the_runs_own_where_it_has_one(tmp_path: Path) -> None:
    run = SimpleNamespace(folder=RunFolder(tmp_path))
    assert usual_threshold(run)[0] == 0.5
    write_json(run.folder.report, {"use": {"combined": {"held_out_threshold": 0.31}}})
    assert usual_threshold(run)[0] == 0.31
    write_json(run.folder.report, {"use": {"combined": {"held_out_threshold": None}}})
    assert usual_threshold(run)[0] == 0.5


def test_chunks_of_a_stream_share_less_than_they_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was tested with whole videos: a stream is cut into 256 snippets, however long its segments were."""
    monkeypatch.setattr(scoring, "torch_network", lambda run: light_scorer().network)
    run = light_scorer().run
    run.config.data.test_span, run.config.data.segment_length = "whole", 320
    for overlap in (256, 300):
        with pytest.raises(UserError, match=r"--chunk-overlap(.|\n)*0 to 255"):
            run_scorer(run, 0.0, overlap)
    assert run_scorer(run, 0.0, 255).span(25.0).overlap == 255
