"""W-TALC's public checkpoints: the names of its code, which declares a second hidden layer that it never uses."""

from __future__ import annotations

from mmvad.models.peers.public_weights import Part, Sources, renamed
from mmvad.models.peers.w_talc.network import WTalc


def sources(model: WTalc) -> Sources:
    return renamed("hidden.0", "fc") | renamed("classify", "classifier")


PUBLIC = {"weights": Part(sources, (r"fc1\..*",))}
