"""Whatever check passes, import imports; whatever import refuses, check reports. Over random damage to releases."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmvad.bank.bank import verify_bank
from mmvad.benchmarks import registry
from mmvad.errors import UserError
from mmvad.releases.checking import check
from mmvad.releases.importing import import_release
from tests.releases.by_hand import set_official, write_ucf, write_xd
from tools.mutations.releases import damage


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole release of each benchmark."""
    root = tmp_path_factory.mktemp("whole")
    write_xd(root / "xd_violence")
    write_ucf(root / "ucf_crime")
    return root


@pytest.fixture(scope="module", autouse=True)
def _small_splits() -> object:
    with pytest.MonkeyPatch.context() as patch:
        set_official(patch, "xd_violence", 3, 3)
        set_official(patch, "ucf_crime", 2, 2)
        yield registry.BENCHMARKS


def passes(name: str, root: Path, subset: bool) -> bool:
    try:
        return check(name, root, subset=subset, progress=False, show=lambda line: None) == []
    except UserError:
        return False


def imported(name: str, root: Path, out: Path, subset: bool) -> str:
    """Why the import was refused; empty where the bank is there, whole."""
    try:
        verify_bank(import_release(name, root, out, subset=subset, progress=False))
    except UserError as error:
        return str(error)
    return ""


def agree(whole: Path, folder: Path, name: str, seed: int, subset: bool) -> None:
    root = folder / "release"
    shutil.copytree(whole / name, root)
    done = damage(root, seed)
    clean = passes(name, root, subset)
    refused = imported(name, root, folder / "bank", subset)
    assert not (clean and refused), f"{done}: check passed, import refused: {refused}"
    left = {path.name for path in folder.iterdir()}
    assert left == {"release"} | (set() if refused else {"bank"}), "something half-written was left"
    shutil.rmtree(folder)


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(["xd_violence", "ucf_crime"]), seed=st.integers(0, 10**6), subset=st.booleans())
@example(name="xd_violence", seed=0, subset=True)
def test_check_and_import_agree(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, name: str, seed: int, subset: bool
) -> None:
    agree(whole, tmp_path_factory.mktemp("damaged"), name, seed, subset)
