"""AVadCLIP in its plainest form: one video, its valid segments only, row after row."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mmvad.models.peers.avadclip.network import CausalBlock, GatedAudio, Student
from tests.plain import network as plain
from tests.plain import objectives
from tests.plain.peers import vadclip


def convolution(weight: Tensor, bias: Tensor, x: Tensor, offsets: tuple[int, ...]) -> Tensor:
    """Row t of the result sums weight[:, :, tap] x[t + offset]; nothing lies outside the video."""
    rows = []
    for t in range(len(x)):
        row = bias
        for tap, offset in enumerate(offsets):
            if 0 <= t + offset < len(x):
                row = row + weight[:, :, tap] @ x[t + offset]
        rows.append(row)
    return torch.stack(rows)


def normed_weight(module: nn.Module) -> Tensor:
    """Weight norm: of every output its length g times the direction of v, [out, in, taps]."""
    length, direction = module.parametrizations.weight.original0, module.parametrizations.weight.original1
    return torch.stack([g * v / torch.sqrt((v * v).sum()) for g, v in zip(length.flatten(), direction)])


def causal_block(block: CausalBlock, x: Tensor, dilation: int) -> Tensor:
    h = x
    for module in block.convolutions:
        h = convolution(normed_weight(module), module.bias, h, (-dilation, 0)).clamp(min=0)
    return (x + h).clamp(min=0)


def fuse(module: GatedAudio, visual: Tensor, audio: Tensor) -> Tensor:
    """[n, d], [n, d_a] -> f [n, d]."""
    sound = plain.linear(module.align, audio)
    for block, dilation in zip(module.blocks, (1, 2, 4)):
        sound = causal_block(block, sound, dilation)
    rows = []
    for v, a in zip(visual, sound):
        both = torch.cat([v, a])
        hidden = plain.linear(module.update[0], both)
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        rows.append(v + torch.sigmoid(plain.linear(module.gate, both)) * plain.linear(module.update[2], hidden))
    return torch.stack(rows)


def mean_and_variance(student: Student, v: Tensor) -> tuple[Tensor, Tensor]:
    """mu and theta [n, d] of the student's v."""
    mean = v
    for module in student.mean:
        mean = mean + convolution(module.weight, module.bias, mean, (-1, 0, 1)).clamp(min=0)
    hidden = plain.linear(student.variance_in, v).clamp(min=0)
    hidden = convolution(student.variance.weight, student.variance.bias, hidden, (-1, 0, 1))
    return mean, -(v + plain.linear(student.variance_out, hidden).clamp(min=0))


def focal(alignment: Tensor, lengths: list[int], labels: Tensor, alpha: list[float]) -> Tensor:
    total = torch.zeros(())
    for b, n in enumerate(lengths):
        probabilities = objectives.class_probabilities(alignment, b, n, "class")
        share = [float(y) / float(labels[b].sum()) for y in labels[b]]
        right = sum((s * p for s, p in zip(share, probabilities)), torch.zeros(()))
        log = sum((s * torch.log(p) for s, p in zip(share, probabilities)), torch.zeros(()))
        total = total - sum(s * a for s, a in zip(share, alpha)) * (1 - right) ** 2 * log
    return total / len(lengths)


def total(logits: Tensor, alignment: Tensor, text: Tensor, lengths: list[int], labels: Tensor, weight: float) -> Tensor:
    """MIL-BCE + (class CE + focal) / 2 + weight * mean |cos(t_0, t_c)|, alpha 0.25."""
    classes = objectives.fine(alignment, lengths, labels, "cross_entropy", "class")
    both = classes + focal(alignment, lengths, labels, [0.25] * labels.shape[1])
    return vadclip.loss(logits, alignment, text, lengths, labels, weight) - classes + both / 2


def distillation(mean: list[Tensor], target: list[Tensor], theta: list[Tensor]) -> Tensor:
    """Over all features of all valid segments of all videos."""
    values = []
    for one, wanted, unsure in zip(mean, target, theta):
        for m, f, s in zip(one.flatten(), wanted.flatten(), unsure.flatten()):
            values.append((f - m) ** 2 / (1e-6 + 2 * torch.exp(s)) + s)
    return torch.stack(values).mean()
