"""Samples of a stream, of which windows are cut."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("av", reason="the extra `video` is not installed")

from mmvad.extraction.waveform import windows
from mmvad.live.hearing import Waveform


def test_windows_are_those_of_the_extraction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever blocks the samples come in, with silence before the first and behind the last."""
    samples = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    ends, waveform = [100, 1500, 1500, 3210, 4990, 6000], Waveform()
    blocks = np.split(samples, [700, 701, 2000, 4500])
    for block in blocks:
        waveform.add(block)
    wanted = list(windows(iter(blocks), ends, 1000, to_the_last=True))
    np.testing.assert_array_equal([waveform.window(end, 1000) for end in ends], wanted)
    assert waveform.received == 5000


def test_what_no_window_asks_for_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmvad.live.hearing._KEPT_SAMPLES", 300)
    waveform = Waveform()
    for number in range(50):
        waveform.add(np.full(10, number, dtype=np.float32))
    assert len(waveform._blocks) == 30
    waveform.forget(405)
    assert len(waveform._blocks) == 10
    assert waveform.window(500, 20).tolist() == [48.0] * 10 + [49.0] * 10
    assert waveform.window(405, 10).tolist() == [0.0] * 5 + [40.0] * 5
