"""One mutation of each kind, tried at the command line in this process, and how it ended."""

from __future__ import annotations

import contextlib
import io
import random
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import is_bank, verify_bank
from mmvad.cli.main import main
from mmvad.errors import UserError
from mmvad.releases.arrays.reading import FORMATS, load_rows, read_header
from tests.own import write_own
from tests.releases.by_hand import set_official, write_ucf, write_xd
from tools.mutations.documents import changed_text, changed_tree
from tools.mutations.releases import damage, damage_texts

CASE_SECONDS = 60
"""What no command on a small release may take."""
CHECKOUT = Path(__file__).parents[2]
SIZES = {"xd_violence": (3, 3), "ucf_crime": (2, 2)}

Case = Callable[[Path, Path, int], str]


class Slow(BaseException):
    """Raised in a command that does not end; not an Exception, so that no net around files catches it."""


def prepare(root: Path) -> None:
    """Writes what the cases change, and makes the official splits as small as these releases, in this process."""
    write_xd(root / "xd_violence")
    write_ucf(root / "ucf_crime")
    write_own(root / "own", train=4, test=4)
    rows = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    _write_arrays(root / "arrays", rows)


def small_splits() -> None:
    """In this process the official splits are as small as the releases of `prepare`."""
    patch = pytest.MonkeyPatch()
    for name, (train, test) in SIZES.items():
        set_official(patch, name, train, test)


def release(whole: Path, folder: Path, seed: int) -> str:
    """Damaged files and lists: check, then import."""
    return _release(whole, folder, seed, damage)


def lists(whole: Path, folder: Path, seed: int) -> str:
    """Damaged lists and annotations alone."""
    return _release(whole, folder, seed, damage_texts)


def own(whole: Path, folder: Path, seed: int) -> str:
    """A user's benchmark: its file, its tables or its features damaged."""
    root, chance = folder / "release", random.Random(seed)
    shutil.copytree(whole / "own", root)
    kind = chance.randrange(3)
    if kind == 0:
        _damaged(root / "yard.yaml", root, chance)
    elif kind == 1:
        table = root / chance.choice(["videos.csv", "events.csv"])
        table.write_text(changed_text(table.read_text(), chance), encoding="utf-8", errors="surrogateescape")
    else:
        damage(root, seed)
    return _check_and_import(folder, [str(root / "yard.yaml")], ["--subset"] * chance.randrange(2))


def sweep(whole: Path, folder: Path, seed: int) -> str:
    """A damaged sweep file: its dry run, and the file for W&B."""
    chance = random.Random(seed)
    file = _damaged(chance.choice(sorted((CHECKOUT / "sweeps").rglob("*.yaml"))), folder, chance)
    ended = _run("sweep", "run", str(file), "--dry-run", "--results", str(folder / "runs"))
    made = _run("sweep", "wandb", str(file), "--out", str(folder / "made.yaml"))
    if made == "refused" and (folder / "made.yaml").exists():
        return "wrong: half-written"
    return next((outcome for outcome in (ended, made) if outcome.startswith("wrong")), ended)


def experiment(whole: Path, folder: Path, seed: int) -> str:
    """A damaged configuration: `train --print-config`."""
    chance = random.Random(seed)
    file = _damaged(chance.choice(sorted((CHECKOUT / "experiments").rglob("*.yaml"))), folder, chance)
    return _run("train", "--config", str(file), "--print-config")


def array(whole: Path, folder: Path, seed: int) -> str:
    """A damaged file of features, in any form that is read."""
    chance = random.Random(seed)
    source = chance.choice(sorted((whole / "arrays").iterdir()))
    content = bytearray(source.read_bytes())
    for _ in range(chance.choice([1, 1, 2, 8])):
        content[chance.randrange(len(content))] = chance.randrange(256)
    file = folder / source.name
    file.write_bytes(content[: chance.choice([len(content), len(content), chance.randrange(len(content))])])
    try:
        with _limited():
            return "ran" if np.isfinite(load_rows(read_header(file))).all() else "wrong: not finite"
    except UserError:
        return "refused"
    except (Exception, Slow) as error:
        return _wrong(error)


CASES: dict[str, tuple[Case, int]] = {
    "release": (release, 4),
    "lists": (lists, 2),
    "own": (own, 2),
    "sweep": (sweep, 2),
    "experiment": (experiment, 1),
    "array": (array, 1),
}
"""By kind: the case, and its share of twelve mutations."""


def _release(whole: Path, folder: Path, seed: int, harm: Callable[[Path, int], object]) -> str:
    name, root = sorted(SIZES)[seed % 2], folder / "release"
    shutil.copytree(whole / name, root)
    harm(root, seed)
    return _check_and_import(folder, [name, str(root)], ["--subset"] if seed // 2 % 2 else [])


def _check_and_import(folder: Path, what: list[str], options: list[str]) -> str:
    """How the two verbs ended; wrong where they disagree, or leave anything of a refused import."""
    out, before = folder / "bank", {path.name for path in folder.iterdir()}  # the damage may have moved a file here
    checked = _run("data", "check", *what, "--full-list", str(folder / "list.txt"), *options)
    imported = _run("data", "import", *what, "--out", str(out), *options)
    if wrong := next((outcome for outcome in (checked, imported) if outcome.startswith("wrong")), ""):
        return wrong
    if imported == "refused":
        left = {path.name for path in folder.iterdir()} - {*before, "list.txt"}
        return "wrong: half-written" if left else "wrong: check passed" if checked == "ran" else f"{checked}, refused"
    try:
        for bank in [out] if is_bank(out) else sorted(out.iterdir()):  # one a fold
            verify_bank(bank)
    except UserError:
        return "wrong: the bank is not whole"
    return f"{checked}, imported"


def _damaged(source: Path, folder: Path, chance: random.Random) -> Path:
    file, text = folder / source.name, source.read_text()
    change = chance.choice([changed_text, changed_tree])
    file.write_text(change(text, chance), encoding="utf-8", errors="surrogateescape")
    return file


def _run(*words: str) -> str:
    """How a command ended: `ran`, `findings`, `refused`; `wrong: ...` for a traceback, another code, or no end."""
    printed = io.StringIO()
    try:
        with _limited(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = main(words)
    except SystemExit as end:
        code = int(end.code or 0)
    except (Exception, Slow) as error:
        return _wrong(error)
    return {0: "ran", 1: "findings", 2: "refused"}.get(code, f"wrong: exit code {code}")


def _wrong(error: BaseException) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"wrong: {type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {str(error)[:80]}"


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Raises Slow in the block after CASE_SECONDS."""

    def ring(number: int, frame: object) -> None:
        raise Slow(f"no end within {CASE_SECONDS} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(CASE_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _write_arrays(folder: Path, rows: np.ndarray) -> None:
    import torch
    from safetensors.numpy import save_file

    folder.mkdir()
    np.save(folder / "v.npy", rows)
    np.savez_compressed(folder / "v.npz", features=rows, label=np.array(1))
    np.savetxt(folder / "v.txt", rows)
    np.savetxt(folder / "v.csv", rows, delimiter=",")
    torch.save({"features": torch.from_numpy(rows)}, folder / "v.pt")
    save_file({"features": rows}, folder / "v.safetensors")
    assert {path.suffix for path in folder.iterdir()} <= FORMATS.keys()
