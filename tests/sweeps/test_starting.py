"""How worker processes begin: what they are given, and that what they share does them no harm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmvad.sweeps import starting
from mmvad.sweeps.starting import Surroundings, start
from mmvad.sweeps.worker import DEFAULT_TRAINER, modules_of
from tests.sweeps.stub import ledger
from tests.sweeps.test_engine import ROOT, command, grid, kill, reports, server_of, wait_for_runs, workers_of

linux = pytest.mark.skipif(not starting.FORKS, reason="workers are forked on Linux alone")


@dataclass(frozen=True)
class Look:
    """A job that writes what a worker sees before it does anything."""

    file: Path

    def __call__(self) -> int:
        seen = {
            "imported": sorted({"mmvad.training.train", "optuna", "torch"} & set(sys.modules)),
            "environment": dict(os.environ),
            "path": sys.path,
            "interrupts": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
            "blocked": [*map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))],
        }
        import torch

        seen |= {"cuda is lost": torch.cuda._is_in_bad_fork(), "threads": torch.get_num_threads()}
        self.file.write_text(json.dumps(seen))
        return 0


def look_twice(folder: Path) -> None:
    """Two workers of one server, in environments of their own; what they print goes to their logs."""
    os.environ.pop("OMP_NUM_THREADS", None)
    for number in ("1", "2"):
        environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": number}
        surroundings = Surroundings(folder / "logs" / number, environment)
        process = start(Look(folder / f"{number}.json"), surroundings, modules_of(DEFAULT_TRAINER))
        process.join()
        assert process.exitcode == 0, surroundings.log.read_text()
    assert "PYTHONSAFEPATH" not in os.environ


@linux
def test_a_worker_has_its_environment_and_may_use_cuda(tmp_path: Path) -> None:
    """A module that looks for a GPU while it is imported would take CUDA from every worker."""
    (tmp_path / "torch.py").write_text("raise SystemExit('the current folder is not where libraries are')")
    code = f"import os, sys; sys.path[0] = {str(ROOT)!r}; from pathlib import Path; os.chdir({str(tmp_path)!r}); "
    code += "from tests.sweeps.test_starting import look_twice; look_twice(Path())"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    for number in ("1", "2"):
        seen = json.loads((tmp_path / f"{number}.json").read_text())
        assert seen["imported"] == ["mmvad.training.train", "optuna", "torch"]
        assert seen["environment"]["CUDA_VISIBLE_DEVICES"] == number
        assert seen["environment"].get("PYTHONPATH") == os.environ.get("PYTHONPATH")
        assert "PYTHONSAFEPATH" not in seen["environment"]
        assert seen["path"][0] == str(ROOT)
        assert (seen["cuda is lost"], seen["interrupts"], seen["blocked"], seen["threads"]) == (False, True, [], 1)


@linux
@pytest.mark.slow
def test_a_killed_server_loses_and_doubles_nothing(tmp_path: Path) -> None:
    file, results = grid(tmp_path, seeds="0"), tmp_path / "runs"
    process = command(file, results, seconds=0.5)
    wait_for_runs(results, 2, process)
    kill(server_of(process.pid))
    assert process.wait(120) == 0
    assert len(reports(results)) == len(ledger(results)) == 9


@linux
@pytest.mark.slow
def test_a_terminals_interrupt_reaches_every_process_and_puts_cells_back(tmp_path: Path) -> None:
    """Ctrl-C goes to the whole group at once: also to the server, which the workers still need for their exit codes."""
    file, results = grid(tmp_path, seeds="0"), tmp_path / "runs"
    process = command(file, results, seconds=0.5, start_new_session=True)
    wait_for_runs(results, 1, process)
    workers = workers_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert 0 < len(ledger(results)) < 9
    assert command(file, results).wait(120) == 0
    assert len(ledger(results)) == len(set(ledger(results))) == 9
