"""The time of all tables: how runs start, hours, and what is measured for them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import pytest

from mmvad.bench import tables
from mmvad.bench.cells import (
    A_PROMPT_A_VIDEO,
    SWEEPS,
    TRAINING_VIDEOS,
    Cell,
    anchors,
    cells,
)
from mmvad.bench.hours import (
    Measured,
    Pair,
    Projection,
    Starts,
    hours_beside,
    project,
    runs_and_starts,
)
from mmvad.bench.hours_table import projection_table
from mmvad.bench.made import configuration
from mmvad.bench.processes import Pausing
from mmvad.bench.tables import begin, projections
from mmvad.bench.training import CROPS, SAMPLES, Trained
from mmvad.bench.turns import STEPS, TURNS
from mmvad.config.schema import Config, Optim
from mmvad.system.device import Device, training_device

SMALL = ("data.segment_length=64", "model.text.architecture=tiny", "data.batch_size=4")
SULTANI = (*SMALL, "model.name=sultani", "modalities=v", "data.balanced=on")
PAIR = Pair("sultani", 0.02, 0.006)
STARTS = {
    "ours": Starts("xd_violence, prompt a video", 36.04, 20.06, 28.02),
    "peers": Starts("xd_violence, mgfn", 30.5, 7.25, 7.25),
}


@pytest.mark.parametrize("benchmark", TRAINING_VIDEOS)
def test_every_anchor_is_timed_within_an_epoch(benchmark: str) -> None:
    for name, config in anchors(cells(benchmark), benchmark).items():
        crops = CROPS if config.data.crops == "together" else 1
        assert SAMPLES // crops // config.data.batch_size >= Pausing.warm + TURNS * STEPS, name


def made(sweep: str, *overrides: str) -> Cell:
    return Cell(sweep, configuration("xd_violence", *overrides))


@pytest.mark.parametrize(
    ("listed", "starts"),
    [
        (  # lambdas, rates and seeds share kernels
            [made("a"), made("a", "loss.lambda_contrast=0.1"), made("b", "optim.learning_rate=1e-4")],
            "cold warm warm warm warm warm, warm warm warm",
        ),
        (  # other losses are another form; other shapes are another anchor
            [made("a"), made("a", "loss.embed=off"), made("a", "data.segment_length=64")],
            "cold related cold warm warm warm warm warm warm",
        ),
        (  # what learns nothing is no run
            [made("a", *SULTANI), made("a", "model.name=random_scores", "modalities=v")],
            "cold warm warm",
        ),
    ],
)
def test_starts_by_hand(listed: list[Cell], starts: str) -> None:
    assert [start for _, start in runs_and_starts(listed)] == starts.replace(",", "").split()


def graph(config: Config) -> Config:
    """The configuration without what no graph knows of: equal where two runs share kernels."""
    loss = config.loss.model_copy(update={"lambda_contrast": 0, "lambda_embed": 0})
    return config.model_copy(update={"loss": loss, "optim": Optim(), "seed": 0})


def test_the_hours_are_those_of_all_runs_counted_one_by_one() -> None:
    listed = cells("xd_violence")
    steps = {name: 0.001 * i for i, name in enumerate(anchors(listed, "xd_violence"), 1)}
    seconds = {True: 0.0, False: 0.0}
    before: list[tuple[str, Config]] = []
    for sweep in SWEEPS:
        for _ in range(3):
            for cell in listed:
                if cell.sweep != sweep or cell.config.model.name in {"random_scores", "one_class_svm"}:
                    continue
                own, ours = graph(cell.config), cell.config.model.name == "dual_stream"
                spent = STARTS["ours" if ours else "peers"]
                start = spent.related if cell.anchor in [anchor for anchor, _ in before] else spent.cold
                if (cell.anchor, own) in before:
                    start = spent.warm
                seconds[ours] += cell.steps * steps[cell.anchor] + start
                before.append((cell.anchor, own))
    found = project(Measured("xd_violence", listed, steps, {}), STARTS, PAIR)
    assert sum(found.hours.values()) == pytest.approx(sum(seconds.values()) / 3600)
    assert found.peers == pytest.approx(seconds[False] / 3600)
    assert found.runs == 3 * len(listed)
    assert 3 * sum(found.cells.values()) == len(before)
    slower = (0.02 / steps[A_PROMPT_A_VIDEO], 0.006 / steps["sultani"])
    assert found.beside == pytest.approx(hours_beside(seconds[True] / 3600, found.peers, *slower))


@pytest.mark.parametrize(
    ("ours", "peers", "slower", "hours"),
    [
        (10, 4, (1.25, 1.0), 10.8),  # in the peers' 4 hours ours do 3.2 of their own; 6.8 are left
        (10, 4, (1.25, 1.5), 11.2),  # the peers take 6, ours do 4.8 of their own meanwhile; 5.2 are left
        (2, 4, (1.5, 1.2), 4.5),  # ours take 3, the peers do 2.5 of their own meanwhile; 1.5 are left
        (5, 5, (2.0, 2.0), 10.0),  # nothing gained
        (3, 0, (1.5, 1.5), 3.0),
    ],
)
def test_hours_beside_each_other(ours: float, peers: float, slower: tuple[float, float], hours: float) -> None:
    assert hours_beside(ours, peers, *slower) == pytest.approx(hours)


def projected(benchmark: str, pair: Pair = PAIR, **failed: str) -> Projection:
    """Every step takes 12.3 ms but for what failed."""
    listed = cells(benchmark)
    steps = {name: 0.0123 for name in anchors(listed, benchmark) if name not in failed}
    return project(Measured(benchmark, listed, steps, failed), STARTS, pair)


def test_the_table_says_hours_steps_and_starts() -> None:
    both = [projected("xd_violence"), projected("ucf_crime")]
    printed = projection_table(both)
    assert "| xd_violence | lambda_grid |" in printed
    assert "| xd_violence | prompt a video, L 64 | 1 | 12.3 |" in printed
    assert printed.count("| ours | xd_violence, prompt a video | 36.0 | 20.1 | 28.0 |") == 1
    assert printed.count("| peers | xd_violence, mgfn | 30.5 | 7.2 | 7.2 |") == 1
    assert "(ours and sultani at once: 20.0 and 6.0 ms a step)" in printed
    total = sum(sum(each.hours.values()) for each in both)
    assert f"| all | 3 seeds, one run at a time | {total:.1f} |" in printed
    assert "not measured" not in printed


def test_without_a_pair_there_are_hours_one_at_a_time() -> None:
    printed = projection_table([projected("xd_violence", Pair("sultani", problem="out of memory"))])
    assert "| all | 3 seeds, the peers beside ours | not measured |" in printed
    assert "ours beside sultani not measured: out of memory" in printed
    assert printed.count("not measured") == 2


def test_without_a_step_its_benchmark_has_no_hours() -> None:
    missing = projected("xd_violence", rtfm="not done after 600 s")
    assert (missing.hours, missing.beside) == ({}, None)
    printed = projection_table([missing, projected("ucf_crime")])
    assert "| xd_violence | all | not measured |" in printed
    assert "| xd_violence | rtfm | 1 | not measured |" in printed
    assert "| ucf_crime | lambda_grid |" in printed
    assert "| xd_violence | lambda_grid |" not in printed
    assert "| all | 3 seeds, one run at a time | not measured |" in printed
    assert "for want of a step of rtfm: not done after 600 s" in printed


def test_an_anchor_starts_in_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two forms is begun last; a peer has one form."""
    begun: list[Config] = []

    def steps(config: Config, place: Device, *, compiled: bool, warm: int, steps: int) -> Trained:
        assert (compiled, warm, steps) == (True, 1, 1)
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"] != "/a/used/one"
        begun.append(config)
        return Trained(0.0, float(len(begun)), 0)

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/a/used/one")
    monkeypatch.setattr(tables, "train_steps", steps)
    ours, place = made("a", *SMALL), training_device("cpu", "auto")
    listed = [ours, made("a", *SULTANI), made("b", *SMALL, "loss.embed=off")]
    monkeypatch.setattr(tables, "anchors", lambda *_: {cell.anchor: cell.config for cell in reversed(listed)})
    measured = Measured("xd_violence", listed, {}, {})
    assert begin(measured, ours.anchor, place) == Starts(f"xd_violence, {ours.anchor}", 1, 2, 3)
    assert begun == [ours.config, ours.config, listed[2].config]
    assert begin(measured, "sultani", place) == Starts("xd_violence, sultani", 4, 5, 5)
    assert begun[3:] == [listed[1].config] * 2


def test_what_is_measured_for_a_projection(monkeypatch: pytest.MonkeyPatch) -> None:
    """All anchors by turns and the costliest peers beside ours in one cache, then starts, each from an empty one."""
    caches: list[str] = []

    def by_turns(wanted: Mapping[tuple[str, str], Config], place: Device) -> dict[tuple[str, str], float | str]:
        caches.append(os.environ["TORCHINDUCTOR_CACHE_DIR"])
        assert all(config.benchmark == benchmark for (benchmark, _), config in wanted.items())
        taken: dict[tuple[str, str], float | str] = {name: 0.02 if name[1] == "mgfn" else 0.01 for name in wanted}
        return taken | {("xd_violence", "mgfn"): "mgfn: out of memory"}

    def together(configs: Sequence[Config], place: Device) -> list[float]:
        caches.append(os.environ["TORCHINDUCTOR_CACHE_DIR"])
        assert configs[0] == configuration(configs[1].benchmark)
        if configs[1].model.name == "mgfn":
            raise RuntimeError("mgfn: no room")
        return [0.03, 0.04]

    def steps(config: Config, place: Device, **_: object) -> Trained:
        caches.append(os.environ["TORCHINDUCTOR_CACHE_DIR"])
        return Trained(0.0, 9.0, 0)

    for name, stub in {"steps_by_turns": by_turns, "train_together": together, "train_steps": steps}.items():
        monkeypatch.setattr(tables, name, stub)
    xd, ucf = projections(training_device("cpu", "auto"))
    assert [caches.index(cache) for cache in caches] == [0, 0, 0, 3, 3, 3, 6, 6]
    assert (xd.failed, xd.hours) == ({"mgfn": "mgfn: out of memory"}, {})
    assert (xd.pair.our_step, xd.pair.peer_step, xd.pair.problem) == (0.03, 0.04, "")
    assert (ucf.failed, ucf.pair) == ({}, Pair("mgfn", problem="mgfn: no room"))
    assert (
        xd.starts
        == ucf.starts
        == {
            "ours": Starts("xd_violence, prompt a video", 9, 9, 9),
            "peers": Starts(f"xd_violence, {xd.pair.peer}", 9, 9, 9),
        }
    )
    kept = json.loads(json.dumps(asdict(ucf)))
    assert kept["steps"]["mgfn"] == 0.02
    assert kept["starts"]["ours"]["warm"] == 9
    assert kept["hours"].keys() == ucf.hours.keys() != set()


def test_nothing_is_begun_where_no_step_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "steps_by_turns", lambda wanted, place: dict.fromkeys(wanted, "no room"))
    (found,) = projections(training_device("cpu", "auto"), ("ucf_crime",))
    assert (found.steps, found.starts, found.hours) == ({}, {}, {})
    assert found.pair.problem
    assert "| ucf_crime | mgfn | 1 | not measured |" in projection_table([found])
