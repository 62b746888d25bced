"""The bench runs, says what it measured, and refuses to compare with what is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import mmvad
from mmvad.bench.commands import PARTS
from mmvad.bench.growth import Growth
from mmvad.bench.made import batch, configuration, scored_videos
from mmvad.bench.plain import plain_form
from mmvad.bench.run import ROWS, run_bench
from mmvad.bench.steps import Step, cases
from mmvad.bench.table import growth_table, reached, row_table
from mmvad.bench.timing import (
    Row,
    compare,
    count_flops,
    exponent,
)
from mmvad.benchmarks.registry import benchmark
from mmvad.cli.main import main
from mmvad.errors import UserError
from tests.plain import savings


def test_every_part_has_rows_or_growth() -> None:
    assert {*ROWS, "growth", "gpu", "tables"} == set(PARTS)


def test_a_quick_run_leaves_a_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = run_bench(("objectives", "metrics", "gather"), tmp_path / "b", quick=True, threads=0, repeats=1)
    printed = capsys.readouterr().out
    assert {row.part for row in rows} == {"objectives", "metrics", "gather"}
    kept = json.loads((tmp_path / "b" / "bench.json").read_text())
    assert kept["quick"] is True
    assert kept["peak"] > 1e8
    assert [row["name"] for row in kept["rows"]] == [row.name for row in rows]
    assert (tmp_path / "b" / "bench.md").read_text() in printed
    assert all(row.name in printed for row in rows)
    assert "quick" in printed
    assert "no CUDA device" not in printed  # nobody asked for one


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_its_parts_are_said_to_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_bench(("gpu", "tables"), tmp_path, quick=True, threads=0, repeats=1) == []
    said = capsys.readouterr().out
    assert "no CUDA device" in said
    assert "a quick run leaves the time of all tables out" in said


@pytest.mark.slow
def test_a_quick_run_of_everything(tmp_path: Path) -> None:
    """Losses of product and plain form are as one in every step that is timed."""
    rows = run_bench(PARTS, tmp_path, quick=True, threads=1, repeats=1)
    steps = [row for row in rows if row.part == "steps"]
    assert len(steps) == 3
    for row in steps:
        assert row.plain_flops is not None
        assert row.plain_flops > row.flops > 0
        assert {"forward s", "backward s", "optimiser s"} < row.notes.keys()
    assert all(row.notes["losses apart by at most"] < 1e-4 for row in steps)
    kept = json.loads((tmp_path / "bench.json").read_text())
    assert {(g["name"], g["over"]) for g in kept["growth"]} >= {
        ("step", "L"),
        ("test pass", "batch"),
        ("import", "videos"),
    }


@pytest.mark.parametrize("saving", savings.SAVINGS)
def test_without_a_saving_a_step_computes_the_same(saving: str) -> None:
    case = cases(quick=True)[1]
    inputs = case.batches(1)
    step = Step(case, inputs, ours=True)
    torch.manual_seed(0)
    wanted, flops = step(), count_flops(step)
    with savings.without(saving):
        step = Step(case, inputs, ours=True)
        torch.manual_seed(0)
        found = step()
        more = count_flops(step)
    assert found == pytest.approx(wanted, abs=1e-5)
    assert more > flops or saving.startswith("QuickGELU")  # which saves memory's way, not arithmetic


def test_outside_of_a_checkout_it_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mmvad, "__file__", str(tmp_path / "lib" / "site-packages" / "mmvad" / "__init__.py"))
    with pytest.raises(UserError, match="make bench"):
        plain_form("training")
    assert main(["bench", "--quick", "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["bench", "--only", "steps,sleep"])
    assert end.value.code == 2
    assert "'sleep'" in capsys.readouterr().err


def test_turns_and_ratio() -> None:
    calls = []
    row = compare("x", "y", lambda: calls.append("ours"), lambda: calls.append("plain"), 2)
    assert calls == ["ours", "plain"] * 3
    assert row.ratio is not None
    assert row.ratio > 0
    assert compare("x", "y", lambda: None, None, 1).ratio is None


def test_exponent_of_power_laws() -> None:
    assert exponent([1, 2, 4, 8], [3, 12, 48, 192]) == pytest.approx(2)
    assert exponent([5, 50, 500], [7, 7, 7]) == pytest.approx(0)


def test_flops_of_a_product() -> None:
    a, b = torch.ones(3, 4), torch.ones(4, 5)
    assert count_flops(lambda: a @ b) == 2 * 3 * 4 * 5


def test_what_is_missed_is_shouted() -> None:
    row = Row("steps", "a step", 2.0, 2.0, 0, plain_seconds=3.0, ratio=1.5, wanted=2.0)
    assert reached(row) is False
    assert "NO (>= 2)" in row_table([row], 1e9)
    assert reached(Row("m", "m", 0.5, 0.5, 0, limit=1.0)) is True
    assert reached(Row("m", "m", 0.5, 0.5, 0)) is None
    curve = Growth("step", "L", [64, 128], [1.0, 4.0], [0, 10])
    assert curve.memory_exponent is None
    assert "2.00" in growth_table([curve])


def test_what_is_made_is_as_large_as_said() -> None:
    videos = batch(64, 256, 7)
    lengths = videos.mask.sum(dim=1)
    assert (int(lengths.min()) >= 30, int(lengths.max()) <= 256) == (True, True)
    assert abs(float(lengths.float().mean()) - 143) < 20
    assert not videos.visual[~videos.mask].any()
    assert 2 * int(videos.abnormal.sum()) == 64
    made = scored_videos(benchmark("xd_violence"), 800)
    assert sum(v.labels != ("A",) for v in made) == 500
    assert abs(sum(v.snippets for v in made) - 145_649) < 30_000
    assert configuration("xd_violence").model.text.weights == "random"
