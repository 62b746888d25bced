"""The demo's clips, and the demo from end to end."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmvad.benchmarks.registry import DEMO_CLIPS
from mmvad.cli.main import main
from mmvad.demo.scene import HEIGHT, WIDTH, Scene
from mmvad.demo.script import RATE, Script, write_scripts
from mmvad.demo.sound import SAMPLE_RATE, soundtrack

SEEN, HEARD = {"fighting", "explosion"}, {"shooting", "explosion"}


def quiet(script: Script) -> Script:
    """The same clip without its event."""
    return replace(script, acts=tuple(act for act in script.acts if act.kind not in DEMO_CLIPS.class_keys))


@pytest.mark.parametrize("seed", [0, 7])
def test_scripts_are_of_the_seed_and_training_does_not_know_when(seed: int) -> None:
    scripts = write_scripts(seed)
    assert scripts == write_scripts(seed)
    assert scripts != write_scripts(seed + 1)
    counts = {split: sum(s.video.split == split for s in scripts) for split in ("train", "test")}
    assert counts == DEMO_CLIPS.official_counts
    for script in scripts:
        events = [act for act in script.acts if act.kind in DEMO_CLIPS.class_keys]
        assert [act.kind for act in events] == [label for label in script.video.labels if label != "normal"]
        assert all(0 < act.start < act.end < script.seconds for act in script.acts)
        known = [(round(act.start * RATE), round(act.end * RATE)) for act in events]
        assert list(script.video.intervals) == (known if script.video.split == "test" else [])
    labels = {split: {s.video.labels[0] for s in scripts if s.video.split == split} for split in counts}
    assert labels["train"] == labels["test"] == set(DEMO_CLIPS.class_keys)


@pytest.mark.parametrize("kind", ["fighting", "shooting", "explosion"])
def test_an_event_is_seen_heard_or_both_and_only_while_it_lasts(kind: str) -> None:
    script = next(s for s in write_scripts(3) if s.video.labels == (kind,))
    event = next(act for act in script.acts if act.kind == kind)
    inside, outside = int(RATE * (event.start + event.end) / 2), int(RATE * event.start) - 12
    loud, still = Scene(script), Scene(quiet(script))
    assert loud.frame(inside).shape == (HEIGHT, WIDTH, 3)
    assert np.array_equal(loud.frame(inside), still.frame(inside)) == (kind not in SEEN)
    assert np.array_equal(loud.frame(outside), still.frame(outside))
    with_it, without = soundtrack(script), soundtrack(quiet(script))
    differs = np.flatnonzero(with_it != without) / SAMPLE_RATE
    assert (len(differs) > 0) == (kind in HEARD)
    if kind in HEARD:
        assert event.start - 0.01 < differs[0]
        assert differs[-1] < event.end + 0.01


def test_a_clip_is_the_same_bytes_every_time_and_decodes_to_its_length(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the extra `video` is not installed")
    from mmvad.demo.render import render
    from mmvad.extraction.media import frames, probe

    script = replace(write_scripts(1)[0], frames=48)
    first, second = (render(script, tmp_path / name) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    info = probe(first)
    assert (info.width, info.height, info.frames_per_second, info.audio_tracks) == (WIDTH, HEIGHT, RATE, 1)
    decoded = list(frames(first))
    assert len(decoded) == 48
    shown = np.abs(decoded[20][1].astype(float) - Scene(script).frame(20)).mean()
    assert shown < 12  # what compression takes away


@pytest.mark.slow
def test_the_demo_finds_the_events_of_clips_that_it_has_not_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With clips less than half as long, quickly encoded: most of its time is rendering and reading pictures."""
    pytest.importorskip("av", reason="the extra `video` is not installed")
    pytest.importorskip("torchvggish", reason="the extra `video` is not installed")
    from mmvad.demo import render

    monkeypatch.setattr("mmvad.demo.script.SHORTEST", 5.0)
    monkeypatch.setattr("mmvad.demo.script.LONGEST", 7.0)
    monkeypatch.setitem(render._QUALITY, "preset", "ultrafast")
    assert main(["demo-video", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "RANDOM" in said
    assert float(re.findall(r"held-out clips: combined ([\d.]+)", said)[0]) >= 0.8
    pages = list(tmp_path.glob("seed-0/predictions/*/page.html"))
    assert len(pages) == 8
    assert str(tmp_path / "seed-0" / "predictions" / "test-00-fighting" / "page.html") in said


@pytest.mark.parametrize("seed", ["-1", str(2**32)])
def test_a_seed_that_is_none(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("av", reason="the extra `video` is not installed")
    pytest.importorskip("torchvggish", reason="the extra `video` is not installed")
    assert main(["demo-video", "--seed", seed]) == 2
    assert "is no seed" in capsys.readouterr().err
