"""What the bench does on a GPU, run here on the CPU in small: its steps, and the time of all tables from them."""

from __future__ import annotations

import pytest
import torch

from mmvad.bench.gpu import FORMS, gpu_rows
from mmvad.bench.made import configuration
from mmvad.bench.tables import CROPS, TRAINING_VIDEOS, anchors, cells, growth, project, projection_table
from mmvad.bench.training import Trained, drawn_samples, train_steps
from mmvad.config.schema import Runtime
from mmvad.environment import choose_place

SMALL = ("data.segment_length=64", "model.text.architecture=tiny", "data.batch_size=4")
CPU = torch.device("cpu")


@pytest.mark.slow
def test_rows_of_steps() -> None:
    rows = list(gpu_rows(True, choose_place(Runtime(device="cpu", threads=1)), ("xd_violence",)))
    assert len(rows) == len(FORMS)
    for row in rows:
        assert row.seconds > 0
        assert row.plain_seconds == pytest.approx(row.ratio * row.seconds)
        assert row.flops > 1e9


def test_steps_are_timed_without_the_warm_ones() -> None:
    place = choose_place(Runtime(device="cpu", threads=1))
    spent = train_steps(configuration("xd_violence", *SMALL), place, warm=2, steps=2)
    assert 0 < spent.seconds < 30
    assert spent.first > 0
    assert spent.memory == 0


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


def test_the_hours_are_those_of_all_cells_counted_one_by_one() -> None:
    listed = cells("xd_violence")
    wanted = anchors(listed, "xd_violence")
    assert {"prompt a video", "one text or none", "vadclip", "avadclip"} < set(wanted)
    assert {"random_scores", "one_class_svm"}.isdisjoint(wanted)
    measured = {name: Trained(0.01 if name == "prompt a video" else 0.0, 36.0, 0) for name in wanted}
    found = project("xd_violence", listed, wanted, measured)
    ours = [cell for cell in listed if cell.anchor == "prompt a video"]
    steps = sum(cell.steps * growth(cell.config, wanted["prompt a video"]) for cell in ours)
    compiling = 36 * sum(cell.anchor in wanted for cell in listed)
    assert sum(found.hours.values()) == pytest.approx(3 * (0.01 * steps + compiling) / 3600)
    assert found.runs == 3 * len(listed)
    assert "| xd_violence | lambda_grid |" in projection_table([found])


def test_growth_is_in_proportion_and_never_below_the_base() -> None:
    base = configuration("xd_violence")
    assert growth(base, base) == 1
    assert growth(configuration("xd_violence", "data.batch_size=32"), base) == 0.25
    assert growth(configuration("xd_violence", "data.segment_length=512"), base) == 2
    assert growth(configuration("xd_violence", "data.segment_length=64"), base) == 1
    assert growth(configuration("xd_violence", "model.prompt_half=21"), base) == 2
