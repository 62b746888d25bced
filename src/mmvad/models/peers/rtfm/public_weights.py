"""RTFM's public checkpoints: the names of its code."""

from __future__ import annotations

from mmvad.models.peers.public_weights import Part, Sources, chain, multi_scale
from mmvad.models.peers.rtfm.network import Rtfm


def sources(model: Rtfm) -> Sources:
    del model
    return multi_scale("temporal", "Aggregate") | chain("head", {0: "fc1", 3: "fc2", 6: "fc3"})


PUBLIC = {"weights": Part(sources)}
