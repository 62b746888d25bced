"""Layouts: what they hold, that packed and fixed ones mean the same, and that a seed drops the same numbers in both."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mmvad.models.layout import DRAWN_AT_ONCE, Fixed, Packed, choose_layout, drawn, join, mix, spread
from mmvad.models.losses.objective import objective
from tests.small import batch, gradients, losses, network

LENGTHS = st.lists(st.integers(1, 20), min_size=1, max_size=6)
KINDS = (Packed, Fixed)


def mask_of(lengths: list[int], length: int) -> Tensor:
    return torch.arange(length) < torch.tensor(lengths)[:, None]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(LENGTHS, st.integers(0, 5))
def test_rows_and_back(kind: type, lengths: list[int], more: int) -> None:
    mask = mask_of(lengths, max(lengths) + more)
    layout = kind(mask)
    x = torch.randn(*mask.shape, 3)
    rows = layout.rows(x)
    assert len(rows) == (sum(lengths) if kind is Packed else mask.numel())
    assert torch.equal(layout.padded(rows)[mask], x[mask])
    video = torch.arange(len(lengths))[:, None].expand(mask.shape)
    position = torch.arange(mask.shape[1]).expand(mask.shape)
    assert torch.equal(layout.padded(layout.of_videos(torch.arange(len(lengths))))[mask], video[mask])
    assert torch.equal(layout.padded(layout.of_positions(torch.arange(40)[:, None]))[mask, 0], position[mask])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(LENGTHS, st.integers(0, 5), st.integers(0, 25))
def test_windows_hold_every_segment_once_and_zeros(kind: type, lengths: list[int], more: int, size: int) -> None:
    """Each window has segments of one video alone, in order, those of its own stretch."""
    mask = mask_of(lengths, max(lengths) + more)
    layout = kind(mask)
    named = 1 + torch.arange(mask.numel()).reshape(mask.shape)
    rows = layout.rows(named * mask)
    seen = []
    grids = layout.windows(size)
    assert torch.equal(join([grid.collect(x) for grid, x in spread(rows, grids)]), rows)
    for grid, windows in spread(rows, grids):
        assert torch.equal(windows > 0, grid.mask)
        for window in windows:
            own = window[window > 0] - 1
            if len(own):
                position = own % mask.shape[1]
                assert len((own // mask.shape[1]).unique()) == 1
                assert (own.diff() == 1).all()
                assert int(position[0]) % (size or mask.numel()) == 0
            seen += own.tolist()
    assert sorted(seen) == (named[mask] - 1).tolist()
    if kind is Packed and size:
        assert sum(len(grid.mask) for grid in layout.windows(size)) == sum(-(-n // size) for n in lengths)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_come_back_where_the_segments_were(kind: type) -> None:
    mask = mask_of([3, 9, 1, 8], 10)
    layout = kind(mask)
    x = torch.randn(4, 10, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 10, 2, dtype=torch.float64) * mask.unsqueeze(-1)

    def through(x: Tensor) -> Tensor:
        rows = mix(lambda grid, _: grid.sin(), layout.rows(x), layout.windows(4))
        rows = mix(lambda grid, _: grid * grid, rows, layout.windows(0))
        return (layout.padded(rows) * weight).sum()

    through(x).backward()
    wanted = 2 * x.detach().sin() * x.detach().cos() * weight
    torch.testing.assert_close(x.grad, wanted)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(7,), (3, DRAWN_AT_ONCE // 2 + 5), (2 * DRAWN_AT_ONCE,)])
def test_masks_are_those_of_bernoulli(share: float, shape: tuple[int, ...]) -> None:
    """And the generator stands where it would, so that what is drawn next is the same as well."""
    torch.manual_seed(3)
    expected, after = torch.empty(shape, dtype=torch.bool).bernoulli_(share), torch.rand(3)
    torch.manual_seed(3)
    assert torch.equal(drawn(share, shape), expected)
    assert torch.equal(torch.rand(3), after)


def test_dropout_draws_what_torch_draws_for_the_padded_batch() -> None:
    mask = mask_of([3, 9, 1], 12)
    x, layer = torch.randn(3, 12, 16), nn.Dropout(0.3)
    torch.manual_seed(1)
    wanted, behind = layer(x), torch.rand(2)
    for kind in KINDS:
        layout = kind(mask)
        torch.manual_seed(1)
        found = layout.padded(layout.dropout(layout.rows(x), layer))
        torch.testing.assert_close(found[mask], wanted[mask])
        assert torch.equal(torch.rand(2), behind), "what is drawn next is the same as well"
    assert torch.equal(Packed(mask).dropout(x[mask], layer.eval()), x[mask])
    assert not Packed(mask).dropout(x[mask], nn.Dropout(1.0)).any()


def test_of_dropout_a_byte_an_entry_is_held() -> None:
    """Not the product that it multiplies with: four times as much, of every dropout at once."""
    layout, held = Packed(torch.ones(2, 8, dtype=torch.bool)), list[Tensor]()
    rows = torch.randn(16, 32, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: held.append(x) or x, lambda x: x):
        found = layout.dropout(rows, nn.Dropout(0.25))
    assert [x.dtype for x in held] == [torch.bool]
    found.sum().backward()
    torch.testing.assert_close(found, rows * rows.grad)


def test_the_cpu_packs_and_a_compiler_gets_fixed_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = mask_of([3, 9], 12)
    assert isinstance(choose_layout(mask), Packed)
    assert isinstance(choose_layout(mask.to("meta")), Fixed)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert isinstance(choose_layout(mask), Fixed)


def test_a_batch_of_many_lengths_falls_into_few_blocks_with_little_padding() -> None:
    lengths = torch.randint(30, 257, (96,), generator=torch.Generator().manual_seed(0)).tolist()
    blocks = Packed(mask_of(lengths, 256)).windows(0)
    assert len(blocks) <= 16
    assert sum(block.mask.numel() for block in blocks) < 1.12 * sum(lengths)


@pytest.mark.parametrize("kind", ["local_gcn", "global"])
@pytest.mark.parametrize("fused", ["gated", "cross_attention"])
def test_packed_and_fixed_train_alike(kind: str, fused: str) -> None:
    """With dropout: losses and every gradient of a step, the whole network in either layout."""
    videos = batch([1, 7, 17, 24, 3, 48, 47, 30], has_audio=[True, True, False, True] * 2)
    steps = []
    for layout in KINDS:
        made = network(temporal=(kind, 2, 2, 5, 0.3), fusion=fused, dropout=0.4, choose=layout).train()
        torch.manual_seed(3)
        found = objective(made(videos), videos, losses())
        found["total"].backward()
        steps.append({**found, **gradients(made)})
    for name, value in steps[0].items():
        torch.testing.assert_close(steps[1][name], value, rtol=1e-4, atol=1e-5, msg=name)
