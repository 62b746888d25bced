"""`mmvad predict` on video files, as far as the extra `video` is installed: from a clip to its page, and the watch."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmvad.cli.main import main
from mmvad.runs import RunFolder
from tests import forked
from tests.predict.trained import BASE, SMALL

pytest.importorskip("av", reason="the extra `video` is not installed")
pytest.importorskip("torchvggish", reason="the extra `video` is not installed")

from mmvad.config.load import load_config
from mmvad.demo.features import write_bank
from mmvad.demo.render import render
from mmvad.demo.script import write_scripts
from mmvad.extraction.extractor import Extractor, VideoFeatures, small_extractor
from mmvad.training.train import train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Path]:
    """A run of two epochs on four clips of three seconds, and the folder of the clips; the bank is gone."""
    root = tmp_path_factory.mktemp("videos")
    scripts = [replace(s, frames=72) for s in write_scripts(0)]
    chosen = [*scripts[:2], scripts[16], scripts[-1]]
    clips = [render(script, root / "clips") for script in chosen]
    write_bank(root / "bank", chosen, clips, small_extractor())
    words = [*SMALL, "benchmark=demo_clips", f"data.bank={root / 'bank'}", f"runtime.results={root / 'runs'}"]
    run = train(load_config([BASE], words))
    shutil.rmtree(root / "bank")
    return run, root / "clips"


def test_from_a_video_to_its_page(
    demo: tuple[RunFolder, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bank's own way of extraction is taken up; the scores are those of the run's test."""
    run, clips = demo
    clip, out = next(clips.glob("test-00*.mp4")), tmp_path / "out"
    assert main(["predict", str(clip), "--checkpoint", str(run.path), "--out", str(out), "--html"]) == 0
    assert "warning" not in capsys.readouterr().out
    result = json.loads((out / clip.stem / "prediction.json").read_text())
    with np.load(run.scores) as scores:
        wanted = scores[f"{clip.stem}/coarse"]
    np.testing.assert_allclose([s["coarse"] for s in result["snippets"]], wanted, atol=2e-6)
    assert result["duration"] == pytest.approx(3.0, abs=0.05)
    assert result["notes"] == []
    assert (out / clip.stem / "page.html").stat().st_size > clip.stat().st_size


def test_features_that_are_made_otherwise_are_said_so(
    demo: tuple[RunFolder, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, clips = demo
    clip = next(clips.glob("test-00*.mp4"))
    words = ["--sampling", "mean", "--audio-window", "tick"]
    assert main(["predict", str(clip), "--checkpoint", str(run.path), "--out", str(tmp_path), *words]) == 0
    (note,) = json.loads((tmp_path / clip.stem / "prediction.json").read_text())["notes"]
    assert "visual.sampling is centre in the bank, mean here" in note
    assert "audio.window is end in the bank, tick here" in note
    assert note in capsys.readouterr().out


def test_a_watched_folder(demo: tuple[RunFolder, Path], tmp_path: Path) -> None:
    """A bad file, a file that grows, Ctrl-C; and after a new start what was done is not done again."""
    run, clips = demo
    folder, out = tmp_path / "in # ä", tmp_path / "out"
    folder.mkdir()
    first, second = sorted(clips.glob("test-*.mp4"))
    (folder / "bad.mp4").write_bytes(b"no video at all")
    shutil.copy(first, folder / "first.mp4")
    command = [sys.executable, "-m", "mmvad", "predict", "--watch", str(folder), "--checkpoint", str(run.path)]
    command += ["--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CI": "true"}
    with open(tmp_path / "log", "w+") as log:
        process = forked.start(command, stdout=log, stderr=forked.STDOUT, env=environment)
        wait_for(out / "first" / "prediction.json", process)
        whole = second.read_bytes()
        for part in (whole[: len(whole) // 2], whole[len(whole) // 2 :]):
            with open(folder / "second.mp4", "ab") as file:
                file.write(part)
            time.sleep(1.5)
        wait_for(out / "second" / "prediction.json", process)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        said = (tmp_path / "log").read_text()
    assert said.count("failed:") == 1
    assert "bad.mp4" in said
    assert said.rstrip().endswith("stopped watching")
    before = (out / "first" / "prediction.json").stat().st_mtime_ns
    again = ["predict", str(folder), "--checkpoint", str(run.path), "--out", str(out)]
    assert main(again) == 1  # bad.mp4
    assert (out / "first" / "prediction.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_what_asks_to_end_stops_between_two_videos(
    demo: tuple[RunFolder, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    code: int,
) -> None:
    """The first video is there, the second has nothing, and the same command goes on; of a watch Ctrl-C is the end."""
    run, clips = demo
    first, second = sorted(clips.glob("test-*.mp4"))
    plain = Extractor.extract

    def extract(extractor: Extractor, path: Path) -> VideoFeatures:
        if path.name == second.name:
            os.kill(os.getpid(), number)
        return plain(extractor, path)

    command = ["predict", str(first), str(second), "--checkpoint", str(run.path), "--out", str(tmp_path / "out")]
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(second, folder)
    watched = ["predict", "--watch", str(folder), "--checkpoint", str(run.path), "--out", str(tmp_path / "watched")]
    with monkeypatch.context() as patch:
        patch.setattr(Extractor, "extract", extract)
        assert main(command) == code
        assert "stopped; the same command goes on from here" in capsys.readouterr().err
        assert main(watched) == (0 if number == signal.SIGINT else code)
        said = capsys.readouterr().out.splitlines()[-1]
        assert said == "stopped watching" + ("" if code == 130 else "; the same command goes on from here")
    assert [path.parent.name for path in tmp_path.rglob("prediction.json")] == [first.stem]
    assert not [*tmp_path.rglob("*.partial"), *tmp_path.rglob(f"{second.stem}/*")]
    assert main(command) == 0
    assert f"{first.stem}: done before" in capsys.readouterr().out


def wait_for(file: Path, process: forked.AnyProcess) -> None:
    end = time.monotonic() + 180
    while not file.is_file():
        assert process.poll() is None, "the watch has ended"
        assert time.monotonic() < end, f"{file} does not come"
        time.sleep(0.1)
