"""A results folder that several tests read: made once, never changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tables.made_up import make_bank, make_runs


@pytest.fixture(scope="session")
def results_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("banks") / "planted"
    make_bank(path)
    return path


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory, results_bank: Path) -> Path:
    """Planted runs: three of four modalities, ACP off, two prompt counts and a 2 x 2 grid of lambdas; three seeds."""
    path = tmp_path_factory.mktemp("results")
    rows = [
        ([], 2.6),
        (["modalities=v"], 1.5),
        (["modalities=va"], 1.9),
        (["model.acp=none"], 2.2),
        (["model.prompt_half=7"], 2.5),
        (["loss.lambda_contrast=0.1"], 2.4),
        (["loss.lambda_embed=1e-4"], 2.3),
        (["loss.lambda_contrast=0.1", "loss.lambda_embed=1e-4"], 2.4),
    ]
    make_runs(path, results_bank, rows)
    return path
