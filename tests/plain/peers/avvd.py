"""AVVD in its plainest form: HL-Net's, and a class head on the joined branches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmvad.models.peers.avvd.network import Avvd
from tests.plain import objectives
from tests.plain.network import linear
from tests.plain.peers import hl_net


def forward(model: Avvd, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Offline and online logits [n] and class logits [n, C] of one video."""
    joined, online = hl_net.trunk(model.trunk, x)
    return linear(model.head, joined).squeeze(-1), online, linear(model.classify, joined)


def losses(
    videos: Sequence[tuple[Tensor, Tensor, Tensor]], labels: Tensor, lengths: Sequence[int]
) -> dict[str, Tensor]:
    found = hl_net.losses([(off, on) for off, on, _ in videos], [bool(row[1:].any()) for row in labels])
    padded = torch.nn.utils.rnn.pad_sequence([classes for *_, classes in videos], batch_first=True)
    found["fine"] = objectives.fine(padded, lengths, labels, "cross_entropy", "class")
    return found | {"total": found["total"] + found["fine"]}
