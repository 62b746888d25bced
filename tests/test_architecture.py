"""The walls between the rooms: who may import what, and how large a file may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mmvad

SOURCE = Path(mmvad.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
HEAVY = ("torch", "lightning", "open_clip", "torchmetrics", "wandb", "optuna", "av")


def module_name(file: Path) -> str:
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(*rooms: str) -> list[str]:
    """Names of all modules in folders or files of the package."""
    found = []
    for room in rooms:
        path = SOURCE / room
        found += [path.with_suffix(".py")] if path.with_suffix(".py").is_file() else sorted(path.rglob("*.py"))
    return [module_name(file) for file in found]


def loaded(names: list[str], watched: tuple[str, ...]) -> list[str]:
    """Which of the watched packages a fresh process has loaded after importing these modules."""
    code = f"import {', '.join(names)}, sys; print(*[m for m in {watched!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def imported(file: Path) -> set[str]:
    """First names of everything that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def importers(package: str) -> set[str]:
    return {
        file.relative_to(SOURCE).as_posix()
        for file in FILES
        if any(name == package or name.startswith(package + ".") for name in imported(file))
    }


@pytest.mark.parametrize("room", ["benchmarks", "metrics", "config", "report", "errors", "runs", "cli"])
def test_rooms_without_torch(room: str) -> None:
    assert loaded(modules(room), HEAVY) == []


def test_models_and_objectives_know_no_lightning() -> None:
    assert (
        loaded(modules("models", "objectives", "contrast", "bags"), ("lightning", "pytorch_lightning", "wandb")) == []
    )


def test_weights_and_biases_are_imported_in_one_file() -> None:
    assert importers("wandb") == {"tracking.py"}


def test_only_the_sweeps_know_optuna() -> None:
    assert all(name.startswith("sweeps/") for name in importers("optuna"))


def test_only_some_files_know_lightning() -> None:
    allowed = {"train.py", "module.py", "tracking.py", "checkpoints.py", "history.py", "data/datamodule.py"}
    assert {name for name in importers("lightning") if not name.startswith("bench/")} <= allowed


def test_nothing_that_is_used_knows_the_bench() -> None:
    """It stands beside the suite: only its verb is known to the command line."""
    rest = {name for name in importers("mmvad.bench") if not name.startswith("bench/")}
    assert rest == {"cli.py"}


def test_decoding_is_known_to_the_extraction_alone() -> None:
    assert importers("av") <= {"features/media.py", "demo/render.py"}
    assert importers("torchvggish") <= {"features/vggish.py"}
    assert importers("resampy") <= {"features/waveform.py"}
    assert importers("open_clip") <= {"features/clip.py", "models/clip_weights.py", "models/text_encoder.py"}


@pytest.mark.parametrize("room", ["models", "metrics", "benchmarks", "config", "features"])
def test_data_goes_down_the_list_and_never_back_up(room: str) -> None:
    """No lower room imports a higher one."""
    above = ("mmvad.train", "mmvad.module", "mmvad.report", "mmvad.sweeps", "mmvad.cli", "mmvad.retest")
    for file in (SOURCE / room).rglob("*.py"):
        assert not any(name.startswith(above) for name in imported(file)), file


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(SOURCE).as_posix())
def test_files_are_short_and_stand_alone(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert not re.search(r"""(^|[\s"'/(])shared/|["']shared["']""", text), "a clone has no folder of that name"


def test_no_room_for_odds_and_ends() -> None:
    assert not [file for file in FILES if file.stem in {"utils", "helpers", "misc", "common"}]
