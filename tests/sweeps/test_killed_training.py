"""A real training in a sweep whose worker, or whose command, is killed: its report is the undisturbed training's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mmvad.runs import RunFolder
from mmvad.sweeps.cells import Cell, Resolver, expand
from mmvad.sweeps.definition import read_sweep
from mmvad.training.checkpoints import LAST
from mmvad.training.train import train
from tests import forked
from tests.runs import MEASURED, SMALL, command
from tests.sweeps.test_engine import ROOT, kill, workers_of

LONG = ("optim.epochs=25", "optim.schedule=cosine", MEASURED)
SWEEP = "{program: mmvad, method: grid, parameters: {seed: {value: 3}, modalities: {values: [va]}}}"


def given(bank: Path) -> list[str]:
    return [*SMALL, *LONG, f"data.bank={bank}"]


def only_cell(file: Path, bank: Path, results: Path) -> Cell:
    file.write_text(SWEEP)
    sweep = read_sweep(file)
    (cell,) = Resolver().cells(sweep, expand(sweep, [*given(bank), f"runtime.results={results}"]))
    return cell


@pytest.fixture(scope="module")
def undisturbed(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("undisturbed")
    return train(only_cell(folder / "one.yaml", bank, folder / "runs").config)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds workers in /proc")
@pytest.mark.slow
@pytest.mark.parametrize("whom", ["the worker", "the command"])
def test_a_killed_training_is_resumed_by_the_sweep(
    whom: str, bank: Path, undisturbed: RunFolder, tmp_path: Path
) -> None:
    file, results = tmp_path / "one.yaml", tmp_path / "runs"
    folder = only_cell(file, bank, results).folder
    words = command("sweep", "run", file, "--results", results, "--set", *given(bank))
    process = forked.start(words, cwd=ROOT, stdout=forked.DEVNULL)
    until = time.monotonic() + 300
    while not (folder.checkpoints / LAST).is_file() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    for pid in workers_of(process.pid) if whom == "the worker" else [process.pid]:
        kill(pid)
    assert not folder.finished, "it was killed in the middle"
    if whom == "the command":
        process.wait(60)
        process = forked.start(words, cwd=ROOT, stdout=forked.DEVNULL)
    assert process.wait(300) == 0
    assert "resuming from" in folder.log.read_text()
    for part in ("report", "epochs", "scores"):
        assert getattr(folder, part).read_bytes() == getattr(undisturbed, part).read_bytes(), part
