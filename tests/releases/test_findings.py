from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.errors import UserError
from mmvad.releases.checking import check
from mmvad.releases.consensus import prevailing, usual_crops
from mmvad.releases.findings import EXAMPLES, Finding, grouped, is_cut, keep_full_list, listing
from mmvad.releases.importing import import_release
from tests.releases.by_hand import XD_TEST, XD_TRAIN, Hand, rows, save, set_official, write_xd


def finding(number: int, problem: str = "4096 columns") -> Finding:
    return Finding("bad file", "train", f"v{number}", UserError(f"v{number}.npy", problem, expected="512", fix="mend"))


def test_one_problem_of_many_files_is_one_entry() -> None:
    lines = list(listing([finding(number) for number in range(298)]))
    assert len(lines) == EXAMPLES + 4
    assert lines[0] == "bad file    train  298 findings: 4096 columns"
    assert [line.strip() for line in lines[1:]] == [
        "v0.npy",
        "v1.npy",
        "v2.npy",
        "... and 295 more",
        "expected: 512",
        "fix: mend",
    ]


def test_numbers_do_not_make_another_problem() -> None:
    found = [finding(n, f"nan in row {n} (1 of -{n}.5e-3 rows)") for n in range(3)] + [finding(3, "truncated")]
    assert [len(group) for group in grouped(found)] == [3, 1]
    lines = list(listing(found))
    assert "3 findings: nan in row N (N of N rows)" in lines[0]
    assert lines[2].strip() == "v1.npy: nan in row 1 (1 of -1.5e-3 rows)"
    assert not is_cut(found)


def test_the_full_list_is_written_only_where_files_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    assert keep_full_list(path, [finding(0)] * EXAMPLES) == ""
    assert not path.exists()
    assert keep_full_list(None, [finding(0)] * 9) == ""
    assert keep_full_list(path, [finding(n) for n in range(9)]) == f"all 9 findings are listed in {path}"
    written = path.read_text().splitlines()
    assert len(written) == 10
    assert written[9] == "bad file\ttrain\tv8\tv8.npy: 4096 columns expected: 512 fix: mend"
    assert "could not be written" in keep_full_list(tmp_path / "no" / "list.txt", [finding(n) for n in range(9)])


def test_a_list_that_no_longer_holds_goes_and_no_other_file(tmp_path: Path) -> None:
    kept, path = tmp_path / "notes.txt", tmp_path / "list.txt"
    kept.write_text("kind of a note\n")
    keep_full_list(path, [finding(n) for n in range(9)])
    assert keep_full_list(path, []) == keep_full_list(kept, []) == keep_full_list(tmp_path, []) == ""
    assert list(tmp_path.iterdir()) == [kept]


def test_what_most_have() -> None:
    assert prevailing([]) is None
    assert prevailing(["a", "b", "b"]) == "b"
    assert prevailing(["a", "b"]) == "a"
    assert usual_crops([{0, 1}, {0, 1}, {0, 9}]) == {0, 1}
    assert usual_crops([{0, 1}, {0}]) == {0, 1}
    assert usual_crops([{0}, {1}, {2}]) == {0, 1, 2}


def test_check_and_import_say_the_same_of_a_release_of_another_width(
    xd: Hand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in [*xd.root.glob("XDT*/*.npy")]:
        save(path, np.pad(np.load(path), ((0, 0), (0, 3584))))
    shown: list[str] = []
    found = check("xd_violence", xd.root, show=shown.append, full_list=tmp_path / "list.txt")
    assert {finding.kind for finding in found} == {"bad file"}
    assert sum("of 4096 columns" in line for line in shown) == 1
    assert any("--visual-width 4096" in line for line in shown)
    assert f"all 9 findings are listed in {tmp_path / 'list.txt'}" in shown
    with pytest.raises(UserError, match=r"(?s)6 videos cannot be imported.*9 findings: picture of 4096.*all 9"):
        import_release("xd_violence", xd.root, tmp_path / "bank", full_list=tmp_path / "import.txt")
    assert len((tmp_path / "import.txt").read_text().splitlines()) == 10
    import_release("xd_violence", xd.root, tmp_path / "bank", visual_width=4096)


@pytest.mark.parametrize("first", [True, False])
def test_the_odd_one_out_is_blamed(first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tuple(f"v={i}_label_A" for i in range(8))
    set_official(monkeypatch, "xd_violence", 8, 3)
    xd = write_xd(tmp_path / "release", train=names)
    odd = names[0] if first else names[5]
    save(xd.visual(odd, 1), np.load(xd.visual(odd, 1)).astype(np.float16))
    save(xd.root / "XDTrainClipFeatures" / f"{odd}__7.npy", rows(5, 512, 1))
    found = check("xd_violence", xd.root, show=lambda line: None)
    assert [(f.kind, f.video, f.error.problem) for f in found] == [
        ("extra", odd, "crop 7, which most videos lack, is passed over"),
        ("dtype", odd, "dtype float16, but 18 of 19 files have float32"),
    ]


def test_the_crop_of_another_length_is_blamed(xd: Hand) -> None:
    name = XD_TRAIN[0]
    save(xd.visual(name, 0), rows(4, 512, 1))
    for crop in (2, 3):
        for i, video in enumerate(XD_TRAIN):
            save(xd.root / "XDTrainClipFeatures" / f"{video}__{crop}.npy", rows(5 + i, 512, 1))
    (found,) = check("xd_violence", xd.root, show=lambda line: None)
    assert (found.kind, found.error.where) == ("length", xd.visual(name, 0))


def test_stacked_arrays_in_a_release_of_single_crops_are_said(xd: Hand) -> None:
    for path in [*xd.root.glob("XDT*/*.npy")]:
        save(path, np.stack([np.load(path)] * 10, axis=1))
    shown: list[str] = []
    check("xd_violence", xd.root, show=shown.append)
    text = "\n".join(shown)
    assert "9 findings: an array [N, N, N] of 3 axes" in text or "9 findings: an array [N, N, N] of N axes" in text
    assert "axes: rows,crops,columns" in text
    assert "again" not in text
    assert len(XD_TEST) == 3
