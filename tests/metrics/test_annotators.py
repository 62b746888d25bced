from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, cohen_kappa_score, roc_auc_score

from mmvad.bank.bank import open_bank
from mmvad.benchmarks.timeline import frame_truth
from mmvad.cli.main import main
from mmvad.metrics.annotators import annotator_figures, cohen_kappa, fleiss_kappa
from mmvad.metrics.evaluate import evaluate
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.report.terminal import annotator_lines
from tests.metrics.scored import BENCHMARK, plain, random_videos
from tests.own import change, write_own
from tests.runs import refusal


def seen_otherwise(videos: list[ScoredVideo], *shifts: int) -> list[ScoredVideo]:
    """The videos with further annotators, whose events lie so many frames later."""
    return [
        replace(v, annotators=tuple((f"late {n}", tuple((s + n, e + n) for s, e in v.intervals)) for n in shifts))
        for v in videos
    ]


def test_figures_are_those_of_frames_written_out() -> None:
    videos = seen_otherwise(random_videos(2), 2, 5)
    found = annotator_figures(videos)
    assert found is not None
    scores = np.concatenate([v.scores for v in plain(videos)])
    spans = {"events": [v.intervals for v in videos]}
    spans |= {name: [dict(v.annotators)[name] for v in videos] for name in ("late 2", "late 5")}
    truths = {
        name: np.concatenate([frame_truth(i, int(v.frame_edges[-1])) for i, v in zip(own, videos)])
        for name, own in spans.items()
    }
    for metric, of in (("ap", average_precision_score), ("auc", roc_auc_score)):
        wanted = {name: of(truth, scores) for name, truth in truths.items()}
        assert found[metric]["by"] == pytest.approx(wanted, abs=1e-9)
        values = list(wanted.values())
        assert (found[metric]["mean"], found[metric]["low"], found[metric]["high"]) == pytest.approx(
            (np.mean(values), min(values), max(values)), abs=1e-9
        )
        everyone = of(np.concatenate(list(truths.values())), np.tile(scores, 3))
        assert found[metric]["mean_truth"] == pytest.approx(everyone, abs=1e-9)
    votes = np.stack(list(truths.values()))
    assert found["agreement"]["agree"] == pytest.approx(np.mean(votes.all(axis=0) | ~votes.any(axis=0)))


def test_equal_annotators_give_the_single_figure() -> None:
    videos = seen_otherwise(random_videos(4), 0)
    found, single = annotator_figures(videos), evaluate(BENCHMARK, videos)["scores"]["combined"]
    assert found is not None
    for metric in ("ap", "auc"):
        wanted = dict.fromkeys(("mean", "low", "high", "mean_truth"), pytest.approx(single[metric], abs=1e-12))
        assert {name: found[metric][name] for name in wanted} == wanted
    assert found["agreement"] == {"kappa": pytest.approx(1.0), "kind": "Cohen", "agree": 1.0}
    assert annotator_figures(random_videos(4)) is None


def test_one_who_marked_nothing_is_there_and_told() -> None:
    """Has no figure of its own, counts in the mean truth and in the agreement."""
    videos = [replace(v, annotators=(("silent", ()),)) for v in random_videos(4)]
    found = annotator_figures(videos)
    assert found is not None
    single = evaluate(BENCHMARK, videos)["scores"]["combined"]
    assert found["ap"]["by"] == {"events": pytest.approx(single["ap"]), "silent": None}
    assert found["ap"]["mean"] == pytest.approx(single["ap"])
    assert found["ap"]["mean_truth"] < single["ap"]
    assert found["agreement"]["kappa"] == pytest.approx(0.0)
    assert "silent - (frames of one kind alone)" in annotator_lines({"annotators": found})[0]


def test_kappas() -> None:
    draw = np.random.default_rng(0)
    one = draw.random(500) < 0.3
    other = one ^ (draw.random(500) < 0.1)
    assert cohen_kappa(one, other) == pytest.approx(cohen_kappa_score(one, other), abs=1e-9)
    assert cohen_kappa(np.ones(4, dtype=bool), np.ones(4, dtype=bool)) is None
    # Fleiss (1971), by hand: 4 subjects, 3 raters, 3, 2, 0 and 1 of them say yes
    agreed = np.mean([1.0, 1 / 3, 1.0, 1 / 3])
    assert fleiss_kappa(np.array([3, 2, 0, 1]), 3) == pytest.approx((agreed - 0.5) / 0.5)


def test_a_benchmarks_file_says_who_annotated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_own(tmp_path)
    assert main(["data", "import", str(file), "--out", str(tmp_path / "one")]) == 0
    lines = (tmp_path / "events.csv").read_text().splitlines()
    second = [lines[0], *(f"{v},{c},{int(s) + 8},{e}" for v, c, s, e in (line.split(",") for line in lines[1:]))]
    (tmp_path / "second.csv").write_text("\n".join(second))
    change(file, "events: events.csv\n", "events: events.csv\nannotators: {second: second.csv}\n")
    assert main(["data", "import", str(file), "--out", str(tmp_path / "two")]) == 0
    one, two = (open_bank(tmp_path / name) for name in ("one", "two"))
    assert one.content_hash != two.content_hash
    (before, *_), (after, *_) = ([v for v in bank.test.videos if v.intervals] for bank in (one, two))
    assert replace(after, annotators=()) == before
    ((start, end),) = before.intervals
    assert after.annotators == (("second", ((start + 8, end),)),)
    capsys.readouterr()
    np.savez(tmp_path / "scores.npz", **{v.name: np.linspace(0, 1, v.snippets) for v in two.test.videos})  # type: ignore[arg-type]
    out = tmp_path / "theirs"
    words = [
        "evaluate",
        str(tmp_path / "scores.npz"),
        "--bank",
        str(tmp_path / "two"),
        "--out",
        str(out),
        "--name",
        "T",
    ]
    assert main(words) == 0
    assert "AP by annotator: events" in " ".join(capsys.readouterr().out.split())
    change(file, "{second: second.csv}", "{events: second.csv}")
    assert "further ones" in refusal(capsys, ["data", "check", str(file)])
