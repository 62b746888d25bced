"""docs/EXTEND.md, done word by word in a copy of the repository: files are written, changes applied, commands run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from mmvad.runs import RunFolder, read_json
from tests import forked
from tests.small import write_bank

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "EXTEND.md"
BLOCK = re.compile(r"(?:\*\*`([\w/.]+)`\*\*\s+)?^```(\w+)\n([\s\S]*?)^```$", re.MULTILINE)


@dataclass
class Extension:
    """A section that was done in `root`: the files that it made or changed, and what its commands printed."""

    root: Path
    touched: list[str] = field(default_factory=list)
    printed: str = ""

    def read(self, name: str) -> str:
        return (self.root / name).read_text(encoding="utf-8")

    def reports(self) -> list[Path]:
        return sorted((self.root / "runs").glob("*/report.json"))


def section(title: str) -> str:
    """The text of one section of the page."""
    parts = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return next(part for part in parts if part.startswith(f"{title}\n"))


def environment(root: Path) -> dict[str, str]:
    """Where `mmvad` and `python` are those of the copy."""
    programs = forked.programs(root / "programs")
    own = {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1", "PYTEST_ADDOPTS": "-p no:xdist -p no:cacheprovider"}
    return os.environ | own | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


def run(root: Path, *command: str, text: str | None = None) -> str:
    """What a command prints; it must end well."""
    done = subprocess.run(
        command, cwd=root, env=environment(root), input=text, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def write(extension: Extension, name: str, content: str) -> None:
    file = extension.root / name
    assert not file.exists(), f"{name} is there already: the page calls it new"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    extension.touched.append(name)


def do(extension: Extension, title: str) -> Extension:
    """Does every block of a section in its order."""
    for name, kind, content in BLOCK.findall(section(title)):
        if name:
            write(extension, name, content)
        elif kind == "diff":
            run(extension.root, "git", "apply", "-", text=content)
            extension.touched += re.findall(r"^\+\+\+ b/(\S+)$", content, flags=re.MULTILINE)
        elif kind == "sh":
            extension.printed += run(extension.root, "bash", "-eu", "-c", content)
    python = [name for name in extension.touched if name.endswith(".py")]
    run(extension.root, "python", "-m", "ruff", "check", "--no-cache", *python)
    return extension


@pytest.fixture
def copy(tmp_path: Path) -> Extension:
    """The repository with a small bank in the place of `mmvad planted`'s."""
    root = tmp_path / "copy"
    for folder in ("src", "tests", "tools", "experiments", "sweeps"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    write_bank(root / "banks" / "planted")
    return Extension(root)


@pytest.mark.slow
def test_a_loss_term_with_its_sweep(copy: Extension) -> None:
    done = do(copy, "A loss term, with its sweep")
    assert len(done.touched) == 4
    weights = [read_json(report)["config"]["loss"].get("weights", {}).get("smooth") for report in done.reports()]
    assert sorted(weights, key=str) == [0.01, 0.1, None]
    assert "loss/smooth" in pd.read_csv(RunFolder(done.reports()[weights.index(0.1)].parent).epochs)
    assert "3 of 3 cells finished (0 before)" in done.printed


@pytest.mark.slow
def test_a_fusion(copy: Extension) -> None:
    done = do(copy, "A fusion")
    assert len(done.touched) == 3
    (report,) = done.reports()
    assert read_json(report)["config"]["model"]["fusion"] == "product"


@pytest.mark.slow
def test_a_schedule(copy: Extension) -> None:
    done = do(copy, "A schedule of the learning rate")
    assert len(done.touched) == 2
    (report,) = done.reports()
    assert read_json(report)["config"]["optim"]["schedule"] == "linear"


@pytest.mark.slow
def test_a_metric_in_all_tables(copy: Extension) -> None:
    done = do(copy, "A metric in all tables")
    assert len(done.touched) == 2
    (report,) = done.reports()
    scores = read_json(report)["scores"]
    assert 0 <= scores["combined"]["eer"] <= 1
    assert "EER" in done.read("runs/report/tables.md")
    assert "EER" in done.printed


@pytest.mark.slow
def test_a_method_inside(copy: Extension) -> None:
    done = do(copy, "A method inside")
    folder = "src/mmvad/models/peers/linear_mil/"
    outside = [name for name in done.touched if not name.startswith(folder)]
    assert outside == ["experiments/peers/linear_mil_planted.yaml", "tests/models/peers/test_linear_mil.py"]
    (report,) = done.reports()
    losses = pd.read_csv(RunFolder(report.parent).epochs)["loss/total"]
    assert losses.iloc[-1] < losses.iloc[0]
    assert read_json(report)["config"]["peers"]["linear_mil"]["smooth"] == 0.2
    assert "Linear MIL" in done.printed


@pytest.mark.slow
def test_a_method_outside(copy: Extension) -> None:
    done = do(copy, "A method outside")
    assert done.touched == ["my_methods.py"]
    (report,) = done.reports()
    assert read_json(report)["config"]["method"]["smooth"] == 0.2
    assert "Linear MIL" in done.printed


@pytest.mark.slow
def test_a_benchmark(copy: Extension) -> None:
    done = do(copy, "A benchmark")
    assert not [name for name in done.touched if (ROOT / name).exists()]
    assert [read_json(report)["headline"]["metric"] for report in done.reports()] == ["auc", "auc"]
    assert "Street" in done.printed
