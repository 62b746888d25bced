"""When a run's checkpoints are written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from mmvad.training import checkpoints
from mmvad.training.checkpoints import BEST, LAST, RunCheckpoints

FIGURES = [0.5, 0.4, 0.6, 0.6, 0.3, 0.7, 0.1]


@pytest.fixture
def reloaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `best.ckpt` held whenever it was reloaded."""
    found: list[str] = []

    def read(path: Path, identity: str) -> dict[str, object]:
        found.append(path.read_text())
        return {"state_dict": {}}

    monkeypatch.setattr(checkpoints, "read_checkpoint", read)
    return found


def kept_after_each_epoch(kept: RunCheckpoints) -> list[tuple[str, str]]:
    """The epochs that the two files are of, after each epoch; a checkpoint is its epoch's number."""
    module, seen = SimpleNamespace(load_weights=lambda weights: None), []
    for epoch, figure in enumerate(FIGURES):
        trainer = SimpleNamespace(callback_metrics={"val/ap": figure}, current_epoch=epoch, max_epochs=len(FIGURES))
        trainer.save_checkpoint = lambda path, epoch=epoch: path.write_text(str(epoch))
        kept.on_train_epoch_end(trainer, module)  # type: ignore[arg-type]
        files = [kept.folder / name for name in (BEST, LAST)]
        seen.append(tuple(file.read_text() if file.is_file() else "" for file in files))
    return seen


def test_the_best_is_kept_at_once_and_the_last_now_and_then(tmp_path: Path, reloaded: list[str]) -> None:
    found = kept_after_each_epoch(RunCheckpoints(tmp_path, "identity", 3, "val/ap"))
    assert [best for best, _ in found] == ["0", "0", "2", "2", "2", "5", "5"]
    assert [last for _, last in found] == ["", "", "2", "2", "2", "5", "6"]
    assert reloaded == []


def test_what_is_reloaded_is_never_of_an_epoch_that_a_resumed_run_has_before_it(
    tmp_path: Path, reloaded: list[str]
) -> None:
    found = kept_after_each_epoch(RunCheckpoints(tmp_path, "identity", 100, "val/ap", reload=True))
    assert all(best and int(best) <= int(last) for best, last in found)
    assert reloaded == ["0", "2", "2", "5"]
