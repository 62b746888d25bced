"""Convolutions over each video's own segments, against torch's, one video after the other."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from mmvad.models.convolution import rows_along_time
from mmvad.models.fixed_layout import Fixed
from mmvad.models.layout import Packed

MORE = 3
LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@pytest.mark.parametrize(("taps", "dilation", "causal"), [(3, 1, False), (5, 1, False), (3, 4, False), (2, 4, True)])
@pytest.mark.parametrize("kind", [Packed, Fixed])
@settings(max_examples=15, deadline=None)
@given(LENGTHS)
def test_a_video_sees_its_own_segments_alone(
    kind: type, taps: int, dilation: int, causal: bool, lengths: list[int]
) -> None:
    """Values and all gradients, of videos shorter than the convolution's reach too."""
    mask = torch.arange(max(lengths) + MORE) < torch.tensor(lengths)[:, None]
    layout = kind(mask)
    leaves = [torch.randn(*shape, dtype=torch.double) for shape in ((*mask.shape, 4), (6, 4, taps), (6,))]
    x, kernel, bias = (leaf.requires_grad_() for leaf in leaves)
    rows = rows_along_time(layout.rows(x), kernel, bias, layout, dilation=dilation, causal=causal)
    found = layout.padded(rows)[mask]
    reach = dilation * (taps - 1)
    around = (reach, 0) if causal else (reach // 2, reach // 2)
    padded = [F.pad(own[:n].T[None], around) for own, n in zip(x, lengths, strict=True)]
    wanted = torch.cat([F.conv1d(own, kernel, bias, dilation=dilation)[0].T for own in padded])
    weight = torch.randn(len(found), 6, dtype=torch.double)
    torch.testing.assert_close(found, wanted)
    gradients = [torch.autograd.grad((each * weight).sum(), (x, kernel, bias)) for each in (found, wanted)]
    for own, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(own, plain)


def test_without_bias_and_of_input_that_learns_nothing() -> None:
    layout = Packed(torch.ones(2, 5, dtype=torch.bool))
    x, kernel = torch.randn(10, 4), torch.randn(6, 4, 3, requires_grad=True)
    found = rows_along_time(x, kernel, None, layout)
    wanted = F.conv1d(x.unflatten(0, (2, 5)).transpose(1, 2), kernel, padding=1).transpose(1, 2).flatten(0, 1)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    gradients = [torch.autograd.grad(each.square().sum(), kernel)[0] for each in (found, wanted)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-4)


def test_in_bfloat16_the_sum_over_taps_is_rounded_once() -> None:
    mask = torch.ones(2, 9, dtype=torch.bool)
    layout = Packed(mask)
    x, kernel, bias = torch.randn(18, 4), torch.randn(6, 4, 5), torch.randn(6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = rows_along_time(x, kernel, bias, layout)
        wanted = F.conv1d(x.unflatten(0, (2, 9)).transpose(1, 2), kernel, bias, padding=2).transpose(1, 2).flatten(0, 1)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, wanted)
