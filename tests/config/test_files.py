"""Files that are written for another one, their base."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.config.files import read_layers, written_for
from mmvad.config.load import load_config
from mmvad.errors import UserError
from mmvad.sweeps.cells import expand
from mmvad.sweeps.definition import read_sweep

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
BASES = {"xd": "xd_violence", "ucf": "ucf_crime", "planted": "planted"}
PEERS = sorted(file for file in (EXPERIMENTS / "peers").glob("*.yaml") if file.stem.rpartition("_")[2] in BASES)


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


def test_two_files_over_bases_of_two_benchmarks_are_refused(folder: Path) -> None:
    (folder / "ucf.yaml").write_text("benchmark: ucf_crime\n")
    (folder / "deep" / "other.yaml").write_text("base: ../ucf.yaml\n")
    with pytest.raises(UserError, match=r"peer.yaml.*written for xd_violence, and .*other.yaml for ucf_crime"):
        load_config([folder / "deep" / "peer.yaml", folder / "deep" / "other.yaml"])


def test_a_base_without_a_benchmark_leaves_the_choice(folder: Path) -> None:
    (folder / "mine.yaml").write_text("base: own.yaml\nbenchmark: ucf_crime\n")
    assert load_config([folder / "mine.yaml"]).benchmark == "ucf_crime"
    (folder / "mine.yaml").write_text("base: own.yaml\nseed: 2\n")
    config = load_config([folder / "low.yaml", folder / "mine.yaml"])
    assert (config.benchmark, config.seed, config.optim.epochs) == ("xd_violence", 2, 5)
    assert written_for(folder / "mine.yaml") is None


def test_a_base_of_a_base_lies_lowest(folder: Path) -> None:
    (folder / "mine.yaml").write_text("base: deep/peer.yaml\noptim: {epochs: 9}\n")
    assert [file.name for file, _ in read_layers([folder / "mine.yaml"])] == ["low.yaml", "peer.yaml", "mine.yaml"]
    config = load_config([folder / "mine.yaml"])
    assert (config.seed, config.optim.epochs, config.optim.learning_rate) == (3, 9, 0.1)
    assert written_for(folder / "mine.yaml") == "xd_violence"


def test_bases_in_a_circle_are_refused(folder: Path) -> None:
    (folder / "own.yaml").write_text("base: own.yaml\n")
    with pytest.raises(UserError, match=r"own.yaml.*lies over it or is the file itself"):
        load_config([folder / "own.yaml"])
    (folder / "low.yaml").write_text("base: deep/peer.yaml\n")
    with pytest.raises(UserError, match=r"low.yaml.*peer.yaml, lies over it"):
        load_config([folder / "deep" / "peer.yaml"])


def test_a_base_that_is_missing_or_no_path(folder: Path) -> None:
    peer = folder / "deep" / "peer.yaml"
    peer.write_text("base: ../lov.yaml\n")
    found = r"(?s)peer.yaml: its base cannot be read: .*lov.yaml: no such configuration file.*low.yaml"
    with pytest.raises(UserError, match=found):
        load_config([peer])
    peer.write_text("base: 3\n")
    with pytest.raises(UserError, match=r"(?s)peer.yaml: base = 3.*the path of a file"):
        load_config([peer])


def test_a_sweeps_bad_value_is_the_files_and_not_the_command_lines(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("program: mmvad\nmethod: grid\nparameters:\n  optim.epochs: {values: [3, -1]}\n")
    with pytest.raises(UserError, match=r"sweep.yaml: optim.epochs = -1 is not valid"):
        expand(read_sweep(file))
    with pytest.raises(UserError, match=r"command line: optim.epochs = 0 is not valid"):
        expand(read_sweep(file), ["optim.epochs=0"])


def test_a_sweeps_own_base_is_not_taken_for_another_benchmark(tmp_path: Path) -> None:
    """`--benchmark` replaces a shipped base; the settings of one benchmark would otherwise be those of another."""
    file, base = tmp_path / "sweep.yaml", EXPERIMENTS / "planted.yaml"
    file.write_text(
        f"program: mmvad\ncommand: [train, --config={base}, '${{args}}']\n"
        "method: grid\nparameters: {seed: {value: 0}}"
    )
    with pytest.raises(UserError, match=r"(?s)its base, .*planted.yaml, is written for planted.*xd_violence"):
        read_sweep(file, "xd_violence")
    assert read_sweep(file, "planted").base == (base,)


def test_a_sweeps_overlay_must_be_for_its_benchmark(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    overlay = EXPERIMENTS / "peers" / "vadclip_xd.yaml"
    file.write_text(
        "program: mmvad\nmethod: grid\nparameters:\n  benchmark: {value: ucf_crime}\n"
        f"  config: {{values: [{overlay}]}}\n"
    )
    with pytest.raises(UserError, match=r"runs on ucf_crime, and .*vadclip_xd.yaml is written for xd_violence"):
        expand(read_sweep(file))
