"""`mmvad extract` as a user calls it: mixed folders, benchmarks' layouts, banks, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import open_bank
from mmvad.cli.main import main
from tests.extraction.videos import Track, moving_pictures, noise, write_video
from tests.releases.by_hand import UCF_TEST, UCF_TRAIN, XD_TEST, XD_TRAIN, write_ucf, write_xd

SMALL = ["--clip-architecture", "tiny", "--clip-weights", "random", "--vggish-weights", "random"]


def run(*arguments: object) -> int:
    return main(["extract", *map(str, arguments), *SMALL])


def test_a_folder_of_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What works is extracted, what does not is named, and the exit code says that something failed."""
    folder, out = tmp_path / "my videos", tmp_path / "out"
    folder.mkdir()
    tracks = [Track(noise(2, 16_000), 16_000), Track(noise(2, 16_000, seed=1), 16_000)]
    times = list(np.cumsum(np.random.default_rng(0).choice([0.02, 0.1], 40)))
    write_video(folder / "variable rate.mp4", moving_pictures(40), 25, times=times)
    write_video(folder / "two#tracks.mkv", moving_pictures(50), tracks=tracks)
    surround = Track(noise(2, 48_000, 6), 48_000, "5.1", "aac")
    write_video(folder / "öffentlich.mov", moving_pictures(50, 98, 66), tracks=[surround], rotation=90)
    write_video(folder / "odd.mkv", moving_pictures(20, 97, 65), codec="ffv1", pixels="bgr0")
    data = write_video(folder / "cut.mkv", moving_pictures(500)).read_bytes()
    (folder / "cut.mkv").write_bytes(data[: len(data) // 2])
    (folder / "zero.mp4").touch()
    (folder / "words.mp4").write_text("no video\n")
    (folder / "readme.md").write_text("passed over\n")
    assert run(folder, tmp_path / "absent.mp4", "--out", out, "--workers", 2) == 1
    said = capsys.readouterr()
    assert "5 videos extracted, 0 were there already, 3 failed; 4 with a warning" in said.out
    for text in ("zero.mp4: is empty", "words.mp4: is no video", "absent.mp4: there is no such file"):
        assert f"failed: {tmp_path}" in said.out
        assert text in said.out
    assert "cut: " in said.out
    assert "truncated: the picture ends at" in said.out
    assert "frames/s" in said.out
    assert "peak memory" in said.out
    assert "Traceback" not in said.err
    assert sorted(path.name for path in (out / "audio").iterdir()) == [
        "two#tracks__vggish.npy",
        "öffentlich__vggish.npy",
    ]
    assert len(list((out / "visual").iterdir())) == 5
    manifest = json.loads((out / "features.json").read_text())
    assert manifest["visual"]["sampling"] == "centre"
    assert manifest["versions"].keys() >= {"pyav", "ffmpeg", "torch"}
    assert run(folder / "two#tracks.mkv", "--out", tmp_path / "second", "--audio-track", 1) == 0
    first, second = (
        np.load(folder / "audio" / "two#tracks__vggish.npy", allow_pickle=False)
        for folder in (out, tmp_path / "second")
    )
    assert first.shape == second.shape == (4, 128)
    assert not np.allclose(first, second)
    assert run(folder / "two#tracks.mkv", "--out", tmp_path / "third", "--audio-track", 2) == 1
    assert "has no audio track 2" in capsys.readouterr().out


@pytest.mark.slow
def test_ten_crops_of_a_benchmark_into_a_bank(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists = write_xd(tmp_path / "lists").root
    folder, out, bank = tmp_path / "videos", tmp_path / "out", tmp_path / "bank"
    folder.mkdir()
    for i, name in enumerate([*XD_TRAIN, *XD_TEST]):
        tracks = [Track(noise(3, 16_000, seed=i), 16_000)] if i else []
        write_video(folder / f"{name}.mp4", moving_pictures(35 + i, seed=i), 24, tracks=tracks)
    arguments = [folder, "--out", out, "--benchmark", "xd_violence", "--lists", lists, "--bank", bank, "--crops", 10]
    assert run(*arguments, "--subset") == 0
    opened = open_bank(bank)
    made, kept = json.loads((out / "features.json").read_text()), opened.manifest["how"]["extraction"]
    assert kept == {part: made[part] for part in ("visual", "audio", "versions")}
    assert [video.name for video in opened.train.videos] == sorted(XD_TRAIN)
    assert opened.test.videos[0].crops == tuple(range(10))
    assert opened.train.visual_width == 128
    assert sum(video.audio_start is None for video in opened.train.videos) == 1
    rows = np.load(out / "XDTestClipFeatures" / f"{XD_TEST[0]}__7.npy", allow_pickle=False)
    (video,) = (video for video in opened.test.videos if video.name == XD_TEST[0])
    np.testing.assert_array_equal(opened.test.visual_rows(video, 7), rows)
    write_video(folder / "stranger.mp4", moving_pictures(20))
    assert run(*arguments, "--subset") == 1
    said = capsys.readouterr().out
    assert "0 videos extracted, 6 were there already, 1 failed" in said
    assert "stranger: is in no list of XD-Violence" in said


def test_ucf_crimes_layout_is_read_again(tmp_path: Path) -> None:
    lists = write_ucf(tmp_path / "lists").root
    out, bank = tmp_path / "out", tmp_path / "bank"
    for name in (*UCF_TRAIN, *UCF_TEST):
        path = tmp_path / "videos" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, moving_pictures(20), 30)
    arguments = [tmp_path / "videos", "--out", out, "--benchmark", "ucf_crime", "--lists", lists, "--no-audio"]
    assert run(*arguments) == 0
    assert {path.parent.name for path in out.rglob("*.npy")} == {name.split("/")[0] for name in (*UCF_TRAIN, *UCF_TEST)}
    imported = ["data", "import", "ucf_crime", out, "--out", bank, "--lists", lists, "--subset", "--visual-width", 128]
    assert main([*map(str, imported)]) == 0
    assert open_bank(bank).test.videos[0].snippets == 2


def test_a_bank_that_is_not_made_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists, videos = write_xd(tmp_path / "lists").root, tmp_path / "videos"
    videos.mkdir()
    (videos / f"{XD_TEST[0]}.mp4").write_text("no video")
    words = [videos, "--out", tmp_path / "out", "--benchmark", "xd_violence", "--lists", lists]
    assert run(*words, "--bank", tmp_path / "bank") == 1
    assert "bank: the bank is not made: 1 videos failed" in capsys.readouterr().err
    assert not (tmp_path / "bank").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bank", "b"], "says nothing without --benchmark"),
        (["--audio-track", "-1"], "0 for the first track"),
        (["--benchmark", "xd"], "unknown benchmark 'xd'"),
        (["--device", "cuda:99"], "--device"),
        (["--clip-weights", "none.pt"], "no weights of tiny are published"),
        (["--vggish-weights", "none.pth"], "vggish-10086976.pth"),
    ],
)
def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    path = write_video(tmp_path / "v.mp4", moving_pictures(5))
    out = tmp_path / "out"
    assert main(["extract", str(path), "--out", str(out), *SMALL, *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("mmvad.cli.extraction_options.find_spec", lambda name: None)
    assert run("v.mp4", "--out", "out") == 2
    assert "pip install 'mmvad[video]'" in capsys.readouterr().err
