"""`mmvad curves`: two runs over one another on named test videos."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from mmvad.benchmarks import registry
from mmvad.benchmarks.registry import PLANTED, benchmark
from mmvad.cli.main import main
from mmvad.figures.strip import Shot, frames_above, is_abnormal, shot_times
from mmvad.metrics.evaluate import frame_scores
from mmvad.report import compared
from mmvad.report.curves import draw_over
from mmvad.runs import RunFolder
from mmvad.tables.scored import Truths, scored_videos
from tests.own import write_own
from tests.tables.made_up import make_bank, make_run


@pytest.fixture
def pair(results_bank: Path, tmp_path: Path) -> list[str]:
    return [str(make_run(tmp_path / name, results_bank, skill=skill).path) for name, skill in (("a", 1.0), ("b", 3.0))]


def test_two_runs_of_any_configuration(pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "figures" / "over.png"
    assert main(["curves", *pair, "--videos", "video000", "video003", "--out", str(out)]) == 0
    assert out.stat().st_size > 10_000
    assert capsys.readouterr().out.split() == [str(out), str(out.with_suffix(".svg"))]


def test_a_users_benchmark_is_known_without_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = benchmark(write_own(tmp_path / "yard")).facts
    make_bank(tmp_path / "bank", "yard")
    run = make_run(tmp_path / "runs", tmp_path / "bank", benchmark=facts)
    monkeypatch.setattr(registry, "_own", {})
    assert main(["curves", str(run.path), "--out", str(tmp_path / "over.pdf")]) == 0
    assert (tmp_path / "over.pdf").stat().st_size > 10_000


def test_abnormal_frames_are_told_without_their_colour() -> None:
    axes = Figure().add_subplot()
    frames_above(axes, [Shot(1.0, np.zeros((3, 4, 3), np.uint8), abnormal) for abnormal in (False, True)], 5.0)
    normal, abnormal = (box.patch.get_linewidth() for box in axes.artists)
    assert abnormal >= 2 * normal


def test_a_run_that_peeked_is_named_below_the_curves(
    results_bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [str(make_run(tmp_path, results_bank, [f"select={select}"]).path) for select in ("last", "best_test")]
    saved: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: saved.append(figure))
    for given in (runs, runs[:1]):
        assert main(["curves", *given, "--out", str(tmp_path / "over.pdf")]) == 0
    both, first = (figure.get_supxlabel() for figure in saved)
    assert both == f"the checkpoint was chosen on the TEST set (select=best_test): {Path(runs[1]).name}"
    assert not first


def test_the_curves_over_one_another_are_the_two_runs_scores(pair: list[str], results_bank: Path) -> None:
    content = json.loads((results_bank / "manifest.json").read_text())["content_hash"]
    before, after = (scored_videos(Path(run), Truths().of(content, str(results_bank))) for run in pair)
    axes = Figure().add_subplot()
    draw_over(axes, PLANTED, before[0], after[0])
    drawn = {patch.get_label(): patch.get_data().values for patch in axes.patches if hasattr(patch, "get_data")}
    np.testing.assert_array_equal(drawn["before"], frame_scores(before[:1])["combined"])
    np.testing.assert_array_equal(drawn["combined"], frame_scores(after[:1])["combined"])
    assert not np.array_equal(drawn["before"], drawn["combined"])
    assert set(drawn) == {"before", "combined"}


def test_frames_of_the_videos_that_are_at_hand(
    pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    media = tmp_path / "media"
    (media / "deeper").mkdir(parents=True)
    (media / "deeper" / "video000.mp4").touch()
    (media / "video000.csv").touch()  # sorts before it, and is no video
    asked: list[tuple[str, list[float]]] = []

    def frames_at(path: Path, seconds: list[float], width: int) -> list[np.ndarray]:
        asked.append((path.name, list(seconds)))
        return [np.full((3 * width // 4, width, 3), 80, dtype=np.uint8) for _ in seconds]

    media_module, thumbnails = ModuleType("mmvad.extraction.media"), ModuleType("mmvad.extraction.thumbnails")
    thumbnails.frames_at = frames_at  # type: ignore[attr-defined]
    media_module.probe = lambda path: SimpleNamespace(duration_seconds=1e4)  # type: ignore[attr-defined]
    for module in (media_module, thumbnails):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    words = ["curves", *pair, "--videos", "video000", "video001", "--media", str(media), "--out", str(tmp_path / "o")]
    assert main(words) == 0
    assert [name for name, _ in asked] == ["video000.mp4"]
    assert len(asked[0][1]) == compared.SHOTS
    assert asked[0][1] == sorted(asked[0][1])
    assert "the video 10000.0 s: its frames may show another time than the curve" in caplog.text


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--videos", "video99"], "did you mean: video0"),
        (["--videos", "nothere"], "did you mean: video0"),
        (["--bank", "nothere"], "nothere: no such folder\n  expected: a bank"),
        (["--media", "nothere"], "nothere: no such folder\n  expected: videos"),
    ],
)
def test_what_is_not_there_is_said(
    extra: list[str], message: str, pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["curves", *pair, *extra, "--out", str(tmp_path / "o")]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("o*"))


@pytest.mark.parametrize(
    ("name", "written"),
    [("o.pdf", ["o.pdf"]), ("o.JPG", ["o.JPG"]), ("o.svg", ["o.png", "o.svg"]), ("o.v2", ["o.v2.png", "o.v2.svg"])],
)
def test_the_ending_decides_what_is_written(
    name: str, written: list[str], pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures"
    assert main(["curves", *pair, "--videos", "video000", "--out", str(out / name)]) == 0
    assert sorted(path.name for path in out.iterdir()) == written
    assert capsys.readouterr().out.split() == [str(out / file) for file in written]
    assert not name.endswith(".pdf") or (out / name).read_bytes().startswith(b"%PDF")


def test_runs_of_different_test_sets_are_not_laid_over_one_another(
    pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_bank(tmp_path / "other", seed=5)
    other = make_run(tmp_path / "c", tmp_path / "other")
    assert main(["curves", pair[0], str(other.path), "--out", str(tmp_path / "o")]) == 2
    assert "another bank" in capsys.readouterr().err
    assert main(["curves", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    assert "is no run folder" in capsys.readouterr().err


def test_frames_are_taken_at_the_peak_and_at_even_times() -> None:
    scores = np.zeros(100)
    scores[[30, 31, 72]] = (0.9, 0.8, 0.7)
    edges = np.linspace(0, 50, 101)
    times = shot_times(scores, edges, 8)
    assert len(times) == 8
    assert times == sorted(times)
    assert 15.25 in times  # the middle of the highest snippet; its neighbour shows the same
    assert 36.25 in times
    assert np.diff(times).min() > 0.05 * 50
    assert times[-1] > 45  # the end is shown too
    assert shot_times(np.array([0.2]), np.array([0.0, 0.6]), 4)[0] > 0
    assert is_abnormal(15.2, scores, edges, None)
    assert not is_abnormal(50.0, scores, edges, None)
    assert is_abnormal(3.0, scores, edges, [(2, 4)])
    assert not is_abnormal(4.0, scores, edges, [(2, 4)])


def test_a_run_of_a_user_s_benchmark_is_drawn_without_its_file(
    pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(Path(pair[0]))
    monkeypatch.setattr(registry, "_own", {})
    monkeypatch.setattr(registry, "_told", set())
    facts = {"name": "court", "title": "Court", "classes": {c.key: c.prompt for c in PLANTED.classes}}
    folder.manifest.write_text(json.dumps(json.loads(folder.manifest.read_text()) | {"benchmark": facts}))
    report = json.loads(folder.report.read_text())
    report["config"]["benchmark"] = "court"
    folder.report.write_text(json.dumps(report))
    assert main(["curves", pair[0], "--videos", "video000", "--out", str(tmp_path / "own.png")]) == 0
