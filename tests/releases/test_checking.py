from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mmvad.errors import UserError
from mmvad.releases.checking import check
from mmvad.releases.importing import import_release
from tests.releases.by_hand import UCF_TEST, XD_TEST, XD_TRAIN, Hand, rows, save


def found(name: str, path: Path, **options: object) -> tuple[set[tuple[str, str, str]], list[str]]:
    lines: list[str] = []
    findings = check(name, path, show=lines.append, **options)  # type: ignore[arg-type]
    return {(finding.kind, finding.split, finding.video) for finding in findings}, lines


def test_a_whole_release_has_no_findings(xd: Hand) -> None:
    findings, lines = found("xd_violence", xd.root)
    assert findings == set()
    assert lines[-1] == "nothing is wrong"


def test_all_that_is_wrong_is_found_in_one_go(xd: Hand) -> None:
    xd.visual(XD_TEST[0]).unlink()
    xd.visual(XD_TRAIN[0], 1).unlink()
    xd.audio(XD_TEST[1]).unlink()
    save(xd.visual(XD_TEST[2]), rows(7, 511, 1))
    array = np.load(xd.visual(XD_TRAIN[1], 1))
    array[1, 1] = np.inf
    save(xd.visual(XD_TRAIN[1], 1), array)
    save(xd.audio(XD_TRAIN[2]), rows(2, 128, 1))
    save(xd.root / "XDTestClipFeatures" / "zzz__0.npy", rows(2, 512, 1))
    findings, lines = found("xd_violence", xd.root)
    assert findings == {
        ("missing", "test", XD_TEST[0]),
        ("incomplete", "train", XD_TRAIN[0]),
        ("no audio", "test", XD_TEST[1]),
        ("bad file", "test", XD_TEST[2]),
        ("not finite", "train", XD_TRAIN[1]),
        ("length", "train", XD_TRAIN[2]),
        ("extra", "test", "zzz"),
    }
    assert sum(line.startswith("missing     test ") and f"{XD_TEST[0]}__0.npy" in line for line in lines) == 1
    assert lines[-1] == "7 findings"
    assert lines[-3].split() == ["train", "3", "0", "0", "1", "1", "0", "0", "1"]


def test_every_fault_of_one_video_is_found(xd: Hand) -> None:
    name = XD_TRAIN[0]
    save(xd.visual(name, 0), rows(4, 511, 1))
    other, sound = np.load(xd.visual(name, 1)), np.load(xd.audio(name))[:, :100]
    other[0, 0], sound[0, 0] = np.nan, np.nan
    save(xd.visual(name, 1), other)
    save(xd.audio(name), sound)
    save(xd.audio(XD_TRAIN[1]), np.full((1, 128), np.inf, np.float32))
    lines: list[str] = []
    findings = check("xd_violence", xd.root, show=lines.append)
    assert [(finding.kind, finding.video, finding.error.problem[:11]) for finding in findings] == [
        ("bad file", name, "picture of "),
        ("bad file", name, "sound of 10"),
        ("length", XD_TRAIN[1], "1 rows of s"),
        ("not finite", name, "nan in row "),
        ("not finite", XD_TRAIN[1], "inf in row "),
    ]
    with pytest.raises(UserError, match=r"(?s)2 videos cannot be imported:.*511 columns.*100 columns.*1 rows of sound"):
        import_release("xd_violence", xd.root, xd.root.parent / "bank")


def test_rows_that_end_before_an_event_begins(xd: Hand) -> None:
    """Features of a form with so many rows a video, whatever its length: they do not stand for 16 frames each."""
    for path in (xd.visual(XD_TEST[1]), xd.audio(XD_TEST[1])):
        save(path, np.load(path)[:1])
    (finding,) = check("xd_violence", xd.root, show=lambda line: None)
    assert (finding.kind, finding.video) == ("length", XD_TEST[1])
    assert finding.error.problem == "1 rows end at frame 16, but an event begins at frame 30"
    with pytest.raises(UserError, match="an event begins at frame 30"):
        import_release("xd_violence", xd.root, xd.root.parent / "bank")


def test_a_missing_folder_of_sound_is_one_finding(xd: Hand) -> None:
    shutil.rmtree(xd.root / "vggish-features")
    findings, lines = found("xd_violence", xd.root)
    assert findings == {("no audio", "", "")}
    assert lines[0].startswith("no audio    -      (all): ")
    assert "vggish-features/ missing" in lines[0]
    assert lines[-1] == "1 finding"
    assert found("xd_violence", xd.root, audio="none")[0] == set()


def test_a_cut_list_is_found_unless_it_is_meant(xd: Hand) -> None:
    path = xd.root / "xd_train.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    assert ("missing", "train", "") in found("xd_violence", xd.root)[0]
    findings, _ = found("xd_violence", xd.root, subset=True)
    assert {kind for kind, _, _ in findings} == {"extra"}


def test_a_subset_may_lack_videos_but_not_crops(xd: Hand) -> None:
    xd.visual(XD_TEST[0]).unlink()
    assert found("xd_violence", xd.root, subset=True)[0] == set()
    xd.visual(XD_TRAIN[0], 1).unlink()
    assert found("xd_violence", xd.root, subset=True)[0] == {("incomplete", "train", XD_TRAIN[0])}


@pytest.mark.parametrize("crops", [(7,), (0, 7)])
def test_crops_that_no_file_has_are_an_error(crops: tuple[int, ...], xd: Hand, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--crops: .* the release has no crop 7\n.*expected: of 0, 1"):
        check("xd_violence", xd.root, crops=crops, subset=True)
    with pytest.raises(UserError, match="has no crop 7"):
        import_release("xd_violence", xd.root, tmp_path / "bank", crops=crops)


def test_crops_of_the_other_split_alone_are_an_error(xd: Hand) -> None:
    xd.visual(XD_TEST[0]).rename(xd.visual(XD_TEST[0]).with_name(f"{XD_TEST[0]}__3.npy"))
    with pytest.raises(UserError, match=r"the train split has no crop 3\n.*expected: of 0, 1"):
        check("xd_violence", xd.root, crops=(3,), subset=True)


def test_a_file_of_ucf_that_no_split_names_is_one_finding(ucf: Hand) -> None:
    save(ucf.root / "UCFClipFeatures" / "Arson" / "Arson999_x264__0.npy", rows(2, 512, 1))
    findings, lines = found("ucf_crime", ucf.root)
    assert findings == {("extra", "", "Arson999_x264")}
    assert lines[-2].split() == ["-", "1"]


def test_a_bank_is_held_against_its_hash_and_the_lists(ucf: Hand, tmp_path: Path) -> None:
    bank = import_release("ucf_crime", ucf.root, tmp_path / "bank")
    assert found("ucf_crime", bank)[0] == set()
    assert found("ucf_crime", bank, lists=ucf.root)[0] == set()
    names = [name.split("/")[1] for name in UCF_TEST]
    for file in ("Anomaly_Test.txt", "Temporal_Anomaly_Annotation.txt"):
        path = ucf.root / file
        path.write_text(path.read_text().replace(names[1], "Normal_Videos_999").replace("  30  ", "  31  "))
    expected = {("changed", "test", names[0]), ("missing", "test", "Normal_Videos_999"), ("extra", "test", names[1])}
    assert found("ucf_crime", bank, lists=ucf.root)[0] == expected
    data = (bank / "test/visual.npy").read_bytes()
    (bank / "test/visual.npy").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert found("ucf_crime", bank)[0] == {("changed", "test", names[1])}
    index = bank / "train/videos.json"
    index.write_text(index.read_text().replace('"Arson"', '"Abuse"'))
    assert ("changed", "", "") in found("ucf_crime", bank)[0]


def test_a_bank_of_another_benchmark(ucf: Hand, tmp_path: Path) -> None:
    bank = import_release("ucf_crime", ucf.root, tmp_path / "bank")
    with pytest.raises(UserError, match="a bank of ucf_crime"):
        check("xd_violence", bank)


@pytest.mark.parametrize(
    ("option", "value"), [("crops", [0]), ("audio", "none"), ("layout", "i3d"), ("visual_width", 512)]
)
def test_what_only_a_release_can_be_asked(option: str, value: object, ucf: Hand, tmp_path: Path) -> None:
    bank = import_release("ucf_crime", ucf.root, tmp_path / "bank")
    with pytest.raises(UserError, match=f"--{option.replace('_', '-')}: is for a release") as error:
        check("ucf_crime", bank, **{option: value})
    assert "leave the option out" in str(error.value)


def test_nothing_there_is_an_error_not_a_finding(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no CLIP feature release"):
        check("xd_violence", tmp_path)
