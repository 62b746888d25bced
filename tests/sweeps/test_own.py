"""A sweep on a user's own benchmark: its file in place of a name, its folds beside the seeds."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from mmvad.benchmarks import registry
from mmvad.benchmarks.registry import benchmark, own_benchmark
from mmvad.config.load import load_config
from mmvad.sweeps.cells import expand
from mmvad.sweeps.definition import read_sweep
from mmvad.tables.studies import study_named
from tests.own import change, write_folds, write_own


def test_its_folds_are_swept_with_the_seeds(tmp_path: Path) -> None:
    file = write_folds(tmp_path)
    sweep = read_sweep(Path("modalities"), str(file), (0, 1))
    cells = expand(sweep, ["model.text.architecture=tiny", "model.text.weights=random"])
    assert sweep.benchmark == "yard"
    assert {(c.data.fold, c.seed, c.modalities) for _, c in cells} == {
        (fold, seed, m) for fold in "ab" for seed in (0, 1) for m in ("v", "va", "vt", "vat")
    }
    first = cells[0][1]
    assert (first.data.bank, first.data.audio, first.model.width) == (Path("banks/yard"), "optional", 128)


def test_without_sound_the_cells_that_hear_are_left_out(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    change(file, ', audio: "audio/{video}.npy"', "")
    change(file, "row: 8", "row: 8\naudio: none")
    cells = expand(read_sweep(Path("modalities"), str(file), (0,)))
    assert [config.modalities for _, config in cells] == ["v", "vt"]
    assert load_config([Path("small")], [f"benchmark={file}"]).modalities == "vt"


def test_a_process_that_has_not_read_the_file_knows_the_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a sweep's worker: its configurations come pickled."""
    config = load_config([Path("small")], [f"benchmark={write_own(tmp_path)}"])
    sent = pickle.dumps(config)
    monkeypatch.setattr(registry, "_own", {})
    assert own_benchmark("yard") is None
    assert pickle.loads(sent) == config  # noqa: S301 - our own bytes
    known = own_benchmark("yard")
    assert known is not None
    assert known.class_keys == ("calm", "brawl", "theft")


def test_a_command_names_the_file_and_not_what_it_calls_itself(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    assert benchmark(file).written == str(file)
    command = study_named("VI", "yard").command
    assert f"--benchmark {file}" in command
    assert benchmark("planted").written == "planted"
