"""HL-Net (Wu et al. 2020): early audio-visual fusion, graphs of similarity, distance and score, and an online head.

The three graph branches see the whole video; the head sees the past alone, teaches the score graph and is taught by
what the branches find. Sound, where there is some, is joined to the picture's features.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.convolution import rows_along_time
from mmvad.models.layout import Layout, choose_layout, in_turn, side_by_side, spread
from mmvad.models.losses.pooling import top_mean
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.graphs import GraphBranch, graph_branches, lineage_similarity, score_graph
from mmvad.models.peers.hl_net.settings import HlNetSettings
from mmvad.models.setting import Setting
from mmvad.models.temporal import distance_kernel

WIDE, WIDTH, BRANCH = 512, 128, 32
PAST = 4
ONLINE_RATE = 0.5


class OnlineHead(nn.Module):
    """Logits from a segment and the four before it. Rows [R, 128] -> [R]."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow = nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.causal = nn.Conv1d(32, 1, PAST + 1)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        kernel, bias = self.causal.parameters()
        seen = partial(rows_along_time, kernel=kernel, bias=bias, layout=layout, causal=True)
        return in_float32(seen, self.narrow(x)).squeeze(-1)


class HlTrunk(nn.Module):
    """Fused input to the joined graph branches and the online logits; width is that of picture and sound together."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.fuse = nn.Sequential(
            nn.Linear(width, WIDE),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(WIDE, WIDTH),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.online = OnlineHead()
        self.similarity, self.distance, self.score = (GraphBranch(WIDTH, BRANCH, nn.ReLU(), dropout) for _ in range(3))

    def forward(self, batch: Batch, layout: Layout) -> tuple[Tensor, Tensor]:
        """Rows [R, 96], and z_on [R]. The similarity graph is that of the raw input."""
        x = side_by_side(layout, batch.visual, batch.audio)
        hidden = in_turn(self.fuse, x, layout)
        online, grids = self.online(hidden, layout), layout.windows(0)
        graphs = [
            [lineage_similarity(part, grid.mask) for grid, part in spread(x, grids)],
            [distance_kernel(grid.mask.shape[1], x.device) for grid in grids],
            [score_graph(part, grid.mask) for grid, part in spread(online.detach().float().sigmoid(), grids)],
        ]
        return graph_branches([self.similarity, self.distance, self.score], graphs, hidden, layout), online


class HlOutput(NamedTuple):
    """Logits of the graph branches and of the online head, both [B, L]."""

    offline: Tensor
    online: Tensor


class HlNet(Model[HlOutput]):
    """The network; `settings.score` says which of the two heads is reported."""

    one_graph = True

    def __init__(self, width: int, settings: HlNetSettings) -> None:
        super().__init__()
        self.settings = settings
        self.trunk, self.head = HlTrunk(width, settings.dropout), nn.Linear(3 * BRANCH, 1)
        self.apply(xavier_weights)

    def forward(self, batch: Batch) -> HlOutput:
        layout = choose_layout(batch.mask)
        joined, online = self.trunk(batch, layout)
        offline = in_float32(self.head, joined).squeeze(-1)
        return HlOutput(layout.padded(offline), layout.padded(online))

    def losses(self, output: HlOutput, batch: Batch) -> dict[str, Tensor]:
        losses = hl_losses(output, batch)
        return losses | {"total": hl_total(losses, self.settings)}

    def scores(self, output: HlOutput) -> Scores:
        return Scores(hl_scores(output, self.settings), None)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        return hl_parameter_groups(self, self.trunk, learning_rate)


def hl_losses(output: HlOutput, batch: Batch) -> dict[str, Tensor]:
    """bce(sigmoid(TK(z)), y) of both heads, and `distillation`, mean_B mean_t(-sg(s_off) log s_on), unweighted.

    The last one is the positive half of a cross-entropy only, as in the public code.
    """
    offline, online = output.offline.float(), output.online.float()
    truth = batch.abnormal.float()
    taught = -(offline.detach().sigmoid() * F.logsigmoid(online)).masked_fill(~batch.mask, 0)
    return {
        "offline": F.binary_cross_entropy_with_logits(top_mean(offline, batch.mask), truth),
        "online": F.binary_cross_entropy_with_logits(top_mean(online, batch.mask), truth),
        "distillation": (taught.sum(dim=1) / batch.mask.sum(dim=1)).mean(),
    }


def hl_total(losses: dict[str, Tensor], settings: HlNetSettings) -> Tensor:
    """The losses of `hl_losses`, weighted (5 on the distillation, as published) and added."""
    return losses["offline"] + losses["online"] + settings.distillation_weight * losses["distillation"]


def hl_scores(output: HlOutput, settings: HlNetSettings) -> Tensor:
    """[B, L] in 0..1, of the head that `settings.score` names."""
    return (output.online if settings.score == "online" else output.offline).float().sigmoid()


def hl_parameter_groups(model: nn.Module, trunk: HlTrunk, learning_rate: float) -> list[dict[str, Any]]:
    """All of the model at the given rate, the trunk's online head at half of it."""
    slow = list(trunk.online.parameters())
    taken = {id(p) for p in slow}
    fast = [p for p in model.parameters() if id(p) not in taken]
    return [{"params": fast, "lr": learning_rate}, {"params": slow, "lr": ONLINE_RATE * learning_rate}]


def xavier_weights(module: nn.Module) -> None:
    """Xavier uniform weights for linear layers, convolutions and graph convolutions; biases as torch draws them."""
    if isinstance(module, nn.Linear | nn.Conv1d):
        nn.init.xavier_uniform_(module.weight)


def build(setting: Setting, settings: HlNetSettings) -> HlNet:
    """HL-Net on the picture, or on picture and sound."""
    return HlNet(setting.visual_width + (setting.audio_width or 0), settings)
