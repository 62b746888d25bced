"""Source x target from the files that tests on other banks leave in run folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.cli.main import main
from mmvad.report.render import grid
from mmvad.runs import RunFolder, read_json, write_json
from mmvad.tables.filled import FilledTable
from mmvad.tables.frame import collect
from mmvad.tables.results import Results
from mmvad.tables.transfer import transfer_table
from tests.tables.made_up import make_bank, make_run

FIGURES = {0: 0.61, 1: 0.67}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Ours over two seeds and one peer, tested on XD-Violence; ours with its class names too; one run never."""
    make_bank(tmp_path / "bank", "planted")
    for seed, value in FIGURES.items():
        made = make_run(tmp_path / "runs", tmp_path / "bank", [], seed=seed)
        leave(made, "xd_violence", "ap", value)
        leave(made, "xd_violence", "ap", value + 0.1, is_open=True)
    leave(
        make_run(tmp_path / "runs", tmp_path / "bank", ["model.name=hl_net", "modalities=v"]), "ucf_crime", "auc", 0.5
    )
    make_run(tmp_path / "runs", tmp_path / "bank", ["model.acp=none"])
    return tmp_path / "runs"


def leave(
    run: RunFolder, benchmark: str, metric: str, value: float, *, is_open: bool = False, bank: str = "abcdef0123"
) -> Path:
    run.tests.mkdir(exist_ok=True)
    path = run.tests / f"{benchmark}-abc{'-open' if is_open else ''}.json"
    target = {"benchmark": benchmark, "bank_hash": bank, "headline": metric}
    scores = {"combined": {metric: value}}
    content = {"source": {}, "target": target, "classes": {}, "open_vocabulary": is_open, "notes": ["I3D"]}
    write_json(path, {**content, "scores": scores})
    return path


def table(runs: Path) -> FilledTable | None:
    return transfer_table(Results(collect([runs]).frame), "planted")


def test_a_row_a_configuration_a_column_a_target(runs: Path) -> None:
    found = table(runs)
    assert found is not None
    headings, lines = grid(found)
    assert headings == [
        *("method", "modality", "AP", "UCF-Crime AUC", "XD-Violence AP", "XD-Violence AP, names given", "n"),
    ]
    by_name = {line[0]: line for line in lines}
    assert {*by_name} == {"ours", "HL-Net 2020"}
    values = [100 * value for value in FIGURES.values()]
    spread = f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"
    assert by_name["ours"][3:] == ["-", spread, "74.00 ± 4.24", "2"]
    assert by_name["HL-Net 2020"][3:] == ["50.00", "-", "-", "1"]
    assert found.name == "Table. Source x target (Planted)"
    assert found.notes.count("XD-Violence: I3D") == 1


def test_runs_with_other_text_weights_are_another_row(runs: Path) -> None:
    made = make_run(runs, runs.parent / "bank", ["model.text.weights=other.pt"])
    leave(made, "xd_violence", "ap", 0.1)
    found = table(runs)
    assert found is not None
    ours = [row for row in found.rows if row.lead[0].startswith("ours")]
    assert sorted(row.seeds for row in ours) == [(0,), (0, 1)]
    assert any("model.text.weights=" in row.lead[0] for row in ours)


def test_intervals_that_were_asked_for_are_said_to_be_missing(runs: Path) -> None:
    found = transfer_table(Results(collect([runs]).frame), "planted", intervals=True)
    assert found is not None
    assert any(note.startswith("without interval: a test on another bank") for note in found.notes)


def test_its_own_bank_is_no_target(runs: Path) -> None:
    before = table(runs)
    for report in runs.glob("*/report.json"):
        leave(RunFolder(report.parent), "planted", "ap", 0.5, bank=read_json(report)["bank_hash"])
    assert table(runs) == before


def test_without_such_tests_there_is_no_table(runs: Path) -> None:
    for file in runs.rglob("tests/*.json"):
        file.unlink()
    assert table(runs) is None


def test_a_damaged_file_costs_its_own_figure(runs: Path) -> None:
    (broken, *_) = sorted(runs.rglob("tests/ucf_crime-*.json"))
    broken.write_text("{}")
    found = table(runs)
    assert found is not None
    assert len(found.rows) == 1


def test_the_report_has_the_table(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(runs), "--resamples", "0"]) == 0
    assert "Table. Source x target (Planted)" in capsys.readouterr().out
    assert (runs / "report" / "tables" / "table_transfer_planted.csv").is_file()
    assert "Source x target" in (runs / "report" / "report.html").read_text()
