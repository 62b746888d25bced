"""A table's rows are its sweep's; what stands over and beside them is said in one file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mmvad.config.shipped import shipped_folder
from mmvad.errors import UserError
from mmvad.sweeps.definition import read_sweep
from mmvad.tables.definitions import PAPER_ROW
from mmvad.tables.expected import expected_rows
from mmvad.tables.sidecar import FILE, tables
from mmvad.tables.studies import studies, study_named, study_of_sweep, tables_named


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("benchmark", ["planted", "xd_violence", "ucf_crime", "demo_clips"])
def test_every_table_can_be_made_on_every_benchmark(benchmark: str) -> None:
    for study in studies(benchmark):
        recipes = [row.recipe for row in study.rows]
        assert len(set(recipes)) == len(recipes) == len({row.label for row in study.rows}), study.key
        assert [row.base for row in study.rows].count(True) == 1
        assert study.metrics


def test_rows_that_a_silent_benchmark_cannot_run_keep_their_place() -> None:
    marked = {row.label: row.silent for row in study_named("VI", "ucf_crime").rows}
    assert marked == {"V": False, "V+A": True, "V+T": False, "V+A+T": True}
    components = study_named("VII", "ucf_crime").rows
    assert [row.label for row in components if row.silent] == ["+ fusion"]
    assert [row.label for row in components] == [row.label for row in study_named("VII", "planted").rows]
    assert not any(row.silent for row in study_named("VI", "xd_violence").rows)


def test_the_papers_result_stands_beside_the_base_row_or_each_value_has_its_own() -> None:
    assert [row.published for row in study_named("VI", "ucf_crime").rows] == [None, None, PAPER_ROW, None]
    prompts = study_named("Fig5", "xd_violence").rows
    assert [row.published for row in prompts] == [f"Multimodal VAD, M/2 = {row.label}" for row in prompts]


def test_a_benchmarks_own_file_of_a_sweep_has_its_own_values() -> None:
    assert [row.label for row in study_named("Xb", "ucf_crime").rows] == ["0.05", "0.1", "0.2", "0.5"]
    assert [row.label for row in study_named("Xb", "xd_violence").rows] == ["1e-4", "2e-4", "5e-4", "1e-3"]


def test_a_sweep_of_the_current_folder_makes_the_table(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    shipped = (shipped_folder() / "sweeps" / "prompts.yaml").read_text()
    (tmp_path / "sweeps" / "prompts.yaml").write_text(shipped.replace("[7, 10, 12, 14]", "[5, 3]"))
    rows = study_named("Fig5", "planted").rows
    assert [(row.label, row.planned) for row in rows] == [("3", True), ("4", False), ("5", True)], "4 is the base"


def test_overrides_change_the_rows_and_the_command() -> None:
    plain, short = study_named("VI", "planted"), study_named("VI", "planted", ["optim.epochs=2"])
    assert not {row.recipe for row in plain.rows} & {row.recipe for row in short.rows}
    assert [row.label for row in plain.rows] == [row.label for row in short.rows]
    assert short.command == "mmvad sweep run modalities --benchmark planted --set optim.epochs=2"
    same = study_named("VI", "planted", ["runtime.threads=1", "data.bank=elsewhere"])
    assert [row.recipe for row in same.rows] == [row.recipe for row in plain.rows]


def test_a_sweep_over_text_weights_has_a_row_each(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    parameters = "model.text.weights: {values: [random, a.pt, b.pt]}"
    command = "[train, --config=planted, '${args}']"
    file.write_text(f"{{program: mmvad, method: grid, command: {command}, parameters: {{{parameters}}}}}")
    assert [row.label for row in study_of_sweep(read_sweep(file), [], "").rows] == ["random", "a.pt", "b.pt"]


def test_cells_that_cannot_be_run_are_no_rows(tmp_path: Path) -> None:
    """A benchmark without sound has Table VI all the same; a sweep of which nothing can be run is refused."""
    mine = {
        "program": "mmvad",
        "method": "grid",
        "command": ["${program}", "train", "--config=planted", "${args}"],
        "parameters": {"data.audio": {"value": "none"}, "modalities": {"values": ["v", "va", "vt"]}},
    }
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(mine))
    assert [row.values["modalities"] for row in expected_rows(read_sweep(file))] == ["v", "vt"]
    mine["parameters"]["modalities"] = {"values": ["va", "vat"]}  # type: ignore[index]
    file.write_text(yaml.safe_dump(mine))
    with pytest.raises(UserError, match=r"data\.audio is 'none'"):
        expected_rows(read_sweep(file))


def test_any_sweep_has_a_table(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "{program: mmvad, method: grid, command: [train, --config=planted, '${args}'],"
        "parameters: {model.dropout: {values: [0.1, 0.2]}, optim.epochs: {values: [2, 4]}}}"
    )
    (study,) = tables_named(["mine.yaml"], "xd_violence")
    assert (study.title, study.benchmark) == ("Sweep mine", "xd_violence")
    assert study.command == "mmvad sweep run mine.yaml --benchmark xd_violence"
    assert [row.label for row in study.rows if row.planned] == [  # type: ignore[union-attr]
        f"dropout {dropout}, epochs {epochs}" for dropout in (0.1, 0.2) for epochs in (2, 4)
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [("heading: row", "heeding: row", "heeding"), ("metrics: all", "metrics: most", "studies.VIII.metrics")],
)
def test_the_file_of_tables_is_checked(old: str, new: str, words: str, tmp_path: Path) -> None:
    text = FILE.read_text()
    assert old in text
    (tmp_path / "tables.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=words):
        tables(tmp_path / "tables.yaml")


def test_every_entry_has_its_sweep() -> None:
    content = yaml.safe_load(FILE.read_text())
    for entry in (*content["studies"].values(), *content["comparisons"].values()):
        assert (shipped_folder() / "sweeps" / f"{entry['sweep']}.yaml").is_file()
