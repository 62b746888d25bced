"""Many videos into a folder: killed and started again, damaged ones among them, several at a time."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmvad.errors import UserError
from mmvad.extraction.extractor import Extractor, VideoFeatures, small_extractor
from mmvad.extraction.folder import FeatureFolder, FeaturePaths
from mmvad.extraction.run import Outcome, Way, extract_all
from mmvad.extraction.video_files import find_videos
from tests import forked
from tests.extraction.videos import Track, moving_pictures, noise, write_video
from tests.releases.by_hand import snapshot

OPTIONS = ["--clip-architecture", "tiny", "--clip-weights", "random", "--audio-tower", "tiny", "--batch", "4"]
# kills in the middle of the n-th video's network, of its files, between its files and its line
KILLS = {
    "network": ("mmvad.extraction.network", "ImageNetwork", "encode"),
    "files": ("mmvad.extraction.folder", None, "write_whole"),
    "line": ("mmvad.extraction.folder", "FeatureFolder", "_note"),
}
KILLED = """
import importlib, os, signal, sys
from mmvad.cli.main import main
module = importlib.import_module({module!r})
owner = getattr(module, {owner!r}) if {owner!r} else module
old, seen = getattr(owner, {name!r}), []
def deadly(*arguments):
    seen.append(1)
    if len(seen) == {n}:
        os.kill(os.getpid(), signal.{signal})
    return old(*arguments)
setattr(owner, {name!r}, deadly)
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def small() -> Extractor:
    return small_extractor(batch=4)


@pytest.fixture(scope="module")
def twenty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for i in range(20):
        tracks = [Track(noise(0.8 + i / 5, 16_000, seed=i), 16_000)] if i % 3 else []
        write_video(folder / f"v={i:02d} é#{i}.mkv", moving_pictures(20 + 5 * i, seed=i), 25, tracks=tracks)
    return folder


def extract(extractor: Extractor, videos: Path, out: Path, workers: int = 1) -> Outcome:
    way = Way(extractor, FeatureFolder(FeaturePaths(out), extractor.describe()))
    return extract_all(find_videos([videos]), [way], workers)


@pytest.fixture(scope="module")
def undisturbed(small: Extractor, twenty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "features"
    outcome = extract(small, twenty, out)
    assert (outcome.extracted, outcome.kept, outcome.failed, outcome.warned) == (20, 0, {}, 7)
    return out


def whole(folder: Path) -> dict[str, bytes]:
    return snapshot(folder, lambda name: False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "n", "workers"), [("network", 25, 1), ("files", 17, 1), ("line", 9, 1), ("line", 12, 3)]
)
def test_killed_and_started_again_it_is_as_undisturbed(
    small: Extractor, twenty: Path, undisturbed: Path, tmp_path: Path, at: str, n: int, workers: int
) -> None:
    out = tmp_path / "features"
    module, owner, name = KILLS[at]
    script = KILLED.format(module=module, owner=owner, name=name, n=n, signal="SIGKILL")
    arguments = ["extract", str(twenty), "--out", str(out), "--workers", str(workers), *OPTIONS]
    killed = forked.run([sys.executable, "-c", script, *arguments], capture_output=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    journal = [json.loads(line) for line in (out / "videos.jsonl").read_text().splitlines()]
    finished = [record["video"] for record in journal]
    assert 0 < len(finished) < 20
    before = {path: path.stat().st_mtime_ns for name in finished for path in out.rglob(f"{glob(name)}__*.npy")}
    assert len(before) == sum(1 + record["audio"] for record in journal)
    outcome = extract(small, twenty, out)
    assert (outcome.kept, outcome.extracted) == (len(finished), 20 - len(finished))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert whole(out) == whole(undisturbed)


def glob(name: str) -> str:
    return name.replace("[", "[[]")


@pytest.mark.slow
@pytest.mark.parametrize(("signal_name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_what_asks_to_end_ends_it_in_order(twenty: Path, tmp_path: Path, signal_name: str, code: int) -> None:
    module, owner, name = KILLS["network"]
    script = KILLED.format(module=module, owner=owner, name=name, n=20, signal=signal_name)
    arguments = ["extract", str(twenty), "--out", str(tmp_path / "features"), "--workers", "2", *OPTIONS]
    stopped = forked.run([sys.executable, "-c", script, *arguments], capture_output=True, timeout=300)
    assert stopped.returncode == code
    assert "the same command goes on from here" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert not list(tmp_path.rglob("*.partial"))


def test_several_at_a_time_give_the_same(small: Extractor, twenty: Path, undisturbed: Path, tmp_path: Path) -> None:
    assert extract(small, twenty, tmp_path / "out", workers=3).extracted == 20
    assert whole(tmp_path / "out") == whole(undisturbed)


def test_what_changed_or_was_lost_is_made_again(
    small: Extractor, twenty: Path, undisturbed: Path, tmp_path: Path
) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    shutil.copytree(twenty, videos)
    shutil.copytree(undisturbed, out)
    names = sorted(path.name for path in videos.iterdir())
    os.utime(videos / names[0], (1, 1))
    (out / "visual" / f"{names[1].removesuffix('.mkv')}__0.npy").unlink()
    with open(out / "audio" / f"{names[2].removesuffix('.mkv')}__vggish.npy", "r+b") as file:
        file.truncate(300)
    outcome = extract(small, videos, out)
    assert (outcome.extracted, outcome.kept) == (3, 17)
    assert whole(out).keys() == whole(undisturbed).keys()
    assert all(whole(out)[name] == rows for name, rows in whole(undisturbed).items() if name.endswith(".npy"))


class Watched:
    """An extractor of big results; `most` is how many videos' results or failures were alive at once."""

    def __init__(self, videos_that_fail: int) -> None:
        self.made: list[weakref.ref[VideoFeatures]] = []
        self.most, self.calls, self.fails = 0, 0, videos_that_fail

    def extract(self, path: Path, advance: Callable[[float], object]) -> VideoFeatures:
        self.most, self.calls = max(self.most, sum(made() is not None for made in self.made)), self.calls + 1
        features = VideoFeatures({0: np.zeros((2, 4), np.float32)}, None, np.arange(3.0), 32, 25.0)
        self.made.append(weakref.ref(features))
        if self.calls <= self.fails:
            raise RuntimeError("a network that fails keeps what its frame holds")
        return features


@pytest.mark.parametrize("fails", [0, 20])
def test_memory_holds_the_videos_under_way_alone(small: Extractor, twenty: Path, tmp_path: Path, fails: int) -> None:
    watched = Watched(fails)
    folder = FeatureFolder(FeaturePaths(tmp_path / "out"), small.describe())
    outcome = extract_all(find_videos([twenty]), [Way(watched, folder)])  # type: ignore[arg-type]
    assert (outcome.extracted, len(outcome.failed)) == (20 - fails, fails)
    assert watched.most <= 3


def test_a_failure_lets_go_of_the_frames_that_were_made_ahead(
    small: Extractor, twenty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its error is still held: no thread that decodes on, no open file."""

    def fail(images: np.ndarray) -> np.ndarray:
        raise RuntimeError("no memory")

    monkeypatch.setattr(small.image, "encode", fail)
    before = threading.active_count()
    with pytest.raises(RuntimeError) as held:
        small.extract(next(twenty.glob("*19.mkv")))
    assert threading.active_count() == before
    del held


def test_a_damaged_line_costs_one_video(small: Extractor, twenty: Path, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    journal = out / "videos.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[3], lines[7] = b"\xff\x00damaged\n", b"[1]\n"
    journal.write_bytes(b"".join(lines))
    assert extract(small, twenty, out).kept == 18
    assert whole(out) == whole(undisturbed)


def test_a_journal_that_cannot_be_read_is_left_alone(
    small: Extractor, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    before, plain = whole(out), Path.read_bytes

    def read(path: Path) -> bytes:
        if path.name == "videos.jsonl":
            raise OSError(errno.EIO, "Input/output error")
        return plain(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", read)
        with pytest.raises(UserError, match=r"videos\.jsonl: cannot be read: Input/output error"):
            FeatureFolder(FeaturePaths(out), small.describe())
    assert whole(out) == before


@pytest.mark.skipif(sys.platform == "darwin", reason="its file names are UTF-8")
def test_a_name_that_is_no_text_is_extracted_and_printed(tmp_path: Path) -> None:
    source = write_video(tmp_path / "x.mp4", moving_pictures(20))
    os.rename(source, os.fsencode(tmp_path) + b"/caf\xe9.mp4")
    command = [
        sys.executable,
        "-m",
        "mmvad",
        "extract",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
        *OPTIONS,
    ]
    strict = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=strict)
    assert done.returncode == 0, done.stderr
    assert "caf\\udce9: 2 snippets" in done.stdout
    assert b"caf\xe9__0.npy" in os.listdir(os.fsencode(tmp_path / "out" / "visual"))


def test_other_settings_are_refused(small: Extractor, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "features"
    shutil.copytree(undisturbed, out)
    before = whole(out)
    described = small.describe()
    for key, value, said in (
        ("sampling", "mean", "visual.sampling is centre there, mean here"),
        ("weights_sha256", "ab" * 32, "visual.weights_sha256"),
        ("crops", 10, "visual.crops is 1 there, 10 here"),
    ):
        with pytest.raises(UserError, match="made otherwise") as caught:
            FeatureFolder(FeaturePaths(out), {**described, "visual": {**described["visual"], key: value}})
        assert said in str(caught.value)
    with pytest.raises(UserError, match="audio is some there, none here"):
        FeatureFolder(FeaturePaths(out), {**described, "audio": None})
    other = {**described, "versions": {**described["versions"], "ffmpeg": "4.0"}}
    assert "other versions" in FeatureFolder(FeaturePaths(out), other).warnings[0]
    renamed = {**described, "visual": {**described["visual"], "weights": "copy.pt"}}
    assert FeatureFolder(FeaturePaths(out), renamed).warnings == []
    assert whole(out) == before


def test_features_of_unknown_making_are_left_alone(small: Extractor, tmp_path: Path) -> None:
    (tmp_path / "visual").mkdir()
    np.save(tmp_path / "visual" / "a__0.npy", np.zeros((2, 512), dtype=np.float32))
    with pytest.raises(UserError, match=r"features of unknown making, such as visual/a__0\.npy"):
        FeatureFolder(FeaturePaths(tmp_path), small.describe())
    assert not (tmp_path / "features.json").exists()
    broken = tmp_path / "other"
    broken.mkdir()
    for text in ("{", "[]", '{"format": 99}'):
        (broken / "features.json").write_text(text)
        with pytest.raises(UserError, match=r"features\.json"):
            FeatureFolder(FeaturePaths(broken), small.describe())


def test_videos_are_found_in_folders_and_lists(tmp_path: Path) -> None:
    for name in ("b/x 1.mp4", "b/deep/y#2.MKV", "b/._x.mp4", "b/notes.txt", "z.mp4", "ä.dat"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listed = tmp_path / "list.txt"
    listed.write_text("z.mp4\n\nb\n # no comment.mp4\n", encoding="utf-8")
    wanted = [tmp_path / name for name in ("ä.dat", "z.mp4", "b/deep/y#2.MKV", "b/x 1.mp4")]
    assert find_videos([tmp_path / "ä.dat", listed]) == [*wanted, Path("# no comment.mp4")]
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "z.avi").touch()
    with pytest.raises(UserError, match="has the same name as"):
        find_videos([tmp_path / "z.mp4", tmp_path / "c"])
    (tmp_path / "c" / "z.avi").unlink()
    with pytest.raises(UserError, match="holds no video"):
        find_videos([tmp_path / "c"])
    listed.write_text("\n")
    with pytest.raises(UserError, match="name no video"):
        find_videos([listed])
