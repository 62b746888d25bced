"""Convolutions of three taps by minimal filtering, in pieces, against torch's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmvad.models import winograd
from mmvad.models.winograd import three_taps


@pytest.mark.parametrize("at_once", [1, 10, 1000])
@pytest.mark.parametrize(("count", "length"), [(1, 25), (4, 6), (3, 1)])
@pytest.mark.parametrize(("dilation", "before"), [(1, 1), (2, 2), (4, 4), (1, 2), (4, 8)])
def test_pieces_join_to_the_convolution(
    monkeypatch: pytest.MonkeyPatch, at_once: int, count: int, length: int, dilation: int, before: int
) -> None:
    """Values and all gradients, of one long video and of several, centred and causal."""
    monkeypatch.setattr(winograd, "SEGMENTS_AT_ONCE", at_once)
    leaves = [torch.randn(*shape, dtype=torch.double) for shape in ((count, length, 5), (4, 5, 3), (4,))]
    x, kernel, bias = (leaf.requires_grad_() for leaf in leaves)
    found = three_taps(x, kernel, bias, dilation, before)
    padded = F.pad(x.transpose(1, 2), (before, 2 * dilation - before))
    wanted = F.conv1d(padded, kernel, bias, dilation=dilation).transpose(1, 2)
    torch.testing.assert_close(found, wanted)
    weight = torch.randn_like(wanted)
    gradients = [torch.autograd.grad((each * weight).sum(), (x, kernel, bias)) for each in (found, wanted)]
    for own, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(own, plain)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_single_precision_is_as_near_as_torch(scale: float) -> None:
    """Both against double precision: features of one sign, as behind a ReLU, of any size."""
    torch.manual_seed(0)
    x, kernel = scale * torch.rand(2, 32, 256), torch.randn(64, 256, 3)
    exact = F.conv1d(x.double().transpose(1, 2), kernel.double(), padding=1).transpose(1, 2)
    plain = F.conv1d(x.transpose(1, 2), kernel, padding=1).transpose(1, 2)
    errors = [float((each - exact).norm() / exact.norm()) for each in (three_taps(x, kernel, None, 1, 1), plain)]
    assert errors[0] < max(2 * errors[1], 5e-7), errors


def test_a_causal_one_never_looks_ahead() -> None:
    """Bit for bit: no output of a pair sees what the other alone reads."""
    x, kernel = torch.randn(1, 20, 8), torch.randn(8, 8, 3)
    ahead = x.clone()
    ahead[:, 11:] = 1e6
    seen, other = (three_taps(each, kernel, None, 1, 2) for each in (x, ahead))
    assert torch.equal(seen[:, :11], other[:, :11])
    assert not torch.equal(seen[:, 11:], other[:, 11:])
