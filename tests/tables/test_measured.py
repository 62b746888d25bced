"""Which runs stand for a peer, which published figure stands beside them, and what is said of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mmvad.config.load import load_config, plain
from mmvad.models.peers.registry import PEERS
from mmvad.report.render import grid
from mmvad.runs import RunFolder, read_json
from mmvad.tables.fill import fill
from mmvad.tables.filled import FilledRow, FilledTable
from mmvad.tables.frame import collect, flat
from mmvad.tables.marks import quirks_of
from mmvad.tables.published import find_published
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Results, written
from mmvad.tables.scored import Truths
from mmvad.tables.studies import tables_named
from tests.tables.made_up import BASES, make_bank, make_run

UR_DMU = ["model.name=ur_dmu", "modalities=v", "data.balanced=on"]
VADCLIP = ["model.name=vadclip", "modalities=vt"]
AVADCLIP = ["model.name=avadclip"]
Run = Callable[..., RunFolder]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    make_bank(tmp_path / "bank", "xd_violence")
    return lambda changes, **more: make_run(tmp_path / "runs", tmp_path / "bank", changes, **more)


def table(results: Path, key: str = "III") -> FilledTable:
    benchmark = "ucf_crime" if key in {"I", "II"} else "xd_violence"
    runs = Results(collect([results / "runs"]).frame)
    return fill(tables_named([key], benchmark)[0], runs, Resampler(Truths(), 0))


def row(filled: FilledTable, name: str) -> FilledRow:
    return next(row for row in filled.rows if row.lead[0] == name)


def published(filled: FilledTable, name: str) -> str:
    headings, lines = grid(filled)
    column = next(i for i, heading in enumerate(headings) if heading.startswith("published"))
    return next(line[column] for line in lines if line[0].startswith(name))


def test_runs_of_two_checkpoint_policies_are_not_averaged(run: Run, tmp_path: Path) -> None:
    last = [run(UR_DMU, seed=seed) for seed in (0, 1)]
    for seed in (1, 2, 3):
        run([*UR_DMU, "select=best_test"], seed=seed, skill=5.0, finished="2027")
    filled = table(tmp_path)
    found = row(filled, "UR-DMU 2023")
    aps = [100 * read_json(folder.report)["scores"]["combined"]["ap"] for folder in last]
    assert (found.seeds, found.selected_on_test) == ((0, 1), False)
    assert found.cells[0].mean == pytest.approx(sum(aps) / 2)
    assert "UR-DMU 2023: another configuration was run too and left out: select=best_test" in filled.notes


def test_long_values_are_shown_by_their_end_and_hashes_by_their_beginning() -> None:
    assert written("optim.epochs", 3) == "optim.epochs=3"
    assert written("bank_hash", "0123456789abcdef") == "bank_hash=0123456789ab"
    path = "/somewhere/very/far/away/on/another/machine/open_clip_model.safetensors"
    assert written("model.text.weights", path) == f"model.text.weights=...{path[-37:]}"


def test_peeking_runs_alone_are_shown_with_their_mark(run: Run, tmp_path: Path) -> None:
    run([*UR_DMU, "select=best_test"])
    assert row(table(tmp_path), "UR-DMU 2023").selected_on_test


@pytest.mark.parametrize("name", [name for name, peer in PEERS.items() if peer.switches])
def test_a_switch_is_marked_by_its_value(name: str) -> None:
    needs = [f"model.name={name}", f"modalities={PEERS[name].modalities[0]}", "data.balanced=on"]
    assert quirks_of(flat(plain(load_config([BASES / "xd_violence.yaml"], needs)))) == ()
    for key, value in PEERS[name].switches.items():
        changed = flat(plain(load_config([BASES / "xd_violence.yaml"], [*needs, f"{key}={value}"])))
        short = key if key.startswith("data.") else key.rpartition(".")[2]
        assert quirks_of(changed) == (f"{short}={value}",)


def test_shipped_settings_of_peers_have_no_switch_on() -> None:
    for file in (BASES / "peers").glob("*_xd.yaml"):
        assert quirks_of(flat(plain(load_config([BASES / "xd_violence.yaml", file])))) == (), file


def test_other_models_may_have_the_value_of_a_switch(run: Run, tmp_path: Path) -> None:
    run([*UR_DMU, "data.segments=bins"])
    run(["model.name=s3r", "modalities=v", "data.balanced=on", "data.segments=bins"])
    filled = table(tmp_path)
    assert row(filled, "UR-DMU 2023").marks == ""
    assert row(filled, "S3R 2022").marks == " §"
    assert "§ S3R 2022: switches on: data.segments=bins" in filled.notes


def test_the_student_is_a_row_of_its_own(run: Run, tmp_path: Path) -> None:
    run(AVADCLIP, skill=3.0)
    run([*AVADCLIP, "peers.avadclip.network=student"], skill=1.0)
    filled = table(tmp_path)
    student, teacher = row(filled, "AVadCLIP student 2025"), row(filled, "AVadCLIP 2025")
    assert student.lead[2:] == ("CLIP", "V+T")
    assert teacher.lead[2:] == ("CLIP+VGGish", "V+A+T")
    assert student.cells[0].mean != teacher.cells[0].mean
    assert (student.paper[0].value, teacher.paper[0].value) == (85.53, 86.04)  # type: ignore[union-attr]
    assert student.cells[1].mean is None
    assert "teacher's parameters" in str(student.cells[1].reason)
    assert row(table(tmp_path, "V"), "AVadCLIP student 2025").paper[-1].value == 27.44  # type: ignore[union-attr]


def test_published_figures_of_the_same_modality_come_first(run: Run, tmp_path: Path) -> None:
    run(["model.name=hl_net", "modalities=va"])
    run(["model.name=avvd", "modalities=va"])
    run(["model.name=ur_dmu", "modalities=va", "data.balanced=on"])
    run(VADCLIP)
    filled = table(tmp_path)
    wanted = {"HL-Net 2020": "78.64 (I3D+VGGish)", "AVVD 2022": "78.10 (CLIP, V)"}
    wanted |= {"UR-DMU 2023": "82.41 (CLIP, V)", "VadCLIP 2024": "84.51 (CLIP)"}
    assert {name: published(filled, name) for name in wanted} == wanted


def test_the_nearest_published_figure() -> None:
    wu = "HL-Net (Wu et al.)"
    wanted = {("CLIP", "V"): 80.0, ("CLIP+VGGish", "V+A"): 78.64, ("I3D", "V"): 80.0, ("I3D+VGGish", "V+A"): 78.64}
    for asked, value in wanted.items():
        assert find_published(wu, "xd_violence", "ap", *asked).value == value  # type: ignore[union-attr]
    assert find_published(wu, "ucf_crime", "auc", "I3D", "V").value == 82.44  # type: ignore[union-attr]
    assert find_published("VadCLIP", "xd_violence", "map_avg", "CLIP", "V+T").value == 24.7  # type: ignore[union-attr]


def test_a_figure_of_another_score_is_said(run: Run, tmp_path: Path) -> None:
    report = read_json(run(VADCLIP).report)
    fine = 100 * report["scores"]["fine"]["ap"]
    note = next(note for note in table(tmp_path).notes if note.startswith("VadCLIP 2024: the published"))
    assert note == (
        f"VadCLIP 2024: the published AP is the fine score's, which has {fine:.2f} here; "
        "the column holds the combined score's"
    )
    assert all(peer.classes for peer in PEERS.values() if peer.published_scores)


def test_smoothed_figures_are_said(run: Run, tmp_path: Path) -> None:
    run(["model.name=pel4vad", "modalities=vt"])
    assert any(n.startswith("PEL4VAD 2024: the published figures are of smoothed") for n in table(tmp_path).notes)


def test_what_does_not_compare_is_said_of_peers_too(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BASES.parent)
    make_bank(tmp_path / "other", "xd_violence", 30)
    run([])
    make_run(tmp_path / "runs", tmp_path / "other", VADCLIP, device="NVIDIA H200", precision="bf16-mixed")
    notes = "\n".join(table(tmp_path).notes)
    assert "tested on 24 (ours), 30 (VadCLIP 2024) videos; the official test set has 800" in notes
    assert "the rows are of different banks" in notes
    assert "device (CPU, NVIDIA H200); precision (32-true, bf16-mixed)" in notes
    start = "VadCLIP 2024: settings other than those of experiments/peers/vadclip_xd.yaml: "
    said = next(note for note in notes.splitlines() if note.startswith(start))
    assert "optim.epochs=60" in said
    assert "loss." not in said, "a peer reads none"


def test_methods_with_the_same_other_settings_share_a_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(BASES.parent)
    run(["optim.epochs=3"])
    for name in ("vadclip", "pel4vad", "ur_dmu"):
        shipped = flat(plain(load_config([BASES / "xd_violence.yaml", BASES / "peers" / f"{name}_xd.yaml"])))
        read = ("model.name", "modalities", "data.", "optim.")
        kept = {k: v for k, v in shipped.items() if k.startswith(read) and k not in {"data.bank", "optim.milestones"}}
        run([f"{k}={v}" for k, v in kept.items()] + [f"optim.epochs={5 if name == 'ur_dmu' else 4}"])
    notes = [note for note in table(tmp_path).notes if "settings other than" in note]
    assert len(notes) == 3
    together = "VadCLIP 2024, PEL4VAD 2024: settings other than those of their files in experiments/peers: "
    assert any(note.startswith(together) and "optim.epochs=4" in note for note in notes)
    assert any(note.startswith("UR-DMU 2023: ") and "optim.epochs=5" in note for note in notes)
    assert "ours: settings other than those of experiments/xd_violence.yaml: optim.epochs=3" in notes


def test_settings_that_nothing_reads_are_not_noted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BASES.parent)
    run([*UR_DMU, "model.text.weights=random", "model.text.architecture=tiny", "optim.schedule=constant"])
    start = "UR-DMU 2023: settings other than those of experiments/peers/ur_dmu_xd.yaml: "
    said = next(note for note in table(tmp_path).notes if note.startswith(start))
    assert "optim.epochs=" in said
    assert "model.text" not in said
    assert "milestones" not in said
    assert "cosine_share" not in said


def test_shipped_settings_are_not_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_bank(tmp_path / "bank", "xd_violence")
    shipped = flat(plain(load_config([BASES / "xd_violence.yaml", BASES / "peers" / "vadclip_xd.yaml"])))
    kept = {k: v for k, v in shipped.items() if k.split(".")[0] in {"model", "modalities", "data", "optim", "peers"}}
    del kept["data.bank"]
    kept["optim.milestones"] = f"[{kept['optim.milestones']}]"
    make_run(tmp_path / "runs", tmp_path / "bank", [f"{key}={value}" for key, value in kept.items()])
    monkeypatch.chdir(tmp_path)
    assert not any(note.startswith("VadCLIP 2024: settings") for note in table(tmp_path).notes)


def test_a_method_without_a_file_is_not_compared(tmp_path: Path) -> None:
    make_bank(tmp_path / "bank", "ucf_crime")
    make_run(tmp_path / "runs", tmp_path / "bank", ["model.name=macil_sd", "modalities=va", "data.balanced=on"])
    said = "settings not compared: experiments/peers has no file for UCF-Crime of MACIL-SD 2022"
    assert said in table(tmp_path, "I").notes
