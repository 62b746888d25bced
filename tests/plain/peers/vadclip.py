"""VadCLIP in its plainest form: one video, its valid segments only. Weights are the module's, their use is not."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmvad.models.peers.vadclip.network import ClassTexts, TwoBranches, VadCLIP, VisualEncoder
from tests.plain import network as plain
from tests.plain import objectives
from tests.plain.peers import graphs


def softmax_distance(n: int) -> Tensor:
    rows = [[math.exp(-abs(i - j)) for j in range(n)] for i in range(n)]
    return torch.tensor([[value / sum(row) for value in row] for row in rows])


def visual_encoder(module: VisualEncoder, x: Tensor, window: int, distance: str = "kernel") -> Tensor:
    """Steps 1 and 2: [n, d] -> [n, d]."""
    x = x + module.positions[: len(x)]
    for layer in module.layers:
        x = plain.windowed_attention(layer, x, window)
    near = plain.distance_graph(len(x)) if distance == "kernel" else softmax_distance(len(x))
    alike = graphs.lineage_similarity(x)
    both = [
        graphs.graph_branch(branch, x, adjacency, plain.quick_gelu)
        for branch, adjacency in ((module.similarity, alike), (module.distance, near))
    ]
    return plain.linear(module.output, torch.cat(both, dim=-1))


def class_texts(module: ClassTexts, prompts: list[str], half: int) -> Tensor:
    """Step 4: the learned vector at a place of the sentence is the table's row of that number: [C, d]."""
    rows = []
    for name in prompts:
        _, places = plain.full_sentence(name, half)
        learned = [place for place, vector in enumerate(places) if vector is not None]
        rows.append(plain.encode_sentence(module.encoder.tower, name, module.rows[learned], None))
    return torch.stack(rows)


def branches(module: TwoBranches, v: Tensor, text: Tensor, weighting: str) -> tuple[Tensor, Tensor]:
    """Steps 3, 5 and 6: v [n, d], t [C, d] -> logits [n], M [n, C]."""
    logits = plain.linear(module.classifier, v + plain.ffn(module.ffn, v))[:, 0]
    w = plain.weighted_vector(v, logits, weighting)
    rows = []
    for t in text:
        prompted = t + w
        rows.append(prompted + plain.ffn(module.prompt_ffn, prompted))
    return logits, plain.unit(v) @ plain.unit(torch.stack(rows)).T / 0.07


def forward(model: VadCLIP, x: Tensor, prompts: list[str], half: int, window: int, distance: str, weighting: str):
    """One video's logits [n], M [n, C] and the texts [C, d]."""
    v = visual_encoder(model.visual, x, window, distance)
    text = class_texts(model.branches.texts, prompts, half)
    return (*branches(model.branches, v, text, weighting), text)


def loss(logits: Tensor, alignment: Tensor, text: Tensor, lengths: list[int], labels: Tensor, weight: float) -> Tensor:
    """MIL-BCE + class CE + weight * mean |cos(t_0, t_c)|."""
    abnormal = [bool(row[1:].any()) for row in labels]
    coarse = objectives.coarse(torch.sigmoid(logits), lengths, abnormal)
    fine = objectives.fine(alignment, lengths, labels, "cross_entropy", "class")
    return coarse + fine + weight * objectives.embed(text[None], "abs", "mean")
