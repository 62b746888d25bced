"""A sweep's table: its own runs alone, under the names of the paper's rows where it varies what the paper varies."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mmvad.config.schema import Config
from mmvad.report.render import as_csv, grid
from mmvad.runs import RunFolder
from mmvad.sweeps.cells import Cell, configure
from mmvad.sweeps.definition import Sweep, Values, read_sweep
from mmvad.sweeps.grid import CellState
from mmvad.tables.fill import fill
from mmvad.tables.filled import FilledRow, FilledTable
from mmvad.tables.frame import collect
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Results
from mmvad.tables.scored import Truths
from mmvad.tables.studies import study_of_sweep, tables_named
from mmvad.tables.sweep import sweep_table
from tests.tables.made_up import make_bank, make_run

ROOT = Path(__file__).resolve().parents[2]


class Placed(Cell):
    """A cell whose run folder was made by the test."""

    made: RunFolder

    @property
    def folder(self) -> RunFolder:
        return self.made


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("banks") / "planted"
    make_bank(path)
    return path


def written(folder: Path, parameters: str, name: str = "mine.yaml") -> Sweep:
    file = folder / name
    command = "[train, --config=experiments/planted.yaml, '${args}']"
    file.write_text(f"{{program: mmvad, method: grid, command: {command}, parameters: {{{parameters}}}}}")
    return read_sweep(file)


def cell_state(sweep: Sweep, values: Values, bank: Path, results: Path, ended: str, position: int) -> CellState:
    """A cell that is done, failed for the reason in `ended`, or new."""
    config: Config = configure(sweep, values, [f"data.bank={bank}"])
    changes = [f"{key}={value}" for key, value in values.items() if key not in {"seed", "config", "benchmark"}]
    changes += [f"loss.{part}={getattr(config.loss, part)}" for part in ("coarse", "fine", "contrast", "embed")]
    cell = Placed(values, str(values), config, f"{position:064d}")
    if ended != "done":
        return CellState(cell, "failed" if ended != "new" else "new", ended if ended != "new" else "")
    folder = make_run(results, bank, changes, seed=config.seed, skill=1 + position / 5, noise=position)
    identity = next(iter(collect([folder.path]).frame["identity"]))
    cell = Placed(values, str(values), config, str(identity))
    object.__setattr__(cell, "made", folder)
    return CellState(cell, "done")


def table_of(sweep: Sweep, bank: Path, results: Path, ended: Mapping[int, str] | None = None) -> FilledTable:
    states = [
        cell_state(sweep, values, bank, results, (ended or {}).get(i, "done"), i)
        for i, values in enumerate(sweep.cells())
    ]
    table = sweep_table(sweep, states, [f"data.bank={bank}"], "mmvad sweep run mine.yaml", resamples=50)
    assert table is not None
    return table


def row(table: FilledTable, label: str) -> FilledRow:
    return next(row for row in table.rows if row.lead[0] == label)


def labels(table: FilledTable) -> list[str]:
    return [row.lead[0] for row in table.rows]


def test_a_table_of_the_paper(results_bank: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "runs", results_bank, ["modalities=vat"], seed=7, skill=9.0)  # of another sweep
    table = table_of(
        read_sweep(ROOT / "sweeps" / "modalities.yaml", "planted", (0, 1)), results_bank, tmp_path / "runs"
    )
    assert labels(table) == ["V", "V+A", "V+T", "V+A+T"]
    assert table.name == "Table VI. Modalities (Planted)"
    assert [r.seeds for r in table.rows] == [(0, 1)] * 4
    assert row(table, "V+A+T").base
    found = collect([tmp_path / "runs"]).frame.query("score == 'combined' and metric == 'ap' and `class` == 'all'")
    own = found[(found["modalities"] == "v") & (found["seed"] < 7)]["value"].astype(float)
    cell = row(table, "V").cells[0]
    assert (cell.mean, cell.deviation) == pytest.approx((100 * own.mean(), 100 * own.std(ddof=1)))
    difference = row(table, "V").difference
    assert difference is not None
    assert difference.low is not None
    assert difference.mean == pytest.approx(((cell.mean or 0) - (row(table, "V+A+T").cells[0].mean or 0)) / 100)
    assert table.notes[0].startswith("from the 8 finished of 8 cells of")
    assert not any("no row has the base" in note for note in table.notes)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("losses", ["coarse", "fine", "coarse + fine", "+ contrast", "+ embed (all)"]),
        ("prompts", ["7", "10", "12", "14"]),
        ("acp", ["none (before)", "pre", "post", "pre_post (after)"]),
    ],
)
def test_rows_of_other_tables(name: str, wanted: Sequence[str], results_bank: Path, tmp_path: Path) -> None:
    table = table_of(read_sweep(ROOT / "sweeps" / f"{name}.yaml", "planted", (0,)), results_bank, tmp_path)
    assert labels(table) == wanted
    assert sum(r.base for r in table.rows) == 1


def test_a_sweep_of_ones_own_is_named_by_its_values(results_bank: Path, tmp_path: Path) -> None:
    sweep = written(tmp_path, "model.dropout: {values: [0.1, 0.3]}, optim.epochs: {values: [2, 4]}, seed: {value: 3}")
    table = table_of(sweep, results_bank, tmp_path / "runs")
    assert table.name == "Table. Sweep mine (Planted)"
    assert labels(table) == [f"dropout {d}, epochs {e}" for d in (0.1, 0.3) for e in (2, 4)]
    assert table.rows[0].base, "no row is the base configuration: the first one is compared to"
    stand_in = "no row has the base configuration's values: differences are to the first row with runs "
    assert table.notes[1] == f"{stand_in}(dropout 0.1, epochs 2)"
    assert all(r.seeds == (3,) for r in table.rows)


def overlaid(folder: Path, *contents: str) -> str:
    """The parameter `config` over overlays of these models, each with a comment of its own."""
    files = [folder / f"overlay{i}.yaml" for i in range(len(contents))]
    for i, (file, content) in enumerate(zip(files, contents)):
        file.write_text(f"# comment {i}\n{content}\n")
    return f"config: {{values: [{', '.join(map(str, files))}]}}"


SVM, RTFM = (
    "{modalities: v, model: {name: one_class_svm}}",
    "{modalities: v, model: {name: rtfm}, data: {balanced: on}}",
)


@pytest.mark.parametrize(
    ("overlays", "wanted"),
    [
        (["model: {name: dual_stream}", SVM, RTFM], ["ours", "One-class SVM", "RTFM 2021"]),
        ([SVM, RTFM, f"{RTFM[:-1]}, optim: {{epochs: 3}}}}"], ["One-class SVM", "comment 1", "comment 2"]),
        (["loss: {fine: off}", "loss: {fine: on}", SVM], ["comment 0", "comment 1", "One-class SVM"]),
        (["optim: {epochs: 3}"], ["comment 0"]),
        (["optim: {epochs: 3}", "optim: {epochs: 4}"], ["comment 0", "comment 1"]),
    ],
)
def test_overlays_of_methods_are_named_by_them(overlays: Sequence[str], wanted: Sequence[str], tmp_path: Path) -> None:
    sweep = written(tmp_path, overlaid(tmp_path, *overlays))
    rows = study_of_sweep(sweep, [], "").rows
    assert [row.label for row in rows if row.planned] == wanted


def test_a_single_row(results_bank: Path, tmp_path: Path) -> None:
    table = table_of(written(tmp_path, "seed: {values: [0, 1, 2]}"), results_bank, tmp_path / "runs")
    assert labels(table) == ["mine"]
    assert table.rows[0].seeds == (0, 1, 2)


def test_the_base_is_the_row_of_the_base_configuration(results_bank: Path, tmp_path: Path) -> None:
    table = table_of(written(tmp_path, "model.dropout: {values: [0.1, 0.3]}"), results_bank, tmp_path / "runs")
    assert [r.base for r in table.rows] == [False, True], "experiments/planted.yaml has 0.3"


def test_differences_across_crops_are_said(results_bank: Path, tmp_path: Path) -> None:
    table = table_of(written(tmp_path, "data.test_crop: {values: [0, 5, 6]}"), results_bank, tmp_path / "runs")
    across = "where a row's crop is not that of 0, its difference is the crop's too"
    assert f"tested on different crops: 5 (5), 6 (6), 0 (0); {across}" in table.notes
    table = table_of(written(tmp_path, "model.dropout: {values: [0.1, 0.3]}"), results_bank, tmp_path / "more")
    assert not any("different crops" in note for note in table.notes)


def test_failed_and_missing_cells_are_marked(results_bank: Path, tmp_path: Path) -> None:
    sweep = written(tmp_path, "modalities: {values: [v, vt, vat]}, seed: {values: [0, 1]}")
    ended = {1: "the training loss is nan", 2: "OutOfMemoryError: CUDA", 3: "OutOfMemoryError: CUDA", 5: "new"}
    table = table_of(sweep, results_bank, tmp_path / "runs", ended)
    headings, rows = grid(table)
    n = headings.index("n")
    assert [(line[0], line[n]) for line in rows] == [("v", "1 (1 failed)"), ("vt", "(2 failed)"), ("vat", "1")]
    assert rows[1][1] == "failed"
    notes = "\n".join(table.notes)
    assert "failed: v (seed 1): the training loss is nan" in notes
    assert "failed: vt (seed 0): OutOfMemoryError: CUDA" in notes
    assert "missing:" not in notes
    assert "vat (seed 1)" in notes
    lines = list(csv.DictReader(io.StringIO(as_csv(table))))
    assert lines[1]["failed"].startswith("seed 0: OutOfMemoryError: CUDA; seed 1:")
    assert lines[1]["AP"] == ""


def test_what_a_silent_benchmark_cannot_run_is_said(tmp_path: Path) -> None:
    make_bank(tmp_path / "bank", "ucf_crime", 60)
    sweep = read_sweep(ROOT / "sweeps" / "modalities.yaml", "ucf_crime", (0,))
    table = table_of(sweep, tmp_path / "bank", tmp_path / "runs")
    assert [(r.lead[0], r.absent) for r in table.rows][1::2] == [("V+A", "no audio"), ("V+A+T", "no audio")]
    assert row(table, "V+T").base


def test_nothing_finished_is_no_table(results_bank: Path, tmp_path: Path) -> None:
    sweep = written(tmp_path, "modalities: {values: [v]}")
    states = [cell_state(sweep, values, results_bank, tmp_path, "broken", 0) for values in sweep.cells()]
    assert sweep_table(sweep, states, [], "go on") is None


@pytest.mark.parametrize("name", ["modalities", "prompts", "contrast"])
def test_a_sweep_and_the_report_give_the_same_rows(name: str, results_bank: Path, tmp_path: Path) -> None:
    sweep = read_sweep(ROOT / "sweeps" / f"{name}.yaml", "planted", (0, 1))
    ended = table_of(sweep, results_bank, tmp_path)
    (study,) = tables_named([name], "planted")
    found = fill(study, Results(collect([tmp_path]).frame), Resampler(Truths(), 50))
    assert [r.cells for r in ended.rows] == [r.cells for r in found.rows]
    assert (ended.name, ended.headings, ended.metrics) == (found.name, found.headings, found.metrics)
    if name != "prompts":  # whose base row is no cell of the sweep: only the sweep's own table has a stand-in
        assert ended.rows == found.rows


def test_a_sweep_of_ones_own_is_reported_too(results_bank: Path, tmp_path: Path) -> None:
    sweep = written(tmp_path, "model.dropout: {values: [0.1, 0.2]}, seed: {values: [0, 1]}")
    ended = table_of(sweep, results_bank, tmp_path / "runs")
    (study,) = tables_named([str(sweep.file)], "planted")
    found = fill(study, Results(collect([tmp_path / "runs"]).frame), Resampler(Truths(), 50))
    assert found.rows == ended.rows
    assert found.notes == ended.notes[1:], "but for how many cells are finished"


def test_methods_are_joined_too(results_bank: Path, tmp_path: Path) -> None:
    sweep = written(tmp_path, overlaid(tmp_path, "model: {name: dual_stream}", SVM))
    (study,) = tables_named([str(sweep.file)], "planted")
    make_run(tmp_path / "runs", results_bank)
    make_run(tmp_path / "runs", results_bank, ["model.name=one_class_svm", "modalities=v"])
    found = fill(study, Results(collect([tmp_path / "runs"]).frame), Resampler(Truths(), 0))
    assert [(r.lead[0], r.seeds, r.base) for r in found.rows] == [("ours", (0,), True), ("One-class SVM", (0,), False)]
    assert not any(note.startswith("other runs") for note in found.notes)
