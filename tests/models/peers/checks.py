"""Batches of crops, and what every peer that learns from pairs of bags must pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmvad.models.model import Batch, Model
from tests.small import batch, stirred

LENGTHS = (24, 1, 11, 30, 7, 13)


def bags(
    lengths: Sequence[int] = LENGTHS,
    crops: int = 2,
    segments: int | None = None,
    *,
    seed: int = 0,
    abnormal: Sequence[bool] | None = None,
    wide: bool = False,
) -> Batch:
    """Videos with their crops together; the first half normal unless `abnormal` says otherwise. 16 wide, or 32."""
    kinds = [b >= len(lengths) // 2 for b in range(len(lengths))] if abnormal is None else abnormal
    rows = [n for n in lengths for _ in range(crops)]
    labels = [[1 + b % 6] if kind else [0] for b, kind in enumerate(kinds) for _ in range(crops)]
    made = batch(rows, segments, seed=seed, labels=labels, audio=False)
    if wide:
        more = batch(rows, segments, seed=seed + 1, labels=labels, audio=False)
        made = made._replace(visual=torch.cat([made.visual, more.visual], dim=-1))
    return made._replace(crops=crops)


def awake(model: Model[Any]) -> Model[Any]:
    """The model with nothing left at zero, and running statistics as if it had been trained."""
    draw = torch.Generator().manual_seed(5)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.3, generator=draw)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2, generator=draw)
    return stirred(model)


def valid_rows(batch: Batch) -> list[Tensor]:
    """Every row without its padding."""
    return [x[m] for x, m in zip(batch.visual, batch.mask)]


def assert_padding_changes_nothing(model: Model[Any], lengths: Sequence[int], extra: int, **options: Any) -> None:
    """Neither scores at test, nor losses in training."""
    short = bags(lengths, **options)
    padded = bags(lengths, segments=max(lengths) + extra, **options)
    one = bags(lengths, crops=1, **options)
    longer = bags(lengths, crops=1, segments=max(lengths) + extra, **options)
    model.eval()
    found, wanted = (model.scores(model(b)).coarse for b in (longer, one))
    torch.testing.assert_close(found[longer.mask], wanted[one.mask], rtol=1e-4, atol=1e-5)
    model.train()
    for name, loss in model.losses(model(short), short).items():
        torch.testing.assert_close(model.losses(model(padded), padded)[name], loss, rtol=1e-4, atol=1e-5)


def assert_finite_on_the_edge(model: Model[Any], **options: Any) -> None:
    """One crop, one segment, one kind alone: losses and gradients are numbers."""
    for kinds in ((False, False), (True, True), (True, False)):
        for lengths, crops in (((1, 1), 1), ((1, 1), 3), ((40, 1), 1)):
            given = bags(lengths, crops, abnormal=kinds, **options)
            model.train().zero_grad()
            losses = model.losses(model(given), given)
            assert all(torch.isfinite(loss) and loss.dtype == torch.float32 for loss in losses.values()), losses
            losses["total"].backward()
            assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def assert_learns(model: Model[Any], rate: float = 1e-3, **options: Any) -> None:
    """A few steps on one batch lower its loss."""
    given = bags(**options)
    optimiser = torch.optim.Adam(model.parameter_groups(rate))
    found = []
    for _ in range(6):
        model.train().zero_grad()
        loss = model.losses(model(given), given)["total"]
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    assert found[-1] < found[0]
