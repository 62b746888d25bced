"""`runtime.audit`: a run keeps the test set's scores of every epoch, and its results stay what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmvad.runs import RunFolder, crop_scores, epoch_scores
from mmvad.training.train import train
from tests.runs import MEASURED, configured, epochs


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def test_an_audited_run_is_the_same_run(finished: RunFolder, bank: Path, tmp_path: Path) -> None:
    folder = train(configured(bank, tmp_path, MEASURED, "runtime.audit=on"))
    assert folder.report.read_bytes() == finished.report.read_bytes()
    assert folder.scores.read_bytes() == finished.scores.read_bytes()
    last, own = arrays(epoch_scores(folder, 2)), arrays(folder.scores)
    np.testing.assert_array_equal(last["test00/coarse"], own["test00/coarse"])
    np.testing.assert_array_equal(last["test00/classes"], own["test00/classes"][:, :1])
    assert any((arrays(epoch_scores(folder, 0))[name] != last[name]).any() for name in last)
    assert arrays(crop_scores(folder)).keys() == last.keys()  # the bank has two crops


def test_held_out_videos_are_measured_where_the_test_set_chooses(bank: Path, tmp_path: Path) -> None:
    folder = train(configured(bank, tmp_path, MEASURED, "select=best_test", "runtime.audit=on"))
    assert all({"val/ap", "val/test_ap"} <= row.keys() for row in epochs(folder))
