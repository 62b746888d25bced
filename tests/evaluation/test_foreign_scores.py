"""Scores in all forms: the same numbers, whichever program wrote them; and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mmvad.errors import UserError
from mmvad.evaluation.foreign_scores import read_scores
from tests.evaluation.made import FORMS, as_folder, as_npz, classes, scores, tiny_truth


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_same_scores(form: str, tmp_path: Path) -> None:
    found = read_scores(FORMS[form](tmp_path / "made", scores()), tiny_truth())
    assert {*found.videos} == {*scores()}
    for name, expected in scores().items():
        combined = found.videos[name].combined
        assert combined is not None
        assert combined.astype(np.float32).tolist() == expected.tolist()
    assert found.digest == read_scores(as_npz(tmp_path / "other", scores()), tiny_truth()).digest
    changed = {name: value if name != "d_x264" else value + 1e-6 for name, value in scores().items()}
    assert found.digest != read_scores(as_npz(tmp_path / "changed", changed), tiny_truth()).digest


def test_keys_say_what_an_array_holds(tmp_path: Path) -> None:
    both = {f"{n}/classes": value for n, value in classes().items()} | {f"{n}/score": v for n, v in scores().items()}
    for path in (as_npz(tmp_path / "both", both), _as_parts(tmp_path / "parts", both)):
        video = read_scores(path, tiny_truth()).videos["c_x264"]
        assert video.classes is not None
        assert video.combined is not None
        assert video.coarse is None
        assert video.classes.tolist() == classes()["c_x264"].tolist()
    alone = read_scores(as_npz(tmp_path / "alone", classes()), tiny_truth()).videos["c_x264"]
    assert {*alone.parts} == {"classes"}


def _as_parts(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    for key, array in arrays.items():
        file = folder / f"{key}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, array)
    return folder


def test_names_with_folders_endings_and_crops(tmp_path: Path) -> None:
    values = scores()
    renamed = {f"Arson/{name}.mp4": value for name, value in values.items()}
    renamed["a_x264__5.npy"] = renamed.pop("Arson/a_x264.mp4")
    np.savez(
        tmp_path / "made.npz",
        names=np.array([*renamed]),
        lengths=np.array([len(v) for v in renamed.values()], dtype=np.int32),
        scores=np.concatenate([*renamed.values()])[:, None],
    )
    assert {*read_scores(tmp_path / "made.npz", tiny_truth()).videos} == {*values}


def test_a_lone_array_needs_lengths(tmp_path: Path) -> None:
    path = FORMS["one array"](tmp_path / "all", scores())
    with pytest.raises(UserError, match="nothing says where a video ends") as refused:
        read_scores(path, tiny_truth(None))
    assert "--lengths" in str(refused.value)
    by_frame = FORMS["one array"](tmp_path / "frames", scores(per_frame=True))
    assert read_scores(by_frame, tiny_truth()).videos["d_x264"].length == 33
    np.save(tmp_path / "odd.npy", np.zeros(200))
    with pytest.raises(UserError, match=r"expected: 27 or 432 or 437"):
        read_scores(tmp_path / "odd.npy", tiny_truth())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"a_x264": np.full(6, np.nan)}, "NaN or infinite in 1 of 4 videos: a_x264"),
        ({"a_x264": np.zeros((6, 2))}, "another width than 3 in 1 of"),
        ({"a_x264": np.full((6, 3), 7.0)}, "class probabilities outside 0 to 1 in 1 of"),
        ({"a_x264": np.zeros(0)}, "no entry in 1 of"),
        ({"a_x264": np.array(["x"] * 6)}, "dtype <U1"),
        ({"a_x264": np.zeros((2, 3, 3))}, r"shape \[2, 3, 3\]"),
        ({"a_x264/classes": np.zeros((5, 3))}, "differ in length in 1 videos: a_x264"),
        ({"a_x264/combined": np.zeros(6)}, "two arrays for combined of a_x264"),
    ],
)
def test_what_is_no_score_is_refused_once(change: dict[str, np.ndarray], said: str, tmp_path: Path) -> None:
    for path in (as_npz(tmp_path / "made", {**scores(), **change}), as_folder(tmp_path / "f", scores())):
        if path.is_dir():
            _as_parts(path, change)
        with pytest.raises(UserError, match=said) as refused:
            read_scores(path, tiny_truth())
        assert path.name in str(refused.value)


@pytest.mark.parametrize(
    "name", ["made.npy", "made.npz", "made.pkl", "folder/a.npy", "made.mat", "empty", "absent.npz"]
)
def test_what_cannot_be_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if name == "empty":
        path.mkdir()
    elif name == "made.npz":
        np.savez(path, a_x264=np.array([{"a": 1}], dtype=object))
    elif name.endswith(".npy"):
        np.save(path, np.array({"a": [1.0]}), allow_pickle=True)
    elif name != "absent.npz":
        path.write_bytes(pickle.dumps({"a_x264": [0.5]}))
    with pytest.raises(UserError) as refused:
        read_scores(path if name != "folder/a.npy" else path.parent, tiny_truth())
    assert "allow_pickle=True" not in str(refused.value), "nobody is told to load a pickle"
    assert "expected" in str(refused.value)


@pytest.mark.parametrize("cut", [0, 1, 60, 200])
def test_a_file_that_is_cut_off(cut: int, tmp_path: Path) -> None:
    path = as_npz(tmp_path / "made", scores())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"made\.npz: cannot be read"):
        read_scores(path, tiny_truth())


@pytest.mark.parametrize(
    ("lengths", "said"),
    [([6, 4, 15], "lengths: shape"), ([6, 4, 15, -2], "lengths"), ([6, 4, 15, 9], "27 entries for videos of 34")],
)
def test_lengths_that_do_not_fit(lengths: list[int], said: str, tmp_path: Path) -> None:
    whole = np.concatenate([*scores().values()])
    np.savez(tmp_path / "made.npz", names=np.array([*scores()]), snippets=np.array(lengths), scores=whole)
    with pytest.raises(UserError, match=said):
        read_scores(tmp_path / "made.npz", tiny_truth())


def test_a_name_that_is_there_twice(tmp_path: Path) -> None:
    names = np.array(["a_x264", "a_x264.mp4"])
    np.savez(tmp_path / "made.npz", names=names, snippets=np.array([1, 1]), scores=np.zeros(2))
    with pytest.raises(UserError, match="the video a_x264 is there twice"):
        read_scores(tmp_path / "made.npz", tiny_truth())
