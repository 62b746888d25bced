"""Videos for the peers, and what must hold for every one: padding, company and strange bags must not show.

Checks run on videos that a maker makes of their lengths: `batch`, every crop a row, or `bags`, crops together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mmvad.models.model import Batch, Model
from mmvad.models.setting import Setting
from tests.small import AUDIO_WIDTH, PROMPTS, WIDTH, batch, gradients, stirred, tiny_encoder

close = {"rtol": 1e-5, "atol": 1e-5}

LENGTHS = (24, 1, 11, 30, 7, 13)
STRANGE = (
    ([1, 1], [[0], [2]]),
    ([1, 1], [[0], [0]]),
    ([1, 1], [[1], [3]]),
    ([40, 1], [[0], [0]]),
    ([40, 1], [[1], [3]]),
    ([40, 1], [[0], [2]]),
    ([5, 17], [[0], [0]]),
    ([5, 17], [[1, 4], [2]]),
)
"""Lengths and classes of videos: one segment, no abnormal or no normal video."""
ALONE = (([1], [[0]]), ([1], [[3]]))
"""One video of one segment, which networks with batch normalisation cannot be trained on; pairs of bags never are."""


def small_setting(length: int = 64, audio: int | None = AUDIO_WIDTH, visual: int = WIDTH) -> Setting:
    return Setting(visual, audio, length, tuple(PROMPTS), tiny_encoder())


def bags(
    lengths: Sequence[int] = LENGTHS,
    segments: int | None = None,
    *,
    crops: int = 2,
    seed: int = 0,
    labels: Sequence[Sequence[int]] | None = None,
    wide: bool = False,
) -> Batch:
    """Silent videos with their crops together; the first half normal unless `labels` say otherwise. 16 wide, or 32."""
    half = len(lengths) // 2
    kinds = [[1 + b % 6] if b >= half else [0] for b in range(len(lengths))] if labels is None else labels
    rows = [n for n in lengths for _ in range(crops)]
    make = partial(batch, rows, segments, labels=[kind for kind in kinds for _ in range(crops)], audio=False)
    made = make(seed=seed)
    if wide:
        made = made._replace(visual=torch.cat([made.visual, make(seed=seed + 1).visual], dim=-1))
    return made._replace(crops=crops)


Maker = Callable[..., Batch]
ROWS: Sequence[Maker] = (batch,)
TOGETHER: Sequence[Maker] = tuple(partial(bags, crops=crops) for crops in (1, 2, 3))
WIDE: Sequence[Maker] = tuple(partial(made, wide=True) for made in TOGETHER)


def in_double(make: Maker) -> Maker:
    """The maker, with pictures in double precision."""

    def made(*given: Any, **options: Any) -> Batch:
        videos = make(*given, **options)
        return videos._replace(visual=videos.visual.double())

    return made


def awake(model: Model[Any]) -> Model[Any]:
    """The model with nothing left at zero, and running statistics as if it had been trained."""
    draw = torch.Generator().manual_seed(5)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.3, generator=draw)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2, generator=draw)
    return stirred(model)


def valid_rows(videos: Batch) -> list[Tensor]:
    """Every row without its padding."""
    return [x[m] for x, m in zip(videos.visual, videos.mask)]


def scores(model: Model[Any], videos: Batch) -> list[Tensor]:
    """Everything that is scored, [V, L, .] each, with the classes last."""
    with torch.no_grad():
        found = model.scores(model(videos))
    return [s if s.dim() == 3 else s.unsqueeze(-1) for s in found if s is not None]


def assert_padding_changes_nothing(
    model: Model[Any],
    lengths: Sequence[int],
    more: int,
    makers: Sequence[Maker] = ROWS,
    rtol: float = 1e-5,
    atol: float = 1e-5,
) -> None:
    """Scores depend neither on how far a batch is padded nor on what else is in it; losses not on the padding.

    Losses are taken in the model's own mode: set it to evaluation where it has dropout.
    """
    mode, near = model.training, {"rtol": rtol, "atol": atol}
    for make in makers:
        videos, longer = make(lengths), make(lengths, max(lengths) + more)
        padded = model.losses(model(longer), longer)
        for name, loss in model.losses(model(videos), videos).items():
            torch.testing.assert_close(padded[name], loss, **near, msg=lambda text, name=name: f"{name}: {text}")
        model.eval()
        labels = [videos.labels[0].nonzero().flatten().tolist()]
        made = (scores(model, v) for v in (videos, longer, make(lengths[:1], labels=labels)))
        for one, other, alone in zip(*made, strict=True):
            for b, n in enumerate(lengths):
                assert one[b, :n].isfinite().all()
                torch.testing.assert_close(one[b, :n], other[b, :n], **near)
            torch.testing.assert_close(one[0, : lengths[0]], alone[0], **near)
        model.train(mode)


def assert_trains(model: Model[Any], videos: Batch, steps: int = 6, rate: float = 1e-3) -> None:
    """A few steps lower the total on the same batch; every loss and gradient is finite."""
    optimizer = torch.optim.Adam(model.parameter_groups(rate), lr=rate)
    totals = []
    for _ in range(steps):
        totals.append(finite_step(model, videos))
        optimizer.step()
    assert totals[-1] < totals[0]


def assert_strange_bags_are_finite(
    model: Model[Any], makers: Sequence[Maker] = ROWS, strange: Sequence[tuple[list, list]] = STRANGE + ALONE
) -> None:
    """One segment, one video, no abnormal or no normal video: losses, gradients and scores stay finite."""
    for make in makers:
        for lengths, labels in strange:
            videos = make(lengths, labels=labels)
            model.train()
            finite_step(model, videos)
            model.eval()
            for s in scores(model, videos):
                assert all(s[b, :n].isfinite().all() for b, n in enumerate(lengths))
    model.train()


def finite_step(model: Model[Any], videos: Batch) -> float:
    """The total, its gradients in the parameters; asserts that all is finite, and the losses float32."""
    model.zero_grad()
    found = model.losses(model(videos), videos)
    assert all(loss.isfinite() and loss.dtype == torch.float32 for loss in found.values()), found
    found["total"].backward()
    assert all(grad.isfinite().all() for grad in gradients(model).values())
    return found["total"].item()
