"""The temporal unit against loops over segments, and its indifference to padding."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from mmvad.models.temporal import (
    AttentionLayer,
    TemporalSettings,
    TemporalUnit,
    distance_graph,
    similarity_graph,
    written_out_attention,
)
from tests.plain import network as plain
from tests.small import on_padded, stirred

WIDTH = 16
KINDS = ("local_gcn", "local", "global", "gcn", "conv", "none")


def padded(lengths: list[int], length: int, seed: int = 0, garbage: float = 0.0) -> tuple[Tensor, Tensor]:
    """[B, L, d] whose neighbours are alike, so that cosines lie on both sides of 0.7; and the mask."""
    x = torch.zeros(len(lengths), length, WIDTH)
    for b, n in enumerate(lengths):
        draw = torch.Generator().manual_seed(seed + b)
        x[b, :n] = torch.randn(1, WIDTH, generator=draw) + 0.7 * torch.randn(n, WIDTH, generator=draw)
        x[b, n:] = garbage * torch.randn(length - n, WIDTH, generator=draw)
    return x, torch.arange(length) < torch.tensor(lengths)[:, None]


def unit(kind: str, length: int = 40, window: int = 4, layers: int = 1, heads: int = 1) -> TemporalUnit:
    torch.manual_seed(0)
    return stirred(TemporalUnit(WIDTH, length, TemporalSettings(kind, layers, heads, window)))


@pytest.mark.parametrize("window", [0, 1, 3, 4, 8, 64])
@pytest.mark.parametrize("heads", [1, 4])
def test_windowed_attention_is_masked_attention(window: int, heads: int) -> None:
    torch.manual_seed(0)
    layer = stirred(AttentionLayer(WIDTH, heads, window))
    lengths = [1, 4, 5, 11, 12]
    x, mask = padded(lengths, 12)
    x.requires_grad_()
    found = on_padded(layer, x, mask)
    wanted = [plain.windowed_attention(layer, x[b, :n], window) for b, n in enumerate(lengths)]
    for b, n in enumerate(lengths):
        torch.testing.assert_close(found[b, :n], wanted[b], rtol=1e-5, atol=1e-5)
    weight = torch.randn(12, WIDTH)
    ours, theirs = (
        torch.autograd.grad(sum((rows[b][:n] * weight[:n]).sum() for b, n in enumerate(lengths)), x)[0]
        for rows in (found, wanted)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_similarity_graph_against_double_loops() -> None:
    lengths = [1, 3, 12]
    x, mask = padded(lengths, 12)
    graph = similarity_graph(x, mask)
    cosines = torch.nn.functional.cosine_similarity(x[2, :, None], x[2, None], dim=-1)
    assert (cosines > 0.7).sum() > 12, "the example must have neighbours on both sides of the cut"
    assert (cosines < 0.7).any()
    for b, n in enumerate(lengths):
        torch.testing.assert_close(graph[b, :n, :n], plain.similarity_graph(x[b, :n]), rtol=1e-5, atol=1e-6)
        assert not graph[b, :, n:].any()


def test_distance_graph_against_double_loops() -> None:
    _, mask = padded([1, 3, 12], 12)
    graph = distance_graph(mask)
    for b, n in enumerate((1, 3, 12)):
        torch.testing.assert_close(graph[b, :n, :n], plain.distance_graph(n))
        assert not graph[b, :, n:].any()


def test_graph_branches_against_loops() -> None:
    branches = unit("gcn").graphs
    lengths = [1, 2, 9, 10]
    x, mask = padded(lengths, 10)
    found = on_padded(branches, x, mask)
    for b, n in enumerate(lengths):
        torch.testing.assert_close(found[b, :n], plain.graph_branches(branches, x[b, :n]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("layers", "window"), [(1, 4), (2, 3)])
def test_local_gcn_is_positions_then_attention_then_graphs(layers: int, window: int) -> None:
    made = unit("local_gcn", layers=layers, window=window)
    x, mask = padded([7, 10], 10)
    found = on_padded(made, x, mask)
    for b, n in enumerate((7, 10)):
        rows = x[b, :n] + made.positions[:n]
        for layer in made.layers:
            rows = plain.windowed_attention(layer, rows, window)
        rows = rows + plain.graph_branches(made.graphs, rows)
        torch.testing.assert_close(found[b, :n], rows, rtol=1e-5, atol=1e-5)


def test_conv_adds_what_three_neighbours_say_to_videos_of_any_length() -> None:
    made = unit("conv", length=4)
    x, mask = padded([1, 7, 10], 10)
    found = on_padded(made, x, mask)
    for b, n in enumerate((1, 7, 10)):
        wanted = x[b, :n] + plain.convolution(made.convolution.convolution, x[b, :n]).clamp(min=0)
        torch.testing.assert_close(found[b, :n], wanted, rtol=1e-5, atol=1e-5)


def test_kinds_have_the_parts_that_their_names_say() -> None:
    parts = {kind: (len(unit(kind, layers=2).layers), unit(kind).graphs is not None) for kind in KINDS}
    assert parts == {
        "local_gcn": (2, True),
        "local": (2, False),
        "global": (2, False),
        "gcn": (0, True),
        "conv": (0, False),
        "none": (0, False),
    }
    x, mask = padded([3, 5], 5)
    assert torch.equal(on_padded(unit("none"), x, mask), x)
    assert sum(p.numel() for p in unit("none").parameters()) == 0


def test_global_attention_sees_beyond_the_window_and_local_does_not() -> None:
    x, mask = padded([10], 10)
    moved = x.clone()
    moved[0, 9] *= -1
    for kind, reaches in (("local", False), ("global", True)):
        made = unit(kind)
        changed = (on_padded(made, x, mask) - on_padded(made, moved, mask))[0, 0].abs().max()
        assert bool(changed > 1e-6) is reaches


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(KINDS), st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 20), st.integers(1, 9)
)
def test_padding_and_what_stands_on_it_change_nothing(kind: str, lengths: list[int], more: int, window: int) -> None:
    made = unit(kind, window=window)
    x, mask = padded(lengths, max(lengths))
    longer, longer_mask = padded(lengths, max(lengths) + more, garbage=100.0)
    found, again = on_padded(made, x, mask), on_padded(made, longer, longer_mask)
    for b, n in enumerate(lengths):
        torch.testing.assert_close(again[b, :n], found[b, :n], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_comes_from_padding(kind: str) -> None:
    made = unit(kind)
    x, mask = padded([3, 10, 1], 10, garbage=10.0)
    x.requires_grad_()
    (on_padded(made, x, mask) * mask.unsqueeze(-1)).pow(2).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert not x.grad[~mask].any()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())


@pytest.mark.parametrize("heads", [1, 2])
def test_attention_written_out_is_torchs(heads: int) -> None:
    """What CUDA takes for wide heads: values and gradients, some windows half padding."""
    torch.manual_seed(0)
    inputs = [torch.randn(5, heads, 8, 32, requires_grad=True) for _ in range(3)]
    keys = (torch.arange(8) < torch.tensor([8, 3, 1, 5, 8])[:, None])[:, None, None]
    found = written_out_attention(*inputs, keys)
    wanted = F.scaled_dot_product_attention(*inputs, attn_mask=keys)
    torch.testing.assert_close(found, wanted)
    weight = torch.randn(found.shape)
    ours, theirs = (torch.autograd.grad((x * weight).sum(), inputs) for x in (found, wanted))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)
