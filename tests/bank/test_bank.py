from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import BankWriter, open_bank, verify_bank
from mmvad.benchmarks.benchmark import Event, Split, Video
from mmvad.errors import UserError
from tests.releases.by_hand import rows, snapshot

Features = tuple[Video, dict[int, np.ndarray], np.ndarray | None]


def video(name: str, split: Split = "train", label: str = "normal", **known: object) -> Video:
    return Video(name, split, (label,), **known)  # type: ignore[arg-type]


def content() -> list[Features]:
    """Three training and two test videos, of different lengths and crops; one is silent."""
    event = {"events": (Event("riot", 3, 99),), "intervals": ((3, 99),)}
    return [
        (video("a"), {0: rows(3, 8, 1), 5: rows(3, 8, 2)}, rows(3, 4, 3)),
        (video("b", label="riot"), {0: rows(2, 8, 4)}, None),
        (video("c"), {0: rows(1, 8, 5), 1: rows(1, 8, 6)}, rows(1, 4, 7)),
        (video("x", "test", "riot", **event), {0: rows(4, 8, 8)}, rows(4, 4, 9)),
        (video("y", "test"), {0: rows(2, 8, 10)}, rows(2, 4, 11)),
    ]


def write(path: Path, features: list[Features], dtype: str | None = None, **options: bool) -> str:
    with BankWriter(path, "planted", {"made_by": "a test"}, dtype, **options) as writer:
        for item in features:
            writer.add(*item)
    return open_bank(path).content_hash


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_features_come_back_as_they_went_in(tmp_path: Path) -> None:
    write(tmp_path / "bank", content())
    bank = open_bank(tmp_path / "bank")
    assert (bank.benchmark, bank.manifest["how"]) == ("planted", {"made_by": "a test"})
    assert (bank.train.visual_width, bank.train.audio_width) == (8, 4)
    assert isinstance(bank.train.visual, np.memmap)
    for video, crops, audio in content():
        part = bank.split(video.split)
        held = next(v for v in part.videos if v.name == video.name)
        assert (held.labels, held.events, held.intervals) == (video.labels, video.events, video.intervals)
        assert held.crops == tuple(crops)
        for i, (k, block) in enumerate(crops.items()):
            start = held.visual_start + i * held.snippets
            np.testing.assert_array_equal(part.visual[start : start + held.snippets], block)
            np.testing.assert_array_equal(part.visual_rows(held, k), block)
        sound = part.audio_rows(held)
        assert (sound is None) == (audio is None)
        if sound is not None:
            np.testing.assert_array_equal(sound, audio)
    assert leftovers(tmp_path) == ["bank"]
    assert leftovers(tmp_path / "bank" / "train") == ["audio.npy", "videos.json", "visual.npy"]
    with pytest.raises(UserError, match="no crop 7"):
        bank.train.visual_rows(bank.train.videos[0], 7)


def test_a_silent_bank_has_no_audio_file(tmp_path: Path) -> None:
    write(tmp_path / "bank", [(video, crops, None) for video, crops, _ in content()])
    bank = open_bank(tmp_path / "bank")
    assert bank.train.audio is None
    assert bank.train.audio_width == 0
    assert bank.train.audio_rows(bank.train.videos[0]) is None
    verify_bank(tmp_path / "bank")


def test_hash_and_bytes_depend_on_neither_order_nor_place(tmp_path: Path) -> None:
    known = write(tmp_path / "bank", content())
    for seed in range(4):
        shuffled = content()
        random.Random(seed).shuffle(shuffled)
        folder = tmp_path / f"{seed}" / "deep"
        assert write(folder, shuffled) == known == verify_bank(folder)
        assert snapshot(folder) == snapshot(tmp_path / "bank")


def changed_content() -> list[tuple[str, list[Features]]]:
    def with_first(video: Video | None = None, crops: object = None, audio: object = "same") -> list[Features]:
        features = content()
        old = features[0]
        sound = old[2] if isinstance(audio, str) else audio
        features[0] = (video or old[0], crops or old[1], sound)  # type: ignore[assignment]
        return features

    tweaked = {k: block.copy() for k, block in content()[0][1].items()}
    tweaked[5][2, 7] = np.nextafter(tweaked[5][2, 7], np.float32(9))
    events = content()
    events[3] = (video("x", "test", "riot", events=(Event("riot", 3, 98),), intervals=((3, 99),)), *events[3][1:])
    intervals = content()
    intervals[3] = (video("x", "test", "riot", events=(Event("riot", 3, 99),), intervals=((2, 99),)), *events[3][1:])
    return [
        ("one number", with_first(crops=tweaked)),
        ("name", with_first(video("aa"))),
        ("label", with_first(video("a", label="abuse"))),
        ("crop numbers", with_first(crops={0: content()[0][1][0], 6: content()[0][1][5]})),
        ("sound", with_first(audio=rows(3, 4, 99))),
        ("no sound", with_first(audio=None)),
        ("events", events),
        ("intervals", intervals),
        ("a video less", content()[1:]),
    ]


@pytest.mark.parametrize("features", [f for _, f in changed_content()], ids=[name for name, _ in changed_content()])
def test_any_change_of_content_changes_the_hash(tmp_path: Path, features: list[Features]) -> None:
    assert write(tmp_path / "changed", features) != write(tmp_path / "bank", content())


def test_float16_is_an_option(tmp_path: Path) -> None:
    full = write(tmp_path / "full", content())
    assert write(tmp_path / "half", content(), "float16") != full
    bank = open_bank(tmp_path / "half")
    assert bank.train.visual.dtype == np.float16
    assert bank.manifest["dtype"] == {"visual": "float16", "audio": "float16"}
    np.testing.assert_array_equal(bank.train.visual[:3], content()[0][1][0].astype(np.float16))


def test_a_number_too_large_for_float16_is_named(tmp_path: Path) -> None:
    features = content()
    features[0][1][5][0, 0] = 1e6
    with pytest.raises(UserError, match=r"a, crop 5: 1e\+06 does not fit float16"):
        write(tmp_path / "half", features, "float16")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ((video("z"), {0: rows(3, 9, 1)}, None), "z: visual rows of width 9, float32"),
        ((video("z"), {0: rows(3, 8, 1).astype(np.float64)}, None), "float64"),
        ((video("z"), {0: rows(3, 8, 1), 1: rows(2, 8, 1)}, None), "z: crops disagree"),
        ((video("z"), {0: rows(3, 8, 1)}, rows(2, 4, 1)), "z: 2 rows of sound for 3 snippets"),
        ((video("z"), {0: rows(3, 8, 1) * np.nan}, None), "z, crop 0: nan in row 0"),
        ((video("z"), {0: np.zeros((3, 8), int)}, None), "z, crop 0: shape"),
        ((video("z"), {0: np.zeros((0, 8))}, None), "z, crop 0: shape"),
        ((video("z"), {}, None), "z: no crop"),
        ((video("z", label="riots"), {0: rows(3, 8, 1)}, None), "unknown class 'riots'"),
        ((video("a"), {0: rows(3, 8, 1)}, None), "a: a second time in the train split"),
    ],
)
def test_a_video_that_does_not_fit_leaves_no_bank(tmp_path: Path, item: Features, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        write(tmp_path / "bank", [*content(), item])
    assert leftovers(tmp_path) == []


def test_a_split_without_videos(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no test video"):
        write(tmp_path / "bank", content()[:3])
    assert leftovers(tmp_path) == []


def test_an_error_of_the_caller_leaves_no_bank(tmp_path: Path) -> None:
    def fail() -> None:
        with BankWriter(tmp_path / "bank", "planted", {}) as writer:
            writer.add(*content()[0])
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        fail()
    assert leftovers(tmp_path) == []


def test_a_bank_is_replaced_only_when_asked(tmp_path: Path) -> None:
    known = write(tmp_path / "bank", content())
    with pytest.raises(UserError, match="a bank is there already"):
        write(tmp_path / "bank", content()[1:])
    assert verify_bank(tmp_path / "bank") == known
    assert write(tmp_path / "bank", content()[1:], overwrite=True) != known
    assert leftovers(tmp_path) == ["bank"]


def test_a_folder_that_is_no_bank_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text.tex").write_text("years of work")
    with pytest.raises(UserError, match="is there and is no bank"):
        write(tmp_path / "thesis", content(), overwrite=True)
    assert (tmp_path / "thesis" / "text.tex").read_text() == "years of work"


def test_the_old_bank_comes_back_if_the_replacing_process_died(tmp_path: Path) -> None:
    known = write(tmp_path / "bank", content())
    (tmp_path / "bank").rename(tmp_path / ".bank.replaced")
    with pytest.raises(UserError, match="a bank is there already"):
        write(tmp_path / "bank", content())
    assert verify_bank(tmp_path / "bank") == known


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with BankWriter(tmp_path / "bank", "planted", {}) as writer:
        for item in content():
            writer.add(*item)
        with pytest.raises(UserError, match=r"another process is writing it \(process \d+\)"):
            write(tmp_path / "bank", content())
    verify_bank(tmp_path / "bank")


def test_a_missing_bank_gives_the_nearest_and_the_command(tmp_path: Path) -> None:
    write(tmp_path / "xd_bank", content())
    with pytest.raises(UserError, match=r"(?s)there is no bank.*did you mean: .*xd_bank.*mmvad data import"):
        open_bank(tmp_path / "xd_bnk")
    with pytest.raises(UserError, match="is no bank"):
        open_bank(tmp_path)
    (tmp_path / "half.partial").mkdir()
    with pytest.raises(UserError, match="the bank is not finished"):
        open_bank(tmp_path / "half")


def damage_index(bank: Path) -> None:
    records = json.loads((bank / "train/videos.json").read_text())
    records[1]["visual_start"] += 1
    (bank / "train/videos.json").write_text(json.dumps(records))


def damage_record(bank: Path) -> None:
    (bank / "train/videos.json").write_text('[{"name": "a"}]')


def damage_manifest(bank: Path) -> None:
    manifest = json.loads((bank / "manifest.json").read_text())
    (bank / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))


def damage_rows(bank: Path) -> None:
    data = (bank / "train/visual.npy").read_bytes()
    (bank / "train/visual.npy").write_bytes(data[:-40])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (damage_index, "rows begin at"),
        (damage_record, "a malformed record"),
        (damage_manifest, "a bank of format 99"),
        (damage_rows, "visual.npy: cannot be opened"),
        (lambda bank: (bank / "test/audio.npy").unlink(), "audio.npy: cannot be opened"),
        (lambda bank: (bank / "test/videos.json").unlink(), "videos.json: cannot be read"),
        (lambda bank: (bank / "manifest.json").write_text("{"), "manifest.json: cannot be read"),
        (lambda bank: (bank / "manifest.json").write_text('{"format": 1}'), "names no benchmark"),
        (lambda bank: np.save(bank / "train/audio.npy", rows(9, 4, 1)), r"shape \[9, 4\]"),
    ],
)
def test_a_damaged_bank_does_not_open(tmp_path: Path, damage: object, problem: str) -> None:
    write(tmp_path / "bank", content())
    damage(tmp_path / "bank")  # type: ignore[operator]
    with pytest.raises(UserError, match=problem):
        open_bank(tmp_path / "bank")


def test_verify_finds_a_changed_number_and_a_changed_label(tmp_path: Path) -> None:
    bank = tmp_path / "bank"
    write(bank, content())
    good = (bank / "test/visual.npy").read_bytes()
    (bank / "test/visual.npy").write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(UserError, match=r"the features of 1 videos are not what was written: test/y"):
        verify_bank(bank)
    (bank / "test/visual.npy").write_bytes(good)
    index = bank / "train/videos.json"
    index.write_text(index.read_text().replace('"riot"', '"abuse"'))
    with pytest.raises(UserError, match="names, labels or annotations were changed"):
        verify_bank(bank)
