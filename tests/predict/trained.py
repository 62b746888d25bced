"""A trained run that several tests predict with: made once, on a small bank."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.bank.bank import open_bank
from mmvad.config.load import load_config
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.runs import RunFolder
from mmvad.tables.scored import Truths, scored_videos
from mmvad.training.train import train
from tests.small import write_bank

BASE = Path(__file__).resolve().parents[2] / "experiments" / "planted.yaml"
SMALL = (
    "model.text.architecture=tiny",
    "model.prompt_half=2",
    "data.segment_length=16",
    "data.batch_size=8",
    "optim.epochs=2",
    "runtime.figures=false",
    "runtime.threads=1",
    "runtime.device=cpu",
)


def small_run(root: Path, *changes: str) -> RunFolder:
    """A run of a few steps on a bank of videos of 3 to 40 snippets, in chunks of 16."""
    bank = root / "bank"
    if not bank.is_dir():
        write_bank(bank, silent=["test03"])
    words = [*SMALL, "data.audio=optional", f"data.bank={bank}", f"runtime.results={root / 'runs'}", *changes]
    return train(load_config([BASE], words))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return small_run(tmp_path_factory.mktemp("predict"))


@pytest.fixture(scope="session")
def tested(trained: RunFolder) -> dict[str, ScoredVideo]:
    """What the run itself found for its test videos."""
    bank = open_bank(trained.path.parents[1] / "bank")
    return {v.name: v for v in scored_videos(trained.path, Truths().of(bank.content_hash, str(bank.path)))}
