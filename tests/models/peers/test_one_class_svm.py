"""The one-class SVM: scikit-learn's decision in torch, fitted on normal videos alone, kept in a checkpoint."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.svm import OneClassSVM

from mmvad.config.load import load_config
from mmvad.errors import UserError
from mmvad.models.peers.one_class_svm import network as one_class_svm
from mmvad.models.peers.one_class_svm.settings import OneClassSvmSettings
from mmvad.runs import read_json
from mmvad.tables.frame import collect
from mmvad.training.retest import retest
from mmvad.training.train import train
from tests.models.peers.properties import bags
from tests.plain.peers import one_class_svm as plain
from tests.small import WIDTH, write_bank


def fitted(samples: int = 5000, shift: float = 0.0, outliers: float = 0.1) -> one_class_svm.OneClassSvm:
    """On six normal videos, with abnormal ones among them that are moved by `shift`."""
    torch.manual_seed(0)
    model = one_class_svm.OneClassSvm(WIDTH, OneClassSvmSettings(samples=samples, outliers=outliers))
    batches = [bags((10,), 16, seed=i, labels=[[i % 2]]) for i in range(12)]
    model.fit_offline([b._replace(visual=b.visual + shift) if b.abnormal.any() else b for b in batches])
    return model


def normal_rows() -> np.ndarray:
    return np.concatenate([bags((10,), seed=i, labels=[[0]]).visual.flatten(0, 1).numpy() for i in range(0, 12, 2)])


def test_the_decision_is_scikit_learns_and_the_plain_one() -> None:
    model, batch = fitted(), bags((20, 20), crops=1, seed=50)
    machine = OneClassSVM(nu=0.1, gamma="scale").fit(normal_rows().astype(np.float64))
    wanted = machine.decision_function(batch.visual.flatten(0, 1).numpy())
    found = model.decision(batch.visual)
    np.testing.assert_allclose(found.flatten().numpy(), wanted, rtol=1e-2, atol=5e-3 * np.abs(wanted).max())
    gamma, rho, _ = model.constants.tolist()
    by_hand = [plain.decision(x, model.support, model.weights, gamma, rho) for x in batch.visual[0]]
    assert found[0].tolist() == pytest.approx(by_hand, rel=1e-4, abs=1e-4)


def test_abnormal_videos_are_never_looked_at() -> None:
    assert torch.equal(fitted(shift=0.0).support, fitted(shift=9.0).support)


def test_what_lies_far_off_scores_higher_than_what_it_was_fitted_on() -> None:
    model = fitted()
    near, far = bags((10,), seed=0, labels=[[0]]), bags((10,), seed=0, labels=[[0]])
    far = far._replace(visual=far.visual + 3)
    scores = [model.scores(model(b)).coarse for b in (near, far)]
    assert scores[0].max() < scores[1].min() <= 1
    assert scores[0].min() >= 0


@pytest.mark.parametrize("outliers", [0.1, 0.5])
def test_nu_bounds_the_outliers_from_above_and_the_support_from_below(outliers: float) -> None:
    model, rows = fitted(outliers=outliers), torch.from_numpy(normal_rows())
    near = 0.02 * model.constants[2]  # support vectors lie on the border, give or take the solver's tolerance
    assert (model.decision(rows[None]) < -near).float().mean() <= outliers
    assert len(model.support) >= outliers * len(rows)


def test_it_is_fitted_on_a_sample_drawn_from_the_seed() -> None:
    few, again = fitted(samples=20), fitted(samples=20)
    assert len(few.support) <= 20
    assert torch.equal(few.support, again.support)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    with pytest.raises(UserError, match=r"mmvad\[peers\]"):
        fitted()


def test_a_run_can_be_tested_again_from_its_checkpoint(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "bank")
    settings = [f"data.bank={bank}", f"runtime.results={tmp_path}", "model.name=one_class_svm", "modalities=v"]
    folder = train(load_config([], [*settings, "optim.epochs=1", "runtime.figures=off", "data.segment_length=64"]))
    assert read_json(folder.report)["scores"]["combined"]["auc"] > 0.6  # a shift of three deviations
    assert not retest(folder.path, [], None).differing


def test_the_report_holds_the_settings_that_the_method_reads(tmp_path: Path) -> None:
    settings = [f"data.bank={write_bank(tmp_path / 'bank')}", f"runtime.results={tmp_path / 'runs'}", "optim.epochs=1"]
    config = load_config([], [*settings, "model.name=one_class_svm", "modalities=v", "runtime.figures=off"])
    folder = train(config)
    told = read_json(folder.report)["config"]
    assert "loss" not in told
    assert set(told["model"]) == {"name", "text"}
    assert set(told["peers"]) == {"one_class_svm"}
    assert load_config([folder.config]) == config, "what a run goes on from stays whole"
    assert set(collect([tmp_path / "runs"]).frame["run"]) == {folder.path.name}
