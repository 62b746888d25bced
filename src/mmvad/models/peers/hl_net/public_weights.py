"""HL-Net's public checkpoints: the names of its code."""

from __future__ import annotations

from mmvad.models.peers.hl_net.network import HlNet
from mmvad.models.peers.public_weights import Part, Sources, chain, graph_branch, renamed


def sources(model: HlNet) -> Sources:
    del model
    return {
        **chain("trunk.fuse", {0: "conv1d1", 3: "conv1d2"}),
        **chain("trunk.online.narrow", {0: "approximator.0", 2: "approximator.2"}),
        **renamed("trunk.online.causal", "conv1d_approximator"),
        **graph_branch("trunk.similarity", "gc1", "gc2"),
        **graph_branch("trunk.distance", "gc3", "gc4"),
        **graph_branch("trunk.score", "gc5", "gc6"),
        **renamed("head", "classifier"),
    }


PUBLIC = {"weights": Part(sources, idle=(r"conv1d[34]\..*", r"simAdj\..*", r"disAdj\..*"))}
