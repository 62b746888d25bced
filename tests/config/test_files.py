"""Files that are written for another one, their base."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.config.files import read_layers
from mmvad.config.load import load_config
from mmvad.errors import UserError

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
BASES = {"xd": "xd_violence", "ucf": "ucf_crime", "planted": "planted"}
PEERS = sorted(file for file in (EXPERIMENTS / "peers").glob("*.yaml") if file.stem != "dual_stream")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "low.yaml").write_text("benchmark: xd_violence\nseed: 1\noptim: {epochs: 5, learning_rate: 0.1}\n")
    (tmp_path / "own.yaml").write_text("optim: {epochs: 7}\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "peer.yaml").write_text("base: ../low.yaml\nseed: 3\n")
    return tmp_path


@pytest.mark.parametrize("file", PEERS, ids=lambda file: file.stem)
def test_a_peers_file_alone_is_the_same_as_over_its_benchmarks(file: Path) -> None:
    base = EXPERIMENTS / f"{BASES[file.stem.rpartition('_')[2]]}.yaml"
    assert load_config([file]) == load_config([base, file])
    assert load_config([file]).benchmark == base.stem


def test_a_base_lies_beneath_everything(folder: Path) -> None:
    config = load_config([folder / "own.yaml", folder / "deep" / "peer.yaml"])
    assert (config.seed, config.optim.epochs, config.optim.learning_rate) == (3, 7, 0.1)


def test_a_base_that_is_given_keeps_its_place(folder: Path) -> None:
    files = [folder / "own.yaml", folder / "low.yaml", folder / "deep" / "peer.yaml"]
    assert [file.name for file, _ in read_layers(files)] == ["own.yaml", "low.yaml", "peer.yaml"]
    assert load_config(files).optim.epochs == 5


def test_two_files_of_one_base_have_it_once(folder: Path) -> None:
    (folder / "deep" / "other.yaml").write_text("base: ../low.yaml\nseed: 4\n")
    layers = read_layers([folder / "deep" / "peer.yaml", folder / "deep" / "other.yaml"])
    assert [file.name for file, _ in layers] == ["low.yaml", "peer.yaml", "other.yaml"]


def test_files_of_two_benchmarks_are_refused(folder: Path) -> None:
    (folder / "planted.yaml").write_text("benchmark: planted\n")
    with pytest.raises(UserError, match=r"peer.yaml.*written for xd_violence, and .*planted.yaml for planted"):
        load_config([folder / "planted.yaml", folder / "deep" / "peer.yaml"])


def test_the_command_line_may_name_another_benchmark(folder: Path) -> None:
    assert load_config([folder / "deep" / "peer.yaml"], ["benchmark=planted"]).benchmark == "planted"


def test_a_base_that_is_missing_or_no_path(folder: Path) -> None:
    peer = folder / "deep" / "peer.yaml"
    peer.write_text("base: ../lov.yaml\n")
    with pytest.raises(UserError, match=r"(?s)lov.yaml: no such configuration file.*low.yaml"):
        load_config([peer])
    peer.write_text("base: 3\n")
    with pytest.raises(UserError, match=r"(?s)peer.yaml: base = 3.*the path of a file"):
        load_config([peer])
