"""Stairs: what they hold, and that the network trains in them as at fixed length."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.models.fixed_layout import Fixed, Stairs
from mmvad.models.layout import Layout, choose_layout, mix
from mmvad.models.losses.objective import objective
from tests.models.test_layout import mask_of
from tests.small import (
    batch,
    gradients,
    losses,
    network,
)

GROUPS = st.lists(st.tuples(st.integers(1, 24), st.integers(1, 24)), min_size=1, max_size=4)


def stairs_of(groups: list[tuple[int, int]], more: int) -> Stairs:
    """Two videos a group; steps of a multiple of three segments."""
    lengths = sorted(n for pair in groups for n in pair)
    steps = [-(-n // 3) * 3 for n in lengths[1::2]]
    return Stairs(mask_of(lengths, steps[-1] + more), steps)


@settings(max_examples=40, deadline=None)
@given(GROUPS, st.integers(0, 5))
def test_rows_and_back(groups: list[tuple[int, int]], more: int) -> None:
    layout = stairs_of(groups, more)
    mask, x = layout.mask, torch.randn(*layout.mask.shape, 3)
    assert len(layout.rows(x)) == 2 * sum(layout.steps)
    assert torch.equal(layout.padded(layout.rows(x))[mask], x[mask])
    video = torch.arange(len(mask))[:, None].expand(mask.shape)
    place = torch.arange(mask.shape[1]).expand(mask.shape)
    assert torch.equal(layout.padded(layout.of_videos(torch.arange(len(mask))))[mask], video[mask])
    assert torch.equal(layout.padded(layout.of_places(torch.arange(40)[:, None]))[mask, 0], place[mask])


@pytest.mark.parametrize("size", [0, 3, 4])
@settings(max_examples=40, deadline=None)
@given(GROUPS, st.integers(0, 5))
def test_what_looks_along_time_sees_its_window_alone(size: int, groups: list[tuple[int, int]], more: int) -> None:
    """The sum over a window of what is valid there, in stairs and at fixed length."""
    layout = stairs_of(groups, more)
    mask, x = layout.mask, torch.randn(*layout.mask.shape, 2)

    def window_sums(layout: Layout) -> torch.Tensor:
        sums = mix(lambda x, _: x.sum(dim=1, keepdim=True).expand(x.shape), layout.rows(x), layout.windows(size))
        return layout.padded(sums)[mask]

    torch.testing.assert_close(window_sums(layout), window_sums(Fixed(mask)))
    whole = size and not any(step % size for step in layout.steps)
    assert len(layout.windows(size)) == (1 if whole else len(layout.steps))


@pytest.mark.parametrize("temporal", ["local_gcn", "global", "conv"])
@pytest.mark.parametrize("fused", ["gated", "cross_attention"])
def test_the_network_trains_in_stairs_as_at_fixed_length(
    temporal: str, fused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses and every gradient of a step."""
    monkeypatch.setattr("mmvad.models.layout.packs", lambda x: False)
    videos = batch([1, 7, 17, 24, 30, 31, 47, 48], heard=[True, True, False, True] * 2)
    steps = []
    for each in (videos, videos._replace(steps=(16, 24, 32, 48))):
        made = network(temporal=(temporal, 2, 2, 8), fusion=fused).train()
        assert isinstance(choose_layout(each.mask, each.steps), Stairs if each.steps else Fixed)
        found = objective(made(each), each, losses())
        found["total"].backward()
        steps.append({**found, **gradients(made)})
    for name, value in steps[0].items():
        torch.testing.assert_close(steps[1][name], value, rtol=1e-4, atol=1e-5, msg=name)
