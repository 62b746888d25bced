"""The bench runs, says what it measured, and refuses parts that are not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmvad.benchmarks.registry import benchmark
from tests.plain import savings
from tools.bench.__main__ import main
from tools.bench.growth import Growth
from tools.bench.made import batch, configuration, scored_videos
from tools.bench.run import run_bench
from tools.bench.steps import Step, cases
from tools.bench.table import growth_table, reached, row_table
from tools.bench.timing import Row, compare, count_flops, exponent


def test_a_quick_run_leaves_a_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--quick", "--only", "objectives,metrics,gather", "--repeats", "1", "--out", str(tmp_path / "b")]
    assert main(asked) == 0
    printed = capsys.readouterr().out
    kept = json.loads((tmp_path / "b" / "bench.json").read_text())
    assert kept["quick"] is True
    assert kept["peak"] > 1e8
    assert {row["part"] for row in kept["rows"]} == {"objectives", "metrics", "gather"}
    assert (tmp_path / "b" / "bench.md").read_text() in printed
    assert all(row["name"] in printed for row in kept["rows"])
    assert "quick" in printed
    assert "no CUDA device" not in printed  # nobody asked for one


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_its_part_is_said_to_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_bench(("gpu",), tmp_path, quick=True, threads=0, repeats=1) == []
    assert "no CUDA device" in capsys.readouterr().out


@pytest.mark.slow
def test_a_quick_run_of_steps_and_growth(tmp_path: Path) -> None:
    """Losses of product and plain form are as one in every step that is timed."""
    rows = run_bench(("steps", "text", "test", "growth"), tmp_path, quick=True, threads=1, repeats=1)
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


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--only", "steps,sleep"])
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


def test_a_stream_is_timed_as_it_comes_and_as_fast_as_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("av", reason="the extra `video` is not installed")
    pytest.importorskip("torchvggish", reason="the extra `video` is not installed")
    file, camera = run_bench(("watch",), tmp_path, quick=True, threads=1, repeats=1)
    assert file.amount == camera.amount == 48
    assert camera.seconds >= 1.9, "two seconds of a clip, at its pace"
    assert 0 < float(camera.notes["delay s"]) <= float(camera.notes["95 % s"]) < 10
    assert "delay s" in capsys.readouterr().out


def test_towers_give_the_plain_loops_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("av", reason="the extra `video` is not installed")
    pytest.importorskip("torchvggish", reason="the extra `video` is not installed")
    seen, heard = run_bench(("towers",), tmp_path, quick=True, threads=1, repeats=1)
    assert (seen.amount, seen.unit, heard.amount, heard.unit) == (32, "frames", 2, "snippets")
    for row in (seen, heard):
        assert float(row.notes["rows apart by at most"]) < 1e-3
        assert str(row.notes["network's share"]).endswith("%")
    assert "network's share" in capsys.readouterr().out
