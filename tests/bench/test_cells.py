"""The cells of the tables, and whose step stands for theirs."""

from __future__ import annotations

import pytest

from mmvad.bench.cells import (
    A_PROMPT_A_VIDEO,
    ONE_TEXT,
    TRAINING_VIDEOS,
    Cell,
    anchors,
    cells,
    related,
)
from mmvad.bench.made import configuration


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
