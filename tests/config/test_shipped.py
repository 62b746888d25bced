"""Experiments and sweeps by name: from any folder, from a checkout and from an installed package."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mmvad.config.files import written_for
from mmvad.config.load import load_config
from mmvad.config.shipped import find_file, shipped_folder, shipped_names, shown_path
from mmvad.errors import UserError
from mmvad.sweeps.cells import expand, title
from mmvad.sweeps.definition import read_sweep

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["planted", "planted.yaml", "experiments/planted", "experiments/planted.yaml"])
def test_a_shipped_experiment_has_four_names(name: str) -> None:
    assert find_file(name, "experiments") == shipped_folder() / "experiments" / "planted.yaml"
    assert load_config([Path(name)]).benchmark == "planted"
    assert written_for(Path(name)) == "planted"


def test_a_file_of_the_current_folder_wins(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "planted.yaml").write_text("seed: 5\n")
    assert load_config([Path("planted")]).seed == 5
    (tmp_path / "planted.yaml").write_text("seed: 6\n")
    assert load_config([Path("planted")]).seed == 6
    assert load_config([Path("experiments/planted.yaml")]).seed == 5


def test_a_base_may_be_a_name(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("base: peers/rtfm_xd\nseed: 3\n")
    config = load_config([Path("mine.yaml")])
    assert (config.model.name, config.benchmark, config.seed) == ("rtfm", "xd_violence", 3)


def test_a_sweep_takes_names_wherever_it_takes_files(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "{program: mmvad, method: grid, command: [train, --config=planted, '${args}'],"
        "parameters: {config: {values: [peers/vadclip_planted, components/1_none, experiments/losses/1_coarse.yaml]}}}"
    )
    sweep = read_sweep(Path("mine"))
    expanded = expand(sweep)
    assert [config.model.name for _, config in expanded] == ["vadclip", "dual_stream", "dual_stream"]
    assert [title(sweep, values) for values, _ in expanded] == [
        f"config {name}" for name in ("vadclip_planted", "1_none", "1_coarse")
    ]
    assert expanded[1][1].optim.epochs == load_config([Path("planted")]).optim.epochs
    assert read_sweep(Path("mine"), "xd_violence").base == (shipped_folder() / "experiments" / "xd_violence.yaml",)


@pytest.mark.parametrize("name", ["modalities", "sweeps/modalities.yaml"])
def test_a_shipped_sweep_by_name_has_its_benchmarks_file(name: str) -> None:
    sweep = read_sweep(Path(name), "ucf_crime")
    assert shown_path(sweep.file) == Path("sweeps/ucf_crime/modalities.yaml")
    assert [config.modalities for _, config in expand(sweep)][:2] == ["v", "vt"]


@pytest.mark.parametrize(
    ("read", "name", "nearest"),
    [
        (lambda name: load_config([name]), "plantd", "planted"),
        (lambda name: load_config([name]), "rtfm_xd.yml", "peers/rtfm_xd"),
        (lambda name: load_config([name]), "rtfm", "peers/rtfm_planted"),
        (lambda name: load_config([name]), "experiments/peers/rtfm_xdd.yaml", "peers/rtfm_xd"),
        (lambda name: load_config([name]), "mein.yaml", "mine.yaml"),
        (read_sweep, "modalites", "modalities"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(read, name: str, nearest: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("seed: 1\n")
    with pytest.raises(UserError, match=f"(?s){name}: no such .* file.*did you mean: {nearest}\\?"):
        read(Path(name))


def test_a_path_out_of_the_folder_is_no_name() -> None:
    assert find_file("../experiments/planted.yaml", "experiments") is None
    assert find_file("", "experiments") is None


def test_a_wheel_is_whole(in_an_empty_folder: Path) -> None:
    """Built, unpacked, and used where nothing else of the repository is."""
    built, unpacked, empty = (in_an_empty_folder / name for name in ("built", "unpacked", "empty"))
    empty.mkdir()
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(unpacked)
    for kind in ("experiments", "sweeps"):
        there = unpacked / "mmvad" / "shipped" / kind
        assert {str(file.relative_to(there)) for file in there.rglob("*.yaml")} == {
            f"{name}.yaml"
            for name in shipped_names(kind)  # type: ignore[arg-type]
        }
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "PYTHONSAFEPATH": "1"}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mmvad", *words], cwd=empty, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "benchmark: planted" in run("train", "--config", "planted", "--print-config")
    assert "name: rtfm" in run("train", "--config", "peers/rtfm_xd", "--print-config")
    listed = run("sweep", "run", "modalities", "--benchmark", "xd_violence", "--dry-run")
    assert "12 cells on xd_violence" in listed
    assert list(empty.iterdir()) == []
