"""WSAL's public checkpoints: the names of its code."""

from __future__ import annotations

from mmvad.models.peers.public_weights import Part, Sources, chain, renamed
from mmvad.models.peers.wsal.network import Wsal


def sources(model: Wsal) -> Sources:
    heads = chain("semantic", {0: "fc1_1", 3: "fc1_2"}) | chain("dynamic", {0: "fc2_1", 3: "fc2_2"})
    return renamed("embed.0", "fc0") | renamed("context", "conv") | heads


PUBLIC = {"weights": Part(sources)}
