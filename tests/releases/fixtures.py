"""Small releases of the public benchmarks that several tests import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.releases.by_hand import Hand, set_official, write_ucf, write_xd


@pytest.fixture
def xd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hand:
    """A small release of XD-Violence, all of its split."""
    set_official(monkeypatch, "xd_violence", 3, 3)
    return write_xd(tmp_path / "release")


@pytest.fixture
def ucf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hand:
    """A small release of UCF-Crime, all of its split."""
    set_official(monkeypatch, "ucf_crime", 2, 2)
    return write_ucf(tmp_path / "release")


@pytest.fixture(scope="session")
def public_releases(field_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Releases of both benchmarks with the real names, lists and quirks, made by the field's own script."""
    root = tmp_path_factory.mktemp("public")
    script = str(field_data / "tools" / "make_feature_release.py")
    for short in ("xd", "ucf"):
        sizes = ["--train", "12", "--test", "10", "--crops", "2", "--median", "20"]
        subprocess.run([sys.executable, script, "--dataset", short, "--out", str(root / short), *sizes], check=True)
    return {"xd_violence": root / "xd", "ucf_crime": root / "ucf"}
