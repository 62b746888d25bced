"""Tables of methods: peers that were run here stand beside their published figures, with all that must be said."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from mmvad.benchmarks.registry import benchmark
from mmvad.models.peers.registry import PEERS
from mmvad.report.render import as_csv, grid, latex, markdown
from mmvad.runs import read_json
from mmvad.tables.fill import fill
from mmvad.tables.filled import FilledRow, FilledTable
from mmvad.tables.frame import collect
from mmvad.tables.published import published_figures
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Results
from mmvad.tables.scored import Truths
from mmvad.tables.studies import tables_named
from tests.own import write_own
from tests.tables.made_up import make_bank, make_run

VADCLIP = ["model.name=vadclip", "modalities=vt"]
RTFM = ["model.name=rtfm", "modalities=v", "data.balanced=on"]
AVVD = ["model.name=avvd", "modalities=va"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("methods")
    bank = root / "bank"
    make_bank(bank, "xd_violence")
    for seed in (0, 1, 2):
        make_run(root / "runs", bank, [], seed=seed, skill=3.0)
        make_run(root / "runs", bank, VADCLIP, seed=seed, skill=2.0, noise=40 + seed)
    make_run(root / "runs", bank, [*VADCLIP, "optim.epochs=3"], seed=0)
    make_run(root / "runs", bank, [*RTFM, "quirks.smoothing=next_7", "select=best_test"], seed=0)
    make_run(root / "runs", bank, AVVD, seed=0)
    return root / "runs"


def table(results: Path, key: str) -> FilledTable:
    (wanted,) = tables_named([key], "xd_violence")
    return fill(wanted, Results(collect([results]).frame), Resampler(Truths(), 0))


def row(filled: FilledTable, name: str) -> FilledRow:
    return next(row for row in filled.rows if row.lead[0] == name)


def test_a_peer_is_the_mean_of_its_runs_with_its_published_figure_beside_it(results: Path) -> None:
    filled = table(results, "III")
    found = row(filled, "VadCLIP 2024")
    reports = [read_json(path) for path in results.glob("*/report.json")]
    reports = [r for r in reports if r["config"]["model"]["name"] == "vadclip" and r["config"]["optim"]["epochs"] == 60]
    aps = [100 * report["scores"]["combined"]["ap"] for report in reports]
    assert found.seeds == (0, 1, 2)
    assert found.cells[0].mean == pytest.approx(np.mean(aps))
    assert found.cells[0].deviation == pytest.approx(np.std(aps, ddof=1))
    assert found.lead == ("VadCLIP 2024", "weak", "CLIP", "V+T")
    assert found.paper[0] is not None
    assert (found.paper[0].value, found.paper[0].feature) == (84.51, "CLIP")
    headings, lines = grid(filled)
    line = next(line for line in lines if line[0].startswith("VadCLIP 2024"))
    assert line[headings.index("published AP")] == "84.51 (CLIP)"
    assert "VadCLIP 2024: another configuration was run too and left out: optim.epochs=3" in filled.notes


def test_of_two_configurations_with_as_many_seeds_the_newest_counts(tmp_path: Path) -> None:
    make_bank(tmp_path / "bank", "xd_violence")
    for position, epochs in enumerate((9, 3, 5)):
        changes, day = [*VADCLIP, f"optim.epochs={epochs}"], f"2026-01-0{1 + (position + 1) % 3}T00:00:00"
        make_run(tmp_path / "runs", tmp_path / "bank", changes, skill=1.0 + position, noise=position, finished=day)
    reports = [read_json(path) for path in (tmp_path / "runs").glob("*/report.json")]
    newest = next(report for report in reports if report["config"]["optim"]["epochs"] == 3)
    found = row(table(tmp_path / "runs", "III"), "VadCLIP 2024")
    assert found.cells[0].mean == pytest.approx(100 * newest["scores"]["combined"]["ap"])


def test_what_the_figures_are_of_is_said(results: Path) -> None:
    here = ", in the rows that were run here; rows without n hold published figures"
    assert f"AP: of the combined score{here}" in table(results, "III").notes
    assert f"mAP: the published variant{here}" in table(results, "V").notes
    assert "AP: of the combined score; mAP: the published variant" in table(results, "VI").notes
    acp = "AP, AUC, Ano-AUC, Ano-AP: of the combined score; mAP: the published variant"
    assert acp in table(results, "VIII").notes
    assert acp in latex(table(results, "VIII"))
    assert "coarse" not in table(results, "III").name + table(results, "IV").name


def test_different_crops_are_said(tmp_path: Path) -> None:
    make_bank(tmp_path / "bank", "xd_violence")
    crops = {"model.name=vadclip": ("vt", 5), "model.name=hl_net": ("v", 0), "model.name=dual_stream": ("vat", 5)}
    for model, (modalities, crop) in crops.items():
        changes = [model, f"modalities={modalities}", f"data.test_crop={crop}"]
        make_run(tmp_path / "runs", tmp_path / "bank", changes)
    said = "tested on different crops: 0 (HL-Net 2020), 5 (the others)"
    assert said in table(tmp_path / "runs", "III").notes
    assert not any("different crops" in note for note in table(tmp_path / "runs", "V").notes), "no HL-Net there"
    make_run(tmp_path / "runs", tmp_path / "bank", [*RTFM, "quirks.all_crops=on"])
    said = "tested on different crops: 0 (HL-Net 2020), all (RTFM 2021), 5 (the others)"
    assert said in table(tmp_path / "runs", "III").notes


def test_published_figures_are_no_runs_in_a_csv(results: Path) -> None:
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(as_csv(table(results, "III"))))}
    published, measured = rows["MACIL-SD"], rows["VadCLIP 2024"]
    assert (published["AP"], published["AP n"]) == ("83.4", "")
    assert published["published"] == "AP: I3D+VGGish, V+A, MACIL-SD readme, published"
    assert int(measured["AP n"]) > 0
    assert measured["published"] == "AP: CLIP, V+T, VadCLIP table 1-2, published"
    assert rows["ours"]["published"] == ""


def test_marks_are_set_and_explained(results: Path) -> None:
    filled = table(results, "III")
    names = {line[0] for line in grid(filled)[1]}
    assert {"RTFM 2021 † §", "AVVD 2022 ‡", "VadCLIP 2024"} <= names
    notes = "\n".join(filled.notes)
    assert "§ RTFM 2021: switches on: smoothing=next_7" in notes
    assert "reconstruction" in notes
    assert "TEST set" in notes
    assert r"\ddagger" in latex(filled)
    assert "AVVD 2022 ‡" in markdown(filled)


def test_seconds_below_ten_have_a_decimal(tmp_path: Path) -> None:
    make_bank(tmp_path / "bank", "xd_violence")
    for model, seconds in (("rtfm", 0.37), ("vadclip", 371.6)):
        changes = RTFM if model == "rtfm" else VADCLIP
        make_run(tmp_path / "runs", tmp_path / "bank", changes, train_seconds=seconds)
    headings, lines = grid(table(tmp_path / "runs", "III"))
    shown = {line[0]: line[headings.index("training (s)")] for line in lines}
    assert (shown["RTFM 2021"], shown["VadCLIP 2024"]) == ("0.4", "372")


def test_what_a_method_costs(results: Path) -> None:
    filled = table(results, "III")
    costs = dict(zip([m.heading for m in filled.metrics], row(filled, "VadCLIP 2024").cells))
    assert costs["parameters (M)"].mean == pytest.approx(1.234567)
    assert costs["training (s)"].mean == pytest.approx(9.0)
    snippets = next(iter(read_json(path) for path in results.glob("*/report.json")))["snippets"]
    assert costs["snippets/s"].mean == pytest.approx(snippets / 2)


def test_fine_tables_hold_methods_that_say_what_happens(results: Path) -> None:
    names = [r.lead[0] for r in table(results, "V").rows]
    assert "VadCLIP 2024" in names
    assert "RTFM 2021" not in names


def test_ours_without_runs_on_planted_reads_what_its_bank_has(tmp_path: Path) -> None:
    make_bank(tmp_path / "bank")
    make_run(tmp_path / "runs", tmp_path / "bank", VADCLIP)
    (wanted,) = tables_named(["methods"], "planted")
    filled = fill(wanted, Results(collect([tmp_path / "runs"]).frame), Resampler(Truths(), 0))
    ours = row(filled, "ours")
    assert ours.absent == "mmvad sweep run compare --benchmark planted"
    assert ours.lead == ("ours", "weak", "planted", "V+A+T")


def test_ours_without_runs_on_a_release(tmp_path: Path) -> None:
    make_bank(tmp_path / "bank", "xd_violence")
    make_run(tmp_path / "runs", tmp_path / "bank", VADCLIP)
    leads = {r.lead[1:] for r in table(tmp_path / "runs", "IV").rows if r.lead[0] == "ours"}
    assert leads == {("CLIP", "V"), ("CLIP+VGGish", "V+A"), ("CLIP", "V+T"), ("CLIP+VGGish", "V+A+T")}


def test_a_users_benchmark_has_a_table_of_what_was_measured_on_it(tmp_path: Path) -> None:
    own = benchmark(write_own(tmp_path / "yard"))
    make_bank(tmp_path / "bank", own.name)
    make_run(tmp_path / "runs", tmp_path / "bank", RTFM, benchmark=own.facts)
    (wanted,) = tables_named(["methods"], own.name)
    filled = fill(wanted, Results(collect([tmp_path / "runs"]).frame), Resampler(Truths(), 0))
    assert row(filled, "RTFM 2021").cells[0].mean is not None
    assert row(filled, "ours").lead[2] == "-"
    assert row(filled, "ours").absent == f"mmvad sweep run compare --benchmark {own.written}"
    assert "methods" in [table.key for table in tables_named(None, own.name)]


def test_peers_do_not_stand_in_our_rows_nor_in_our_studies(results: Path) -> None:
    ours = row(table(results, "III"), "ours")
    assert (ours.seeds, ours.lead[-1]) == ((0, 1, 2), "V+A+T")
    modalities = table(results, "VI")
    assert [bool(r.seeds) for r in modalities.rows] == [False, False, False, True]


def test_every_peer_is_known_among_the_published_figures() -> None:
    methods = {figure.method for figure in published_figures()}
    assert {peer.published for peer in PEERS.values() if peer.published} <= methods
