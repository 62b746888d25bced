"""What the Makefile's targets would run, for every benchmark; nothing is run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mmvad.tables.sidecar import tables

ROOT = Path(__file__).resolve().parents[1]
SWEEPS = {file.stem for file in (ROOT / "sweeps").glob("*.yaml")}
ABLATED = ("modalities", "components", "acp", "losses", "lambdas", "segments", "batch", "prompts", "readings", "online")
ABLATIONS = [f"ablation-{name}" for name in ABLATED]
TARGETS = [*ABLATIONS, "ablations", "compare", "search"]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def swept(text: str) -> list[str]:
    """The sweeps that a recipe runs."""
    named = re.search(r"for name in ([\w ]+);", text)
    assert named is not None
    return named[1].split()


def recipe(*words: str) -> str:
    command = ["make", "--no-print-directory", "-n", "READY=", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("benchmark", ["planted", "xd_violence", "ucf_crime"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_target_runs_its_sweeps(target: str, benchmark: str) -> None:
    given = ["SEEDS=3,4", "WORKERS=5", "STORAGE=postgresql://there/db", "DRY=1", "RESULTS=elsewhere"]
    text = recipe(target, f"BENCHMARK={benchmark}", *given)
    assert set(swept(text)) <= SWEEPS
    options = f"--benchmark {benchmark} --seeds 3,4 --results elsewhere"
    assert options in text
    assert "--workers 5 --storage postgresql://there/db --dry-run" in text
    assert ("data.bank=banks/planted-0" in text) == (benchmark == "planted")
    assert "mmvad planted" not in text, "a dry run makes no bank"


def test_all_ablations_are_those_of_the_single_targets() -> None:
    single = [name for target in ABLATIONS for name in swept(recipe(target))]
    assert swept(recipe("ablations")) == single
    assert len(set(single)) == len(single)
    assert {entry.sweep for entry in tables().studies.values()} == set(single), "every table has a target"


def test_planted_is_the_default_and_says_so() -> None:
    text = recipe("ablation-modalities")
    assert "(the default; BENCHMARK=xd_violence, ucf_crime or a file of your own for others)" in text
    assert "--dry-run" not in text
    assert "the default" not in recipe("ablation-modalities", "BENCHMARK=planted")


@pytest.mark.parametrize("target", ["ablation-modalities", "compare", "sweep-agent"])
def test_dry_0_is_no_dry_run(target: str) -> None:
    assert recipe(target, "DRY=0") == recipe(target) != recipe(target, "DRY=1")


def test_the_agent_and_the_report() -> None:
    text = recipe("sweep-agent", "SWEEP=losses", "BENCHMARK=xd_violence")
    assert "mmvad sweep wandb losses --benchmark xd_violence" in text
    assert text.rstrip().endswith("--agent")
    assert "--agent" not in recipe("sweep-agent", "DRY=1")
    assert "mmvad report" in recipe("report")
    assert "--benchmark ucf_crime" in recipe("report", "BENCHMARK=ucf_crime")


def test_every_target_is_listed() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    assert all(f"make {target} " in listed for target in [*TARGETS, "sweep-agent", "report", "demo", "test"])
