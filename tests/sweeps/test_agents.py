"""The real `wandb sweep` and `wandb agent`, against a stand-in for their server; the trained runs log offline."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from mmvad.config.load import load_config
from mmvad.runs import RunFolder
from mmvad.sweeps.cells import Resolver, expand
from mmvad.sweeps.definition import read_sweep
from mmvad.training.train import train
from tests import forked
from tests.runs import SMALL
from tests.small import write_bank
from tests.sweeps.wandb_stand_in import Logged, StandIn, read_offline, serve

ROOT = Path(__file__).resolve().parents[2]
SWEEP = ROOT / "sweeps" / "ucf_crime" / "modalities.yaml"  # two cells a seed


def offline_run(folder: RunFolder, run_id: str) -> Logged:
    """What would be synchronised of a run folder's W&B run; its service writes the end a moment after the run's end."""
    (file,) = (folder.path / "wandb").glob(f"offline-run-*/run-{run_id}.wandb")
    until = time.monotonic() + 60
    while not (logged := read_offline(file.read_bytes())).ended:
        assert time.monotonic() < until, "the run was not ended"
        time.sleep(0.1)
    return logged


@pytest.mark.slow
def test_an_agent_runs_the_cells_of_the_local_engine(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    bank, results, stand_in = write_bank(tmp_path / "bank"), tmp_path / "runs", StandIn()
    quick = [word for word in SMALL if not word.startswith("optim.epochs")]
    given = [*quick, "optim.epochs=1", f"data.bank={bank}", "runtime.wandb=offline"]
    given += ["benchmark=planted", "data.test_crop=0"]
    words = ["sweep", "wandb", str(SWEEP), "--seeds", "0", "--agent", "--results", str(results), "--set", *given]
    path = f"{forked.programs(tmp_path / 'programs')}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {"HOME": str(tmp_path), "WANDB_DIR": str(tmp_path), "WANDB_API_KEY": "local-" + "0" * 40, "PATH": path}
    with serve(stand_in) as url:
        done = forked.run(
            [sys.executable, "-m", "mmvad", *words],
            env={**os.environ, **own, "WANDB_BASE_URL": url},
            cwd=ROOT,
            capture_output=True,
            timeout=280,
        )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert [run["args"]["modalities"]["value"] for run in stand_in.handed_out] == ["v", "vt"]
    sweep = read_sweep(SWEEP, None, (0,))
    cells = Resolver().cells(sweep, expand(sweep, [*given, f"runtime.results={results}"]))
    assert len(cells) == 2
    assert all(cell.folder.finished for cell in cells), output
    for n, cell in enumerate(cells):
        report = json.loads(cell.folder.report.read_text())
        assert report["identity"] == cell.identity
        assert load_config([cell.folder.config]) == cell.config
        logged = offline_run(cell.folder, f"run{n}")
        assert (logged.group, logged.tags, logged.sweep) == ("modalities", ["table-vi"], "sweep1")
        assert logged.summary["test/ap"] == report["scores"]["combined"]["ap"]
        assert logged.summary["test/auc"] == report["scores"]["combined"]["auc"]
        assert logged.summary["test/coarse/ap"] == report["scores"]["coarse"]["ap"]


@pytest.mark.slow
def test_a_finished_run_is_logged_again_for_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    config = load_config([], [*SMALL, f"data.bank={write_bank(tmp_path / 'bank')}", f"runtime.results={tmp_path}"])
    folder = train(config)
    report = folder.report.read_bytes()
    for name, value in {"SWEEP_ID": "sweep1", "RUN_ID": "again", "MODE": "offline", "SILENT": "true"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    assert train(config).report.read_bytes() == report
    summary = offline_run(folder, "again").summary
    assert summary["test/ap"] == json.loads(report)["scores"]["combined"]["ap"]
    assert "loss/total" in summary
