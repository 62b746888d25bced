"""Scores from elsewhere among the rows of tables: marked, never ours, and in nobody's way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.index import from_record
from mmvad.benchmarks.registry import benchmark
from mmvad.evaluation.foreign_scores import read_scores
from mmvad.evaluation.matching import match
from mmvad.evaluation.run_folder import Described, foreign_report, write_foreign_run
from mmvad.evaluation.truth import Truth, TruthVideo
from mmvad.report.render import as_csv, grid, latex
from mmvad.runs import read_json
from mmvad.tables.fill import fill
from mmvad.tables.filled import FilledRow, FilledTable
from mmvad.tables.frame import collect
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Results
from mmvad.tables.scored import Truths
from mmvad.tables.studies import tables_named
from tests.tables.made_up import make_bank, make_run

METHOD = "Their Method v1.5"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ours over two seeds, VadCLIP run here, and another method's scores over two seeds, each of all videos but one."""
    root = tmp_path_factory.mktemp("elsewhere")
    bank = root / "bank"
    content = make_bank(bank, "xd_violence")
    for seed in (0, 1):
        made = make_run(root / "runs", bank, [], seed=seed, skill=3.0)
        make_run(root / "runs", bank, ["model.name=vadclip", "modalities=vt"], seed=seed)
        write_scores_of(root, bank, made.scores, content, seed)
    return root / "runs"


def write_scores_of(root: Path, bank: Path, file: Path, content: str, seed: int) -> None:
    facts = benchmark("xd_violence")
    records = [from_record(record) for record in json.loads((bank / "test" / "videos.json").read_text())]
    videos = tuple(TruthVideo(v.name, v.labels, v.events, v.intervals, v.snippets) for v in records)
    truth = Truth(facts, videos, frozenset(), "the bank", content, bank)
    with np.load(file) as arrays:
        kept = {key: arrays[key] for key in arrays.files if not key.startswith("video003")}
    np.savez(root / f"theirs{seed}.npz", **kept)
    scores = read_scores(root / f"theirs{seed}.npz", truth)
    matched = match(scores, truth, subset=True)
    described = Described(METHOD, seed, "vt", "I3D", "weak")
    report = foreign_report(scores, truth, matched, described)
    write_foreign_run(root / "runs" / f"theirs{seed}", report, truth, matched)


def table(runs: Path, key: str) -> FilledTable:
    (wanted,) = tables_named([key], "xd_violence")
    return fill(wanted, Results(collect([runs]).frame), Resampler(Truths(), 0))


def row(filled: FilledTable, name: str) -> FilledRow:
    return next(row for row in filled.rows if row.lead[0] == name)


def test_the_row_is_the_mean_over_its_seeds_and_marked(runs: Path) -> None:
    filled = table(runs, "III")
    found = row(filled, METHOD)
    aps = [100 * read_json(runs / f"theirs{s}" / "report.json")["scores"]["combined"]["ap"] for s in (0, 1)]
    assert (found.lead, found.seeds) == ((METHOD, "weak", "I3D", "V+T"), (0, 1))
    assert found.cells[0].mean == pytest.approx(np.mean(aps))
    assert found.cells[0].deviation == pytest.approx(np.std(aps, ddof=1))
    assert f"{METHOD} ¶" in {line[0] for line in grid(filled)[1]}
    (note,) = (note for note in filled.notes if note.startswith("¶"))
    assert note.startswith(f"¶ {METHOD}: another program's scores, evaluated here (theirs0.npz, sha256 ")
    assert "23 of 24 test videos; without video003; theirs1.npz, sha256" in note
    assert rf"{METHOD} \P{{}}" in latex(filled)
    assert "scores from elsewhere: theirs0.npz" in as_csv(filled)
    sizes = f"tested on 23 ({METHOD}), 24 ("
    assert any(note.startswith(sizes) for note in filled.notes)


def test_nothing_is_said_of_it_that_only_runs_have(runs: Path) -> None:
    notes = " ".join(table(runs, "III").notes)
    for words in ("no manifest", "different banks", "different crops", "settings other than", "unknown"):
        assert not [note for note in table(runs, "III").notes if words in note and METHOD in note]
    assert "-: not known of scores from elsewhere" in notes


@pytest.mark.parametrize("key", ["IV", "V"])
def test_it_stands_in_the_other_tables_of_methods(key: str, runs: Path) -> None:
    assert row(table(runs, key), METHOD).elsewhere


def test_tables_of_our_own_runs_do_not_know_it(runs: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(runs, alone, ignore=shutil.ignore_patterns("theirs*"))
    for key in ("VI", "VIII"):
        assert table(runs, key) == table(alone, key)
    ours = [row(table(folder, "III"), "ours") for folder in (runs, alone)]
    assert ours[0] == ours[1]
    vadclip = [row(table(folder, "III"), "VadCLIP 2024") for folder in (runs, alone)]
    assert vadclip[0] == vadclip[1]


def test_without_a_word_about_it_a_row_has_dashes(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(runs, folder, ignore=shutil.ignore_patterns("theirs1"))
    report = (folder / "theirs0" / "report.json").read_text()
    for said in ('"modalities": "vt"', '"features": "I3D"', '"supervision": "weak"'):
        assert said in report
        key = said.partition(":")[0]
        report = report.replace(said, f"{key}: null" if "modalities" in key else f'{key}: "-"')
    (folder / "theirs0" / "report.json").write_text(report)
    filled = table(folder, "III")
    assert row(filled, METHOD).lead == (METHOD, "-", "-", "-")
    assert METHOD not in {found.lead[0] for found in table(folder, "IV").rows}, "nobody said its modality"
