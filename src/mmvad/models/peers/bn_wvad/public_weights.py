"""BN-WVAD's public checkpoints: the names of its code."""

from __future__ import annotations

from mmvad.models.peers.bn_wvad.network import BnWvad
from mmvad.models.peers.public_weights import Part, Sources, batch_norm, renamed
from mmvad.models.peers.ur_dmu.public_weights import block


def sources(model: BnWvad) -> Sources:
    found = renamed("embed", "embedding.conv_1.0")
    for i in range(len(model.blocks)):
        found |= block(f"blocks.{i}", f"selfatt.layers.{i}")
    for i in range(len(model.layers)):
        found |= renamed(f"layers.{i}", f"normal_head.conv{i + 1}")
        found |= batch_norm(f"norms.{i}.norm", f"normal_head.bn{i + 1}")
    return found | renamed("output", "normal_head.conv3")


PUBLIC = {"weights": Part(sources)}
