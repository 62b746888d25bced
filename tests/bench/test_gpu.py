"""What the bench does on a GPU, run here on the CPU in small: its steps, and the time of all tables from them."""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
from collections.abc import Sequence
from dataclasses import asdict
from types import SimpleNamespace

import pytest
import torch

from mmvad.bench import tables, training
from mmvad.bench.cells import A_PROMPT_A_VIDEO, ONE_TEXT, SWEEPS, TRAINING_VIDEOS, Cell, anchors, cells, related
from mmvad.bench.gpu import FORMS, gpu_rows, step_flops
from mmvad.bench.made import configuration, dual_stream
from mmvad.bench.tables import Anchor, Pair, hours_beside, measure, project, projection_table, projections
from mmvad.bench.together import _collect, train_together
from mmvad.bench.training import CROPS, SAMPLES, Trained, drawn_loader, drawn_samples, train_steps
from mmvad.config.schema import Config, Optim, Runtime
from mmvad.environment import Place, choose_place
from mmvad.models import layout
from mmvad.models.model import Model

SMALL = ("data.segment_length=64", "model.text.architecture=tiny", "data.batch_size=4")
SULTANI = (*SMALL, "model.name=sultani", "modalities=v", "data.balanced=on")
CPU = torch.device("cpu")
PAIR = Pair("sultani", 0.02, 0.006)


@pytest.mark.slow
def test_rows_of_steps() -> None:
    rows = list(gpu_rows(True, choose_place(Runtime(device="cpu", threads=1)), ("xd_violence",)))
    assert len(rows) == len(FORMS)
    for row in rows:
        assert row.seconds > 0
        assert row.plain_seconds == pytest.approx(row.ratio * row.seconds)
        assert row.flops > 1e9


def test_operations_are_those_of_the_batches_that_training_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on CUDA: fixed shapes, and videos by length where steps are compiled, if the model makes use of that."""
    config = configuration("xd_violence", *SMALL[1:2], "data.batch_size=24", "data.segment_length=128")
    place, ours = choose_place(Runtime(device="cpu", threads=1)), dual_stream(config)
    assert not next(iter(drawn_loader(config, ours, place, compiled=True))).steps  # a CPU compiles nothing
    monkeypatch.setattr(layout, "packs", lambda x: False)
    monkeypatch.setattr(training, "compiles", lambda wish, *rest: wish == "on")
    batch = next(iter(drawn_loader(config, ours, place, compiled=True)))
    assert 64 <= batch.steps[0] < batch.steps[-1] == 128
    assert not next(iter(drawn_loader(config, ours, place))).steps
    assert not next(iter(drawn_loader(config, Model[object](), place, compiled=True))).steps
    by_length, plain = (step_flops(config, place, compiled=compiled) for compiled in (True, False))
    assert sum(batch.steps) / (4 * 128) * plain < by_length < plain  # the text tower's are the same


def test_steps_are_timed_without_the_warm_ones() -> None:
    place = choose_place(Runtime(device="cpu", threads=1))
    spent = train_steps(configuration("xd_violence", *SMALL), place, warm=2, steps=2)
    assert 0 < spent.seconds < 30
    assert spent.first > 0
    assert spent.memory == 0


def test_the_first_step_may_be_the_last_warm_one() -> None:
    spent = train_steps(configuration("xd_violence", *SMALL), choose_place(Runtime(device="cpu")), warm=1, steps=1)
    assert spent.first > 0
    assert 0 < spent.seconds < 30


def test_no_end_of_an_epoch_is_timed() -> None:
    config = configuration("xd_violence", *SMALL, "data.batch_size=128", "data.crops=together")
    with pytest.raises(ValueError, match="an epoch of dual_stream has 26"):
        train_steps(config, choose_place(Runtime(device="cpu")), warm=6, steps=21)


@pytest.mark.parametrize("benchmark", TRAINING_VIDEOS)
def test_every_anchor_is_timed_within_an_epoch(benchmark: str) -> None:
    for name, config in anchors(cells(benchmark), benchmark).items():
        crops = CROPS if config.data.crops == "together" else 1
        assert SAMPLES // crops // config.data.batch_size > tables.WARM + tables.PEER_STEPS, name


def test_drawn_samples_are_as_the_configuration_wants_them() -> None:
    samples = drawn_samples(configuration("ucf_crime", *SMALL), CPU)
    assert samples.audio is None
    assert samples.labels.shape[1] == 14
    assert int((samples.labels[:, 0] == 1).sum()) == len(samples.labels) // 2
    together = drawn_samples(configuration("xd_violence", *SMALL, "data.crops=together"), CPU)
    assert (together.crops, len(together.labels) % CROPS) == (CROPS, 0)


@pytest.mark.parametrize(("benchmark", "epochs", "batch"), [("xd_violence", 60, 128), ("ucf_crime", 40, 64)])
def test_steps_of_a_run(benchmark: str, epochs: int, batch: int) -> None:
    base = next(cell for cell in cells(benchmark) if cell.anchor == "prompt a video")
    videos = TRAINING_VIDEOS[benchmark]
    a_batch = 2 * max(videos) if base.config.data.balanced else sum(videos)
    assert base.steps == epochs * -(-10 * a_batch // batch)


@pytest.mark.parametrize("benchmark", TRAINING_VIDEOS)
def test_anchors_stand_for_every_cell_with_its_own_shape(benchmark: str) -> None:
    listed = [cell for cell in cells(benchmark) if cell.learns]
    wanted = anchors(listed, benchmark)
    assert wanted[A_PROMPT_A_VIDEO] == configuration(benchmark)
    for cell in listed:
        own, found = cell.config, wanted[cell.anchor]
        assert own.model.name == found.model.name
        assert (own.data.batch_size, own.data.segment_length) == (found.data.batch_size, found.data.segment_length)
        if cell.a_prompt_a_video:
            assert own.model.prompt_half == found.model.prompt_half
    own = [name for name, config in wanted.items() if config.model.name == "dual_stream"]
    assert {A_PROMPT_A_VIDEO, ONE_TEXT, "prompt a video, L 64", "prompt a video, B 32", "prompt a video, M/2 7"} < {
        *own
    }
    assert len(own) == 11
    assert {"random_scores", "one_class_svm"}.isdisjoint(wanted)


@pytest.mark.parametrize("benchmark", TRAINING_VIDEOS)
def test_a_related_run_has_the_step_of_its_anchor_and_another_form(benchmark: str) -> None:
    listed = cells(benchmark)
    for anchor, config in anchors(listed, benchmark).items():
        other = related(listed, anchor, config)
        if anchor not in {A_PROMPT_A_VIDEO, ONE_TEXT}:
            assert other is None
            continue
        assert other is not None
        assert Cell("", other).anchor == anchor
        assert Cell("", other).form != Cell("", config).form


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
    assert [start for _, start in tables.runs_and_starts(listed)] == starts.replace(",", "").split()


def graph(config: Config) -> Config:
    """The configuration without what no graph knows of: equal where two runs share kernels."""
    loss = config.loss.model_copy(update={"lambda_contrast": 0, "lambda_embed": 0})
    return config.model_copy(update={"loss": loss, "optim": Optim(), "seed": 0})


def test_the_hours_are_those_of_all_runs_counted_one_by_one() -> None:
    listed = cells("xd_violence")
    named = enumerate(anchors(listed, "xd_violence"), 1)
    measured = {name: Anchor(0.001 * i, 36 + i, 20 + i, 28 + i) for i, name in named}
    seconds = {True: 0.0, False: 0.0}
    before: list[tuple[str, Config]] = []
    for sweep in SWEEPS:
        for _ in range(3):
            for cell in listed:
                if cell.sweep != sweep or cell.config.model.name in {"random_scores", "one_class_svm"}:
                    continue
                spent, own = measured[cell.anchor], graph(cell.config)
                start = spent.related if cell.anchor in [anchor for anchor, _ in before] else spent.cold
                if (cell.anchor, own) in before:
                    start = spent.warm
                seconds[cell.config.model.name == "dual_stream"] += cell.steps * spent.step + start
                before.append((cell.anchor, own))
    found = project("xd_violence", listed, measured, PAIR)
    assert sum(found.hours.values()) == pytest.approx(sum(seconds.values()) / 3600)
    assert found.peers == pytest.approx(seconds[False] / 3600)
    assert found.runs == 3 * len(listed)
    assert 3 * sum(found.cells.values()) == len(before)
    slower = (0.02 / measured[A_PROMPT_A_VIDEO].step, 0.006 / measured["sultani"].step)
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


def test_the_table_says_hours_and_anchors() -> None:
    listed = cells("xd_violence")
    measured = {name: Anchor(0.0123, 36.04, 20.06, 28.02) for name in anchors(listed, "xd_violence")}
    printed = projection_table([project("xd_violence", listed, measured, PAIR)])
    assert "| xd_violence | lambda_grid |" in printed
    assert "| ms a step | start, cold s | warm s | related s |" in printed
    assert "| xd_violence | prompt a video, L 64 | 1 | 12.3 | 36.0 | 20.1 | 28.0 |" in printed
    assert "(ours and sultani at once: 20.0 and 6.0 ms a step)" in printed
    missing = project("xd_violence", listed, measured, Pair("sultani", problem="out of memory"))
    printed = projection_table([missing])
    assert "| all | 3 seeds, the peers beside ours | not measured |" in printed
    assert "not measured: out of memory" in printed


def test_an_anchor_starts_in_every_way() -> None:
    config = configuration("xd_violence", *SULTANI)
    found = measure(config, config, choose_place(Runtime(device="cpu", threads=1)))
    assert all(0 < seconds < 30 for seconds in asdict(found).values())
    assert len(set(asdict(found).values())) == 4


def test_what_is_measured_for_a_projection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each start of each anchor once; the costliest peer beside ours; in a cache of its own."""
    timed: list[tuple[Config, int, int]] = []
    caches, known, built = set(), set(), set()

    def steps(config: Config, place: Place, *, compiled: bool, warm: int, steps: int) -> Trained:
        assert compiled
        cell = Cell("", config)
        starts = {20.0: cell.form in built, 28.0: cell.anchor in known, 36.0: True}
        timed.append((config, warm, steps))
        caches.add(os.environ["TORCHINDUCTOR_CACHE_DIR"])
        built.add(cell.form)
        known.add(cell.anchor)
        step = 0.02 if config.model.name == "mgfn" else 0.01
        return Trained(step, next(first for first, so in starts.items() if so), 0)

    def together(configs: Sequence[Config], place: Place) -> list[float]:
        assert [config.model.name for config in configs] == ["dual_stream", "mgfn"]
        raise RuntimeError("mgfn: out of memory")

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/a/used/one")
    monkeypatch.setattr(tables, "train_steps", steps)
    monkeypatch.setattr(tables, "train_together", together)
    (found,) = projections(choose_place(Runtime(device="cpu")), ("ucf_crime",))
    assert len(caches) == 1
    assert "/a/used/one" not in caches
    several = {A_PROMPT_A_VIDEO, ONE_TEXT}
    for name, anchor in found.measured.items():
        step, other = 0.02 if name == "mgfn" else 0.01, 28.0 if name in several else 20.0
        assert anchor == Anchor(step, cold=36.0, warm=20.0, related=other)
    assert json.loads(json.dumps(asdict(found)))["measured"]["mgfn"]["warm"] == 20.0
    assert len(timed) == 2 * len(found.measured) + len(several)
    assert {(config.model.name == "dual_stream", n) for config, warm, n in timed if warm > 1} == {
        (True, 15),
        (False, 30),
    }
    assert (found.pair, found.beside) == (Pair("mgfn", problem="mgfn: out of memory"), None)


@pytest.mark.slow
def test_two_train_at_the_same_time() -> None:
    configs = (configuration("xd_violence", *SMALL), configuration("xd_violence", *SULTANI))
    place = choose_place(Runtime(device="cpu", threads=1))
    ours, peer = train_together(configs, place, seconds=0.5)
    assert 0 < peer < ours < 30


@pytest.mark.slow
def test_a_process_that_fails_ends_the_other() -> None:
    configs = (configuration("xd_violence", *SMALL), configuration("xd_violence", *SULTANI))
    with pytest.raises(RuntimeError, match=r"(dual_stream|sultani): ValueError: .*8-odd"):
        train_together(configs, Place(CPU, "8-odd", ""), seconds=0.5)
    assert not multiprocessing.active_children()


def test_a_process_that_takes_too_long_or_dies_is_said() -> None:
    configs = (configuration("xd_violence", *SMALL),)
    with pytest.raises(RuntimeError, match=r"not done after 0\.1 s"):
        train_together(configs, choose_place(Runtime(device="cpu")), limit=0.1)
    dead = SimpleNamespace(exitcode=-9)
    with pytest.raises(RuntimeError, match="ended with code -9"):
        _collect([dead], queue.Queue(), 60)
