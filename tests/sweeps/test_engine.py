"""Whole sweeps with workers that only sleep: every cell once, whatever is killed, grown, renamed or broken."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mmvad.sweeps import engine
from mmvad.sweeps.engine import Standing, clock, gpu_of
from mmvad.sweeps.grid import limited
from mmvad.sweeps.starting import STOPPED
from tests import forked
from tests.sweeps.stub import SECONDS, ledger, run_stub, stub_cells

ROOT = Path(__file__).resolve().parents[2]


def grid(folder: Path, name: str = "grid.yaml", *, dropouts: str = "0.0, 0.1, 0.2", seeds: str = "0, 1, 2") -> Path:
    file = folder / name
    file.write_text(
        "program: mmvad\nmethod: grid\nparameters:\n"
        f"  seed: {{values: [{seeds}]}}\n  model.dropout: {{values: [{dropouts}]}}\n"
        "  model.acp: {values: [none, pre, post]}\n"
    )
    return file


def command(file: Path, results: Path, workers: int = 2, seconds: float = 0.05, **options: bool) -> forked.AnyProcess:
    words = [sys.executable, "-m", "tests.sweeps.stub", str(file), str(results), "--workers", str(workers)]
    return forked.start(words, cwd=ROOT, env={**os.environ, SECONDS: str(seconds)}, **options)


def reports(results: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in results.glob("*/report.json")}


@pytest.mark.slow
def test_27_cells_on_4_workers_then_grown_then_renamed(tmp_path: Path) -> None:
    results = tmp_path / "runs"
    states = run_stub(grid(tmp_path), results, workers=4)
    assert [state.state for state in states] == ["done"] * 27
    assert len(ledger(results)) == len(set(ledger(results))) == 27
    before = reports(results)
    run_stub(grid(tmp_path, "renamed.yaml"), results, workers=4)
    assert len(ledger(results)) == 27
    states = run_stub(grid(tmp_path, dropouts="0.0, 0.1, 0.2, 0.3"), results)
    assert len(ledger(results)) == len(set(ledger(results))) == len(states) == 36
    assert before.items() <= reports(results).items()


@pytest.mark.slow
def test_the_same_command_twice_at_once(tmp_path: Path) -> None:
    file, results = grid(tmp_path), tmp_path / "runs"
    both = [command(file, results) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    assert len(ledger(results)) == len(set(ledger(results))) == 27


def test_a_cell_that_another_process_has_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """The first cell is free only once the two others are done."""
    file, results = tmp_path / "grid.yaml", tmp_path / "runs"
    file.write_text("program: mmvad\nmethod: grid\nparameters:\n  seed: {values: [0, 1, 2]}\n")
    states = run_stub(file, results, workers=1, trainer="tests.sweeps.stub:wait_for_the_others")
    assert [state.state for state in states] == ["done"] * 3
    first = stub_cells(file, results)[0].identity
    assert ledger(results)[-1] == first
    assert len(ledger(results)) == 3


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    run_stub(grid(folder, seeds="0, 1"), folder / "runs")
    return reports(folder / "runs")


def server_of(pid: int) -> int:
    """The process that a command's workers are forked from."""
    children = [
        int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()
    ]
    (server,) = (child for child in children if b"forkserver" in Path(f"/proc/{child}/cmdline").read_bytes())
    return server


def workers_of(pid: int) -> list[int]:
    """Worker processes of a command, which are its server's children."""
    server = server_of(pid)
    return [int(child) for child in Path(f"/proc/{server}/task/{server}/children").read_text().split()]


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_for_runs(results: Path, count: int, process: forked.AnyProcess) -> None:
    until = time.monotonic() + 60
    while len(ledger(results)) < count and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(random.uniform(0, 0.3))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds workers in /proc")
@pytest.mark.slow
@pytest.mark.parametrize("whom", ["a worker", "all workers", "the parent"])
def test_five_kills_lose_nothing_and_double_nothing(whom: str, tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    file, results = grid(tmp_path, seeds="0, 1"), tmp_path / "runs"
    process = command(file, results, seconds=0.3)
    for count in (1, 3, 6, 9, 12):
        wait_for_runs(results, count, process)
        workers = workers_of(process.pid)
        assert workers, "there is somebody to kill"
        for pid in {"a worker": workers[:1], "all workers": workers, "the parent": [process.pid]}[whom]:
            kill(pid)
        if whom == "the parent":
            assert process.wait(60) == -signal.SIGKILL
            process = command(file, results, seconds=0.3)
    assert process.wait(120) == 0, "the same command goes on with fresh workers"
    assert reports(results) == undisturbed
    assert len(ledger(results)) == len(set(ledger(results)))


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_puts_cells_back_and_the_next_command_ends_the_sweep(
    asked: signal.Signals, code: int, tmp_path: Path
) -> None:
    file, results = grid(tmp_path, seeds="0"), tmp_path / "runs"
    process = command(file, results, seconds=0.5)
    wait_for_runs(results, 1, process)
    process.send_signal(asked)
    assert process.wait(60) == code
    done = len(ledger(results))
    assert 0 < done < 9
    assert all(state.finished for state in run_stub(file, results))
    assert len(ledger(results)) == len(set(ledger(results))) == 9


@pytest.mark.parametrize("background", [False, True], ids=["terminal", "background of a script"])
def test_a_worker_that_is_just_starting_is_stopped_too(
    background: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command would wait for its cell, without a word, once it has said that it is stopped."""
    start, begun = engine.start, time.monotonic()

    def interrupted(*arguments: Any) -> Any:
        process = start(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)
        return process

    monkeypatch.setattr(engine, "start", interrupted)
    running = engine.Engine(partial(time.sleep, 60), lambda: Standing(1, 0, 0, 0), tmp_path, workers=2)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if background else signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            running.run()
    finally:
        signal.signal(signal.SIGINT, before)
    (slot,) = running.slots
    assert not slot.process.is_alive()
    assert slot.process.exitcode == STOPPED
    assert time.monotonic() - begun < 25, "it was asked to stop, not killed after a while"


@pytest.mark.slow
def test_failing_cells_do_not_stop_the_others(tmp_path: Path) -> None:
    file, results = tmp_path / "grid.yaml", tmp_path / "runs"
    file.write_text(
        "{program: mmvad, method: grid, parameters: {seed: {values: [0, 1]}, modalities: {values: [v, va, vt]}}}"
    )
    results.mkdir()
    (results / "broken").write_text("va")
    assert command(file, results).wait(120) == 1
    assert len(ledger(results)) == 4
    states = run_stub(file, results)
    failed = [state for state in states if state.state == "failed"]
    assert [state.reason for state in failed] == ["MemoryError: out of memory", "loss: the training loss is nan"]
    assert len(ledger(results)) == 4, "a failed cell is not run again unasked"
    (results / "broken").unlink()
    assert all(state.finished for state in run_stub(file, results, retry_failed=True))
    assert len(ledger(results)) == len(set(ledger(results))) == 6


def test_a_limit_takes_the_first_cells_that_are_left(tmp_path: Path) -> None:
    from mmvad.sweeps.grid import CellState

    cells = stub_cells(grid(tmp_path, seeds="0"), tmp_path)
    states = [CellState(cell, "done" if i == 0 else "failed" if i == 1 else "new") for i, cell in enumerate(cells)]
    assert limited(states, 2, retry_failed=False) == cells[:4]
    assert limited(states, 2, retry_failed=True) == cells[:3]
    assert limited(states, None, retry_failed=False) == cells


def test_the_live_line() -> None:
    assert Standing(12, 5, 1, 2).line(200) == "5 of 12 cells, 1 failed, 2 running, 3:20 left"
    assert Standing(12, 11, 1, 0, "2 pruned").line(0) == "11 of 12 cells, 1 failed, 0 running, 2 pruned"
    assert Standing(12, 11, 1, 0).over
    assert not Standing(12, 11, 0, 1).over
    assert clock(7400) == "2:03:20"


def test_gpus_are_dealt_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert [gpu_of(n) for n in range(4)] == ["3", "5", "3", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_of(0) is None
