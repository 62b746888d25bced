"""The house: the order of its rooms, stated once, and every import held against it; who may import what is heavy."""

from __future__ import annotations

import ast
import functools
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mmvad

SOURCE = Path(mmvad.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
HEAVY = ("torch", "lightning", "open_clip", "torchmetrics", "wandb", "optuna", "av")

ROOMS = """
errors      what a user can mend, said in the user's terms
sections    what settings are made of: strict sections, bounded numbers
system      writing to disk and the one lock, the log, progress, the terminal, pages, the device
benchmarks  what a benchmark is: classes, prompts, lists, annotations
bank        the packed features
metrics     frame and event metrics of scored videos, an evaluator that knows no network
models      pure torch: the contract, the dual-stream network, layers, text, losses, peers
config      the tree of settings, loading, identity
runs        what a run folder is
releases    from files of features to a bank
synthetic   the embedded benchmark that needs no download
data        from a bank to batches
extraction  from video files to features
figures     every plot of scores, videos and banks
evaluation  scores and frame truths that other programs wrote
training    one configuration in, one run folder out
sweeps      a sweep file, its cells, queue, workers
tables      from runs to rows
report      what is written of tables
predict     scores of videos that no benchmark lists
live        scores of streams as they come, and alarms
demo        rendered clips, from extraction to a page
cli         one file a verb
__main__    python -m mmvad
"""
"""From the ground up: a room imports only rooms that stand above it in this list."""
ORDER = [line.split()[0] for line in ROOMS.strip().splitlines()]


def module_name(file: Path) -> str:
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def modules(*rooms: str) -> list[str]:
    """Names of all modules of some rooms, or of one folder or file in a room."""
    names = [module_name(file) for file in FILES]
    return [name for name in names if any(f"{name}.".startswith(f"mmvad.{room}.") for room in rooms)]


def loaded(names: list[str], watched: tuple[str, ...]) -> list[str]:
    """Which of the watched packages a fresh process has loaded after importing these modules."""
    code = f"import {', '.join(names)}, sys; print(*[m for m in {watched!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@functools.cache
def imported(file: Path) -> set[str]:
    """Names of everything that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def importers(package: str) -> set[str]:
    return {
        file.relative_to(SOURCE).as_posix()
        for file in FILES
        if any(name == package or name.startswith(package + ".") for name in imported(file))
    }


def arrows() -> dict[tuple[str, str], list[str]]:
    """Which room imports which, with the files that do."""
    rooms = {room_of(module_name(file)) for file in FILES}
    found: dict[tuple[str, str], list[str]] = {}
    for file in FILES:
        own = room_of(module_name(file))
        others = {room_of(name) for name in imported(file) if name.startswith("mmvad.")} & rooms - {own, ""}
        for other in others:
            found.setdefault((own, other), []).append(file.relative_to(SOURCE).as_posix())
    return found


def test_every_room_has_its_place_in_the_order() -> None:
    assert {room_of(module_name(file)) for file in FILES} - {""} == set(ORDER)


def test_no_room_imports_a_room_above_it() -> None:
    """So there is no circle either."""
    found = arrows()
    lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in FILES)
    print(f"{len(ORDER)} rooms, {len(found)} arrows, {len(FILES)} files, {lines} lines", ROOMS, sep="\n")
    up = {pair: files for pair, files in found.items() if ORDER.index(pair[0]) <= ORDER.index(pair[1])}
    assert not up


def test_rooms_without_torch() -> None:
    """All in one process, which takes a second to start; a room by itself where one of them does."""
    rooms = ["benchmarks", "metrics", "evaluation", "config", "tables", "report", "errors", "runs", "cli"]
    if loaded(modules(*rooms), HEAVY):
        assert {room: heavy for room in rooms if (heavy := loaded(modules(room), HEAVY))} == {}


def test_no_files_import_each_other_in_a_circle() -> None:
    """Not for types alone either: what both need stands in a file of its own. `prepare` raises where there is one."""
    names = {module_name(file): file for file in FILES}
    graphlib.TopologicalSorter({name: imported(file) & names.keys() for name, file in names.items()}).prepare()


def test_models_know_no_lightning() -> None:
    assert loaded(modules("models"), ("lightning", "pytorch_lightning", "wandb")) == []


def test_heavy_libraries_are_known_where_they_are_used() -> None:
    assert importers("jinja2") == {"system/pages.py"}, "escaping is switched on there"
    assert importers("wandb") == {"training/tracking.py"}
    assert {name.split("/")[0] for name in importers("optuna")} == {"sweeps"}
    assert {name.split("/")[0] for name in importers("lightning")} == {"training", "data"}
    assert {name.split("/")[0] for name in importers("av")} == {"extraction", "demo", "live"}
    assert importers("torchvggish") <= {"extraction/vggish.py"}
    assert importers("resampy") <= {"extraction/waveform.py"}
    assert importers("open_clip") <= {
        "extraction/clip.py",
        "models/clip_weights.py",
        "models/open_clip_models.py",
        "models/text_tokens.py",
        "models/text_tower.py",
    }


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(SOURCE).as_posix())
def test_files_are_short_and_stand_alone(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert not re.search(r"""(^|[\s"'/(])shared/|["']shared["']""", text), "a clone has no folder of that name"


def test_no_room_for_odds_and_ends() -> None:
    assert not [file for file in FILES if file.stem in {"utils", "helpers", "misc", "common"}]
