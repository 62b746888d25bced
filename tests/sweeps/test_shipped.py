"""Every sweep file that comes with mmvad: W&B's format, and cells for every benchmark."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest
import yaml

from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.config.files import written_for
from mmvad.config.load import leaf_keys, load_config
from mmvad.sweeps.cells import Cell, configure, expand
from mmvad.sweeps.definition import read_sweep
from mmvad.sweeps.search import check_search
from mmvad.training.train import train
from tests.small import write_bank
from tests.sweeps.stub import identity_of
from tests.sweeps.wandb_format import violations

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "sweeps").rglob("*.yaml"))
TOP = sorted((ROOT / "sweeps").glob("*.yaml"))
BENCHMARKS = ("planted", "xd_violence", "ucf_crime")
GRIDS = [file.stem for file in TOP if yaml.safe_load(file.read_text())["method"] == "grid"]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_is_in_wandbs_format(file: Path) -> None:
    content = yaml.safe_load(file.read_text())
    assert violations(content) == []
    assert "null" not in file.read_text()
    sweep = read_sweep(file)
    assert sweep.name == file.stem
    assert sweep.metric.endswith(benchmark_named(sweep.benchmark).headline)
    assert any(word.startswith("WANDB_TAGS=") for word in content["command"])
    assert f"--config=experiments/{sweep.benchmark}.yaml" in content["command"]
    assert content["command"][-1] == "${args}"
    if file.parent != ROOT / "sweeps":
        assert sweep.benchmark == file.parent.name


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_passes_the_wandb_clients_own_check(file: Path) -> None:
    """The client's check before it sends a sweep; an old client keeps it elsewhere."""
    client = pytest.importorskip("wandb.apis.public.sweeps")
    check = getattr(client, "_validate_config_and_fill_distribution", None)
    if check is None:
        pytest.skip("this wandb client checks a sweep elsewhere")
    content = yaml.safe_load(file.read_text())
    assert check(content)["parameters"].keys() == content["parameters"].keys()
    mixed = {**content, "parameters": {"model.dropout": {"min": 0, "max": 0.5}}}
    with pytest.raises(ValueError, match="ambiguous"):
        check(mixed)
    assert violations(mixed) == ["model.dropout: ambiguous bounds"]


def test_the_files_are_valid_by_the_schema_that_wandb_published() -> None:
    """The schema of W&B's package `sweeps`; `run_cap`, which its documentation has, came after it."""
    jsonschema = pytest.importorskip("jsonschema")
    try:
        schema = Path(str(importlib.metadata.distribution("sweeps").locate_file("sweeps/config/schema.json")))
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package sweeps (wandb[sweeps]) is not installed")
    check = jsonschema.Draft7Validator(json.loads(schema.read_text()))
    for file in FILES:
        content = yaml.safe_load(file.read_text())
        content.pop("run_cap", None)
        assert [error.message for error in check.iter_errors(content)] == [], file
    assert not check.is_valid({**content, "method": "tpe"})


@pytest.mark.parametrize("benchmark", BENCHMARKS)
@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_expands_to_valid_cells(name: str, benchmark: str) -> None:
    sweep = read_sweep(ROOT / "sweeps" / f"{name}.yaml", benchmark)
    expanded = expand(sweep)
    assert {config.benchmark for _, config in expanded} == {benchmark}
    assert {config.seed for _, config in expanded} == {0, 1, 2}
    cells = [Cell(values, "", config, identity_of(config)) for values, config in expanded]
    assert len({cell.identity for cell in cells}) == len(cells)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
@pytest.mark.parametrize("name", ["search", "search_losses"])
def test_a_search_looks_at_held_out_videos(name: str, benchmark: str) -> None:
    sweep = read_sweep(ROOT / "sweeps" / f"{name}.yaml", benchmark)
    config = check_search(sweep, [])
    assert config.data.validation_share > 0
    assert config.select == "best_val"
    assert config.benchmark == benchmark
    assert sweep.metric == f"val/{benchmark_named(benchmark).headline}"
    assert set(sweep.swept) <= set(leaf_keys())


TINY = (
    "model.text.architecture=tiny",
    "model.text.weights=random",
    "data.segment_length=16",
    "data.batch_size=32",
    "data.test_crop=0",
    "optim.epochs=1",
    "runtime.device=cpu",
    "runtime.threads=1",
    "runtime.figures=off",
)
"""What a cell is trained with here: one step of 28 rows. The keys that its sweep varies stay as they are."""


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny bank of every benchmark; UCF-Crime's is silent."""
    folder = tmp_path_factory.mktemp("banks")
    silent = {name: ["all"] if name == "ucf_crime" else [] for name in BENCHMARKS}
    return {name: write_bank(folder / name, benchmark=name, silent=silent[name]) for name in BENCHMARKS}


@pytest.mark.parametrize("benchmark", BENCHMARKS)
@pytest.mark.parametrize("name", [file.stem for file in TOP])
def test_a_cell_is_trained_for_a_step(name: str, benchmark: str, banks: dict[str, Path], tmp_path: Path) -> None:
    sweep = read_sweep(ROOT / "sweeps" / f"{name}.yaml", benchmark)
    given = [word for word in TINY if word.partition("=")[0] not in sweep.swept]
    given += [f"data.bank={banks[benchmark]}", f"runtime.results={tmp_path}"]
    if sweep.method == "grid":
        cells = sweep.cells()
        config = configure(sweep, cells[len(cells) // 2], given)
    else:
        config = check_search(sweep, given)
    folder = train(config)
    report = json.loads(folder.report.read_text())
    assert report["config"]["benchmark"] == benchmark
    assert report["scores"]["combined"][benchmark_named(benchmark).headline] is not None


@pytest.mark.parametrize("file", sorted((ROOT / "experiments").glob("*/*.yaml")), ids=lambda file: file.stem)
def test_an_overlay_begins_with_the_rows_title(file: Path) -> None:
    assert file.read_text().startswith("# ")
    over = ROOT / "experiments" / f"{written_for(file) or 'planted'}.yaml"
    load_config([over, file])


def test_the_format_check_sees_faults() -> None:
    good = yaml.safe_load((ROOT / "sweeps" / "search.yaml").read_text())
    assert violations(good) == []
    for change in (
        {"method": "tpe"},
        {"metric": {"goal": "maximize"}},
        {"parameters": {}},
        {"parameters": {"seed": {"values": []}}},
        {"parameters": {"seed": {"values": [None]}}},
        {"parameters": {"seed": {"low": 1}}},
        {"parameters": {"a b": {"value": 1}}},
        {"parameters": {"seed": {"distribution": "log_uniform_values", "min": 0, "max": 1}}},
        {"early_terminate": {"type": "median"}},
        {"run_cap": 0},
        {"surprise": 1},
    ):
        assert violations({**good, **change}), change
