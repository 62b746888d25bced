"""CLIP-TSA's public checkpoints: the names of its code. Narrowing layers are used for wide features alone."""

from __future__ import annotations

from torch import nn

from mmvad.models.peers.clip_tsa.network import ClipTsa
from mmvad.models.peers.public_weights import Part, Sources, chain, multi_scale


def sources(model: ClipTsa) -> Sources:
    wide = {} if isinstance(model.narrow, nn.Identity) else chain("narrow", {0: "mlp.fc1", 2: "mlp.fc2"})
    return {
        **wide,
        **chain("gate.score", {0: "hard_attention.scorer.fc1", 2: "hard_attention.scorer.fc2"}),
        **multi_scale("temporal", "Aggregate"),
        **chain("head", {0: "fc1", 3: "fc2", 6: "fc3"}),
    }


PUBLIC = {"weights": Part(sources, idle=(r"mlp\..*",))}
