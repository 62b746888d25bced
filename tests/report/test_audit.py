"""What each habit is worth: known gains are found again, what is not known is said, noise gains by choice alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import open_bank
from mmvad.cli.main import main
from mmvad.metrics.bootstrap import exactly_resampled, resampled_metric, video_weights
from mmvad.metrics.evaluate import ScoredVideo
from mmvad.metrics.postprocessing import smoothed
from mmvad.report.audit_material import View
from mmvad.report.audit_steps import (
    AS_IT_IS,
    CROPS,
    ELSEWHERE,
    HELD_OUT,
    LAST,
    NOT_KEPT,
    RELOAD,
    SMOOTHING,
    TEST,
    TRAPEZOIDS,
    TRUTH,
    figure_of,
)
from mmvad.runs import RunFolder, crop_scores, epoch_scores, write_scores
from tests.runs import refusal
from tests.tables.made_up import make_run, scored

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


def test_every_step_is_the_difference_that_it_says(results_bank: Path, tmp_path: Path) -> None:
    skills = [1.0, 3.0, 2.0, 1.2]
    folder = audit_on(tmp_path, results_bank, skills, [0.1, 0.2, 0.9, 0.3])
    at = [scored(results_bank, skill, epoch, fine=False) for epoch, skill in enumerate(skills)]
    crops = scored(results_bank, 4.0, 9, fine=False)
    keep(crop_scores(folder), crops)
    changes = [f"optim.epochs={EPOCHS}", "modalities=va", "select=best_test", "quirks.reload_best=on"]
    make_run(tmp_path, results_bank, changes, skill=3.5, noise=20)
    reloaded = scored(results_bank, 3.5, 20, fine=False)
    step = audited(folder)
    smooth = smoothed(reloaded, "next_7")
    wanted = {
        HELD_OUT: ap(at[2]) - ap(at[3]),
        TEST: ap(at[1]) - ap(at[2]),
        RELOAD: ap(reloaded) - ap(at[1]),
        SMOOTHING: ap(smooth) - ap(reloaded),
        TRAPEZOIDS: ap(smooth, trapezoid=True) - ap(smooth),
        CROPS: ap(smoothed(crops, "next_7"), trapezoid=True) - ap(smoothed(at[3], "next_7"), trapezoid=True),
    }
    assert step[LAST]["value"] == pytest.approx(ap(at[3]))
    for name, gain in wanted.items():
        assert step[name]["gain"] == pytest.approx(gain, abs=1e-12), name
        assert name == TRAPEZOIDS or step[name]["low"] <= step[name]["high"]
    assert step["sum"]["total"] == pytest.approx(sum(wanted.values()))
    assert not step[HELD_OUT]["habit"]
    assert step[TRUTH]["missing"].startswith("none was given")


def test_a_run_that_kept_nothing_says_what_is_not_known(
    results_bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = audited(make_run(tmp_path, results_bank))
    assert (step[LAST]["gain"], step[TEST]["missing"], step[TEST]["value"]) == (None, NOT_KEPT, None)
    assert "--quirks.reload_best=on" in step[RELOAD]["missing"]
    assert step[SMOOTHING]["gain"] is not None
    assert "5 steps are not known" in capsys.readouterr().out


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
    assert "is no finished run" in refusal(capsys, ["audit", str(tmp_path)])
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
