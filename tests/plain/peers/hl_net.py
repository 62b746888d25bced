"""HL-Net in its plainest form: one video's n valid segments, loops over time; weights from the module under test."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmvad.models.peers.hl_net.network import HlNet, HlTrunk
from tests.plain.network import distance_graph, linear
from tests.plain.objectives import top_k_mean
from tests.plain.peers import graphs


def trunk(net: HlTrunk, x: Tensor) -> tuple[Tensor, Tensor]:
    """Picture and sound side by side [n, d] -> joined branches [n, 96] and online logits [n]."""
    hidden = torch.relu(linear(net.fuse[3], torch.relu(linear(net.fuse[0], x))))
    online = online_logits(net, hidden)
    joined = [
        graphs.graph_branch(net.similarity, hidden, graphs.lineage_similarity(x), torch.relu),
        graphs.graph_branch(net.distance, hidden, distance_graph(len(x)), torch.relu),
        graphs.graph_branch(net.score, hidden, graphs.score_graph(sigmoid(online)), torch.relu),
    ]
    return torch.cat(joined, dim=-1), online


def online_logits(net: HlTrunk, hidden: Tensor) -> Tensor:
    """Segment t from rows t - 4 to t; before the video there is nothing."""
    narrow = torch.relu(linear(net.online.narrow[2], torch.relu(linear(net.online.narrow[0], hidden))))
    kernel, bias = net.online.causal.weight[0], net.online.causal.bias[0]
    logits = []
    for t in range(len(narrow)):
        value = bias
        for tap in range(5):
            if t - 4 + tap >= 0:
                value = value + kernel[:, tap] @ narrow[t - 4 + tap]
        logits.append(value)
    return torch.stack(logits)


def forward(net: HlNet, x: Tensor) -> tuple[Tensor, Tensor]:
    """Offline and online logits of one video."""
    joined, online = trunk(net.trunk, x)
    return linear(net.head, joined).squeeze(-1), online


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def losses(videos: Sequence[tuple[Tensor, Tensor]], abnormal: Sequence[bool]) -> dict[str, Tensor]:
    """From every video's offline and online logits."""
    found = {name: torch.zeros(()) for name in ("offline", "online", "distillation")}
    for (offline, online), y in zip(videos, abnormal):
        for name, logits in (("offline", offline), ("online", online)):
            p = sigmoid(top_k_mean(list(logits)))
            found[name] = found[name] - (torch.log(p) if y else torch.log(1 - p)) / len(videos)
        taught = sum((-s.detach() * torch.log(o) for s, o in zip(sigmoid(offline), sigmoid(online))), torch.zeros(()))
        found["distillation"] = found["distillation"] + taught / len(offline) / len(videos)
    found["total"] = found["offline"] + found["online"] + 5 * found["distillation"]
    return found
