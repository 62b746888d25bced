"""What a pull does beside runs that are written here, and what can be done with the folders that it leaves."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from mmvad.benchmarks import registry
from mmvad.benchmarks.registry import benchmark
from mmvad.cli.main import main
from mmvad.config.load import load_config, plain
from mmvad.runs import RunFolder, run_config
from mmvad.sweeps.cells import Cell
from mmvad.sweeps.pull import pull
from mmvad.sweeps.storage import Database, open_database, storage_url
from mmvad.sweeps.study import Queue
from mmvad.system.disk import sole_writer
from mmvad.training import tracking
from mmvad.training.tracking import log_finished_run
from tests.own import change, write_own
from tests.sweeps.stub import stub_cells
from tests.sweeps.test_engine import grid


@pytest.fixture
def cells(tmp_path: Path) -> list[Cell]:
    return stub_cells(grid(tmp_path, seeds="0", dropouts="0.1"), tmp_path / "runs")


@pytest.fixture
def database(cells: list[Cell], tmp_path: Path) -> Database:
    """Another machine has run every cell."""
    database = open_database(storage_url(None, tmp_path / "elsewhere"))
    reports = {cell.identity: {"report": report_of(cell), "manifest": {"host": "another"}} for cell in cells}
    Queue(database).enqueue("grid", {cell.identity: plain(cell.config) for cell in cells}, reports)
    return database


def report_of(cell: Cell) -> dict[str, Any]:
    scores = {"combined": {"ap": 0.5}, "coarse": {"ap": 0.25}}
    return {"identity": cell.identity, "headline": {"score": "combined", "metric": "ap"}, "scores": scores}


def test_a_run_that_is_being_written_does_not_end_the_pull(
    cells: list[Cell], database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "runs"
    command = ["sweep", "pull", "--results", str(results), "--storage", database.url]
    with sole_writer(cells[0].folder.path):
        assert main(command) == 0
        assert "2 reports pulled, 0 were here, 1 left out (another process is writing them)" in capsys.readouterr().out
        assert [cell.folder.finished for cell in cells] == [False, True, True]
    assert pull(database, results) == (1, 2, 0)
    assert all(cell.folder.finished for cell in cells)


def test_a_run_of_a_user_s_benchmark_is_pulled_without_its_file(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_own(tmp_path / "own")
    change(file, "title: Yard", "title: Yard\nname: far_yard")
    config = load_config([Path("small")], [f"benchmark={file}"])
    facts, identity = benchmark("far_yard").facts, "0" * 64
    report = {
        "identity": identity,
        "headline": {"score": "combined", "metric": "ap"},
        "scores": {"combined": {"ap": 0.5}},
    }
    found = {identity: {"report": report, "manifest": {"benchmark": facts}}}
    Queue(database).enqueue("own", {identity: plain(config)}, found)
    file.unlink()
    monkeypatch.setattr(registry, "_own", {})
    monkeypatch.setattr(registry, "_told", set())
    assert pull(database, tmp_path / "runs", {identity}) == (1, 0, 0)
    (folder,) = (tmp_path / "runs").glob("far_yard-*")
    monkeypatch.setattr(registry, "_own", {})
    assert run_config(RunFolder(folder)).benchmark == "far_yard"
    assert benchmark("far_yard").class_keys == ("calm", "brawl", "theft")


def test_an_agent_logs_a_pulled_run(
    cells: list[Cell],
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pull(database, tmp_path / "runs")
    logged: list[dict[str, float]] = []

    class Run:
        log = log_metrics = staticmethod(logged.append)
        finish = staticmethod(lambda exit_code: None)

    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")
    monkeypatch.setattr(tracking, "wandb_logger", lambda *_: Run)
    monkeypatch.setattr(tracking, "_run", lambda: Run)
    with caplog.at_level(logging.WARNING):
        log_finished_run("auto", cells[0].folder, plain(cells[0].config))
    assert logged == [{"test/ap": 0.5, "test/combined/ap": 0.5, "test/coarse/ap": 0.25}]
    assert "W&B gets the test figures alone" in caplog.text
    cells[0].folder.epochs.write_text("epoch,loss/total,val/ap\n0,2.0,\n1,1.0,0.5\n")
    log_finished_run("auto", cells[0].folder, plain(cells[0].config))
    assert logged[1:3] == [{"epoch": 0.0, "loss/total": 2.0}, {"epoch": 1.0, "loss/total": 1.0, "val/ap": 0.5}]
