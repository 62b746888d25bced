"""docs/ADD_A_MODEL.md, done word by word in a copy of the sources: its model is trained and its test passes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from mmvad.runs import RunFolder, read_json
from tests.small import write_bank

ROOT = Path(__file__).resolve().parents[1]
NAME = "linear_mil"


def steps() -> dict[str, str]:
    """The page's code blocks, by the file that the text before each of them names first."""
    page = (ROOT / "docs" / "ADD_A_MODEL.md").read_text(encoding="utf-8")
    found = re.findall(r"\*\*\d\. [^*]+\*\*,?[^`]*`([\w/.]+)`(?:(?!\*\*\d\.)[\s\S])*?```\w+\n([\s\S]*?)```", page)
    return dict(found)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The sources with the page's steps done."""
    root = tmp_path / "copy"
    for folder in ("src", "tests", "tools", "experiments"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    for name, code in steps().items():
        file = root / name
        assert not file.exists(), "a model of one's own changes no file"
        file.parent.mkdir(exist_ok=True)
        file.write_text(code, encoding="utf-8")
    (root / f"src/mmvad/models/peers/{NAME}/__init__.py").touch()
    return root


def run(root: Path, *command: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_has_its_four_files() -> None:
    assert list(steps()) == [
        f"src/mmvad/models/peers/{NAME}/settings.py",
        f"src/mmvad/models/peers/{NAME}/network.py",
        f"experiments/peers/{NAME}_planted.yaml",
        f"tests/models/peers/test_{NAME}.py",
    ]


@pytest.mark.slow
def test_a_model_is_added_by_the_page_alone(copy: Path, tmp_path: Path) -> None:
    run(
        copy,
        "pytest",
        "-q",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        *[f"tests/models/peers/test_{name}.py" for name in (NAME, "constructors", "shipped")],
    )
    bank, results = write_bank(tmp_path / "bank"), tmp_path / "runs"
    configs = [f"--config=experiments/{name}.yaml" for name in ("planted", f"peers/{NAME}_planted")]
    run(copy, "mmvad", "train", *configs, f"--data.bank={bank}", f"--runtime.results={results}")
    (folder,) = results.iterdir()
    losses = pd.read_csv(RunFolder(folder).epochs)["loss/total"]
    assert losses.iloc[-1] < losses.iloc[0]
    assert read_json(RunFolder(folder).report)["scores"]["coarse"]["ap"] > 0
    run(copy, "mypy", "--cache-dir", str(tmp_path / "mypy"), "src/mmvad/config", f"src/mmvad/models/peers/{NAME}")
    run(copy, "ruff", "check", "--no-cache", "src", "tests")
