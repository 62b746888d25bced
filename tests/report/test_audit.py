"""What each habit is worth: known gains are found again, what is not known is said, noise gains by choice alone."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import open_bank
from mmvad.cli.main import main
from mmvad.metrics.bootstrap import exactly_resampled, resampled_metric, video_weights
from mmvad.metrics.postprocessing import smoothed
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.report import audit
from mmvad.report.audit_chain import (
    AS_IT_IS,
    CROPS,
    ELSEWHERE,
    HELD_OUT,
    LAST,
    NOT_KEPT,
    ONE_CROP,
    ONE_EPOCH,
    RELOAD,
    SMOOTHING,
    TEST,
    TRAPEZOIDS,
    TRUTH,
)
from mmvad.report.audit_material import View, figure_of
from mmvad.runs import RunFolder, crop_scores, epoch_scores, write_scores
from mmvad.system.disk import disk_errors, sole_writer
from tests.runs import refusal
from tests.tables.made_up import make_bank, make_run, scored

EPOCHS = 4


def audited(folder: RunFolder, *more: object) -> dict[str, dict]:
    """The steps of `mmvad audit`, by name; what it wrote is there."""
    assert main(["audit", str(folder.path), "--resamples", "60", *map(str, more)]) == 0
    content = json.loads((folder.audit / "audit.json").read_text())
    assert {p.name for p in folder.audit.glob("audit.*")} == {"audit.json", "audit.md", "audit.png", "audit.svg"}
    return {step["name"]: step for step in content["steps"]} | {"sum": content}


def keep(path: Path, videos: Sequence[ScoredVideo]) -> None:
    path.parent.mkdir(exist_ok=True)
    write_scores(path, [replace(v, class_probabilities=None) for v in videos])


def audit_on(tmp_path: Path, bank: Path, skills: Sequence[float], held_out: Sequence[float]) -> RunFolder:
    """A run whose epochs have these skills; its own scores are the last epoch's."""
    changes = [f"optim.epochs={EPOCHS}", "modalities=va"]
    folder = make_run(tmp_path, bank, changes, skill=skills[-1], noise=EPOCHS - 1)
    report = json.loads(folder.report.read_text()) | {"selected_epoch": EPOCHS}
    folder.report.write_text(json.dumps(report))
    for epoch, skill in enumerate(skills):
        keep(epoch_scores(folder, epoch), scored(bank, skill, epoch, fine=False))
    folder.epochs.write_text("epoch,val/ap\n" + "".join(f"{i},{v}\n" for i, v in enumerate(held_out)))
    return folder


def ap(videos: Sequence[ScoredVideo], *, trapezoid: bool = False) -> float:
    return figure_of(View(tuple(videos), trapezoid), "ap")


SKILLS, VALIDATED = [1.0, 3.0, 2.0, 1.2], [0.1, 0.2, 0.9, 0.3]


def reloading(tmp_path: Path, bank: Path) -> RunFolder:
    """The run beside it whose weights were reloaded every epoch."""
    changes = [f"optim.epochs={EPOCHS}", "modalities=va", "select=best_test", "quirks.reload_best=on"]
    return make_run(tmp_path, bank, changes, skill=3.5, noise=20)


def test_every_step_is_on_top_of_those_before_it(results_bank: Path, tmp_path: Path) -> None:
    folder = audit_on(tmp_path, results_bank, SKILLS, VALIDATED)
    at = [scored(results_bank, skill, epoch, fine=False) for epoch, skill in enumerate(SKILLS)]
    beside, crops = reloading(tmp_path, results_bank), scored(results_bank, 4.0, 9, fine=False)
    keep(crop_scores(beside), crops)
    reloaded = scored(results_bank, 3.5, 20, fine=False)
    smooth, averaged = (smoothed(each, "next_7") for each in (reloaded, crops))
    values = {
        LAST: ap(at[3]),
        HELD_OUT: ap(at[2]),
        TEST: ap(at[1]),
        RELOAD: ap(reloaded),
        SMOOTHING: ap(smooth),
        TRAPEZOIDS: ap(smooth, trapezoid=True),
        CROPS: ap(averaged, trapezoid=True),
    }
    step = audited(folder)
    assert {name: step[name]["value"] for name in values} == pytest.approx(values, abs=1e-12)
    for (_, before), (name, after) in pairwise(values.items()):
        assert step[name]["gain"] == pytest.approx(after - before, abs=1e-12)
        assert name == TRAPEZOIDS or step[name]["low"] <= step[name]["high"]
    total = step["sum"]
    assert total["total"] == pytest.approx(values[CROPS] - values[LAST])
    assert total["low"] <= total["high"]
    habits = values[CROPS] - values[HELD_OUT]  # choosing on held-out videos is none
    assert f"Of {100 * total['total']:+.2f}" in (folder.audit / "audit.md").read_text()
    assert f"{100 * habits:+.2f} are habits" in (folder.audit / "audit.md").read_text()
    assert not step[HELD_OUT]["habit"]
    assert step[TRUTH]["missing"].startswith("none was given")


def test_a_damaged_run_beside_it_costs_its_step_alone(results_bank: Path, tmp_path: Path) -> None:
    folder = audit_on(tmp_path, results_bank, SKILLS, VALIDATED)
    beside = reloading(tmp_path, results_bank)
    beside.scores.write_bytes(b"no archive")
    step = audited(folder)
    wanted = f"of {beside.path.name}: scores.npz cannot be read: it is no archive of arrays"
    assert (step[RELOAD]["value"], step[RELOAD]["missing"]) == (None, wanted)
    assert step[SMOOTHING]["value"] is not None


def test_crops_of_another_epoch_stand_aside_and_not_in_the_sum(results_bank: Path, tmp_path: Path) -> None:
    """Other crops are kept of the reported epoch alone, here the last; the chain is at the best one by then."""
    folder = audit_on(tmp_path, results_bank, SKILLS, VALIDATED)
    crops, last, best = (
        smoothed(scored(results_bank, skill, noise, fine=False), "next_7")
        for skill, noise in ((4.0, 9), (SKILLS[3], 3), (SKILLS[1], 1))
    )
    keep(crop_scores(folder), scored(results_bank, 4.0, 9, fine=False))
    step = audited(folder)
    assert step[CROPS]["value"] is None
    assert step[CROPS]["gain"] == pytest.approx(ap(crops, trapezoid=True) - ap(last, trapezoid=True))
    assert "epoch 4" in step[CROPS]["missing"]
    assert step["sum"]["total"] == pytest.approx(ap(best, trapezoid=True) - step[LAST]["value"])
    assert "2 steps are not known" in (folder.audit / "audit.md").read_text()  # reloaded weights, another ground truth


def test_what_does_not_apply_is_not_called_unknown(results_bank: Path, tmp_path: Path) -> None:
    """A method without epochs has no best one; a bank of one crop no others."""
    folder = make_run(tmp_path, results_bank, ["optim.epochs=1", "modalities=va"])
    step = audited(folder)
    assert {step[name]["missing"] for name in (HELD_OUT, TEST, RELOAD)} == {ONE_EPOCH}
    assert step[CROPS]["missing"] == ONE_CROP
    assert "1 step is not known" in (folder.audit / "audit.md").read_text()  # another ground truth


def test_a_run_that_kept_nothing_says_what_is_not_known(
    results_bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = audited(make_run(tmp_path, results_bank))
    assert (step[LAST]["gain"], step[TEST]["missing"], step[TEST]["value"]) == (None, NOT_KEPT, None)
    assert "--quirks.reload_best=on" in step[RELOAD]["missing"]
    assert step[SMOOTHING]["gain"] is not None
    assert "4 steps are not known" in capsys.readouterr().out


def test_what_was_trained_elsewhere_is_looked_at_as_it_is(bank: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    scores = {video.name: draw.random(video.snippets) for video in open_bank(bank).test.videos}
    np.savez(tmp_path / "scores.npz", **scores)  # type: ignore[arg-type]
    out = tmp_path / "theirs"
    words = ["evaluate", str(tmp_path / "scores.npz"), "--bank", str(bank), "--out", str(out), "--name", "Theirs"]
    assert main(words) == 0
    step = audited(RunFolder(out))
    known = json.loads((out / "report.json").read_text())["scores"]["combined"]["ap"]
    assert step[AS_IT_IS]["value"] == pytest.approx(known)
    assert {step[name]["missing"] for name in (HELD_OUT, TEST, RELOAD, CROPS)} == {ELSEWHERE}
    assert step[SMOOTHING]["gain"] is not None


def test_another_ground_truth(results_bank: Path, tmp_path: Path) -> None:
    """Events that begin a row later, as an array of frames a video."""
    videos = scored(results_bank, 2.0, 0, fine=False)
    folder = make_run(tmp_path, results_bank, ["modalities=va"], noise=0)
    later = [replace(v, intervals=tuple((s + 16, e) for s, e in v.intervals)) for v in videos]
    truth = [np.zeros(16 * v.snippets, dtype=np.int64) for v in later]
    for array, video in zip(truth, later):
        for start, end in video.intervals:
            array[start:end] = 1
    np.savez(tmp_path / "gt.npz", **{v.name: array for v, array in zip(later, truth)})  # type: ignore[arg-type]
    step = audited(folder, "--truth", tmp_path / "gt.npz")
    smooth, moved = (smoothed(each, "next_7") for each in (videos, later))
    assert step[TRUTH]["gain"] == pytest.approx(ap(moved, trapezoid=True) - ap(smooth, trapezoid=True))


def test_a_ground_truth_without_some_videos(results_bank: Path, tmp_path: Path) -> None:
    """The step is to the figure over the videos that it has, and the sum still has an interval."""
    videos = scored(results_bank, 2.0, 0, fine=False)
    folder = make_run(tmp_path, results_bank, ["modalities=va"], noise=0)
    frames = {v.name: np.zeros(16 * v.snippets, dtype=np.int64) for v in videos[4:]}
    for video in videos[4:]:
        for start, end in video.intervals:
            frames[video.name][start:end] = 1
    np.savez(tmp_path / "gt.npz", **frames)  # type: ignore[arg-type]
    step = audited(folder, "--truth", tmp_path / "gt.npz")
    assert step[TRUTH]["value"] == pytest.approx(ap(smoothed(videos[4:], "next_7"), trapezoid=True))
    assert "without 4 videos" in step[TRUTH]["detail"]
    assert step["sum"]["low"] < step["sum"]["total"] < step["sum"]["high"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda name, frames: (f"no {name}", frames), "is of none of the 24 test videos"),
        (lambda name, frames: (name, 0 * frames), "another ground truth (gt.npz): no positives"),
    ],
)
def test_a_ground_truth_that_cannot_be_one(
    change: Callable, message: str, results_bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = scored(results_bank, 2.0, 0)
    folder = make_run(tmp_path, results_bank)
    arrays = dict(change(v.name, np.ones(16 * v.snippets, dtype=np.int64)) for v in videos)
    np.savez(tmp_path / "gt.npz", **arrays)
    assert message in refusal(capsys, ["audit", str(folder.path), "--truth", str(tmp_path / "gt.npz")])
    assert not any(folder.audit.glob("*"))


def test_a_ground_truth_of_other_lengths_is_told(results_bank: Path, tmp_path: Path) -> None:
    videos = scored(results_bank, 2.0, 0)
    arrays = {v.name: np.arange(16 * v.snippets + 100 * (i == 3)) % 50 // 40 for i, v in enumerate(videos)}
    np.savez(tmp_path / "gt.npz", **arrays)  # type: ignore[arg-type]
    folder = make_run(tmp_path / "runs", results_bank)
    assert audited(folder, "--truth", tmp_path / "gt.npz")[TRUTH]["detail"] == "gt.npz, of other lengths in 1 video"


def test_the_history_of_epochs_may_be_damaged(
    results_bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Epochs are those that its rows name; a figure that is not finite is none."""
    folder = audit_on(tmp_path, results_bank, SKILLS, VALIDATED)
    folder.epochs.write_text("epoch,val/ap\n1,nan\n2,0.4\n3,0.3\n")
    assert audited(folder)[HELD_OUT]["detail"] == "epoch 3"
    for damage in (b"epoch,val/ap\n0,abc\n", b"\xff\xfe"):
        folder.epochs.write_bytes(damage)
        text = refusal(capsys, ["audit", str(folder.path)])
        assert "epochs.csv: cannot be read" in text
        assert "fix: remove it" in text


def test_files_of_an_audit_are_of_one_writing(
    results_bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails on its way leaves the files from before; a second one at a time is refused."""
    folder = make_run(tmp_path, results_bank)
    audited(folder)
    before = {file.name: file.read_bytes() for file in folder.audit.iterdir()}
    with monkeypatch.context() as patched:
        patched.setattr(audit, "write_json", raise_disk_full)
        assert "no space left" in refusal(capsys, ["audit", str(folder.path), "--resamples", "10"])
    with sole_writer(folder.audit.resolve()):
        assert "another process is writing it" in refusal(capsys, ["audit", str(folder.path)])
    assert {file.name: file.read_bytes() for file in folder.audit.iterdir()} == before


def raise_disk_full(path: Path, content: object) -> None:
    with disk_errors(path):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_one_test_video_gives_steps_without_intervals(tmp_path: Path) -> None:
    make_bank(tmp_path / "bank", videos=1)
    step = audited(make_run(tmp_path / "runs", tmp_path / "bank", ["modalities=va"]))
    assert step[SMOOTHING]["gain"] is not None
    assert (step[SMOOTHING]["low"], step["sum"]["low"]) == (None, None)


def test_an_audit_can_be_written_elsewhere(results_bank: Path, tmp_path: Path) -> None:
    """The folder of a finished run may be one that cannot be written to."""
    folder, out = make_run(tmp_path, results_bank), tmp_path / "new" / "audit"
    assert main(["audit", str(folder.path), "--resamples", "10", "--out", str(out)]) == 0
    assert {file.name for file in out.iterdir()} == {"audit.json", "audit.md", "audit.png", "audit.svg"}
    assert not folder.audit.exists()


def test_noise_gains_by_choice_on_the_test_set(results_bank: Path, tmp_path: Path) -> None:
    """Epochs of random scores: the best of them is better than the last, and that is all choice."""
    gains = []
    for seed in range(2):
        folder = audit_on(tmp_path / str(seed), results_bank, [0.0] * EPOCHS, [0.0] * EPOCHS)
        for epoch in range(EPOCHS):
            keep(epoch_scores(folder, epoch), scored(results_bank, 0.0, 100 * seed + epoch, fine=False))
        gains.append(audited(folder)[TEST]["gain"])
    assert min(gains) >= 0
    assert np.mean(gains) > 0.005


@pytest.mark.parametrize("metric", ["ap", "auc"])
def test_exact_resamples_are_those_on_all_thresholds(results_bank: Path, metric: str) -> None:
    videos, weights = scored(results_bank, 1.5, 3), video_weights(24, 20)
    exact, few = (f(videos, metric, weights) for f in (exactly_resampled, resampled_metric))  # type: ignore[operator]
    np.testing.assert_allclose(exact, few, rtol=1e-12)


def test_what_cannot_be_audited_is_refused(
    results_bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is no run folder" in refusal(capsys, ["audit", str(tmp_path)])
    chosen = make_run(tmp_path, results_bank, ["select=best_test"])
    assert "runtime.audit" in refusal(capsys, ["audit", str(chosen.path)])
    reloaded = make_run(tmp_path, results_bank, ["select=best_test", "quirks.reload_best=on"])
    assert "without quirks.reload_best" in refusal(capsys, ["audit", str(reloaded.path)])
    broken = audit_on(tmp_path / "broken", results_bank, [1.0] * EPOCHS, [0.0] * EPOCHS)
    epoch_scores(broken, 1).write_bytes(b"PK broken")
    text = refusal(capsys, ["audit", str(broken.path)])
    assert "epoch-0002.npz" in text
    assert "--runtime.audit=on" in text
    assert not (broken.audit / "audit.md").exists()
