"""C2FPL's public checkpoints: the names of its code. What was fitted before training is no part of them."""

from __future__ import annotations

from mmvad.models.peers.c2fpl.network import C2fpl
from mmvad.models.peers.public_weights import Part, Source, Sources, chain


def sources(model: C2fpl) -> Sources:
    return chain("layers", {0: "fc1", 3: "fc2", 6: "fc3"})


def labels(model: C2fpl) -> Sources:
    """What pseudo labels are made of, which scores need not."""
    return {name: Source((name,)) for name in ("videos", "abnormal", "normal")}


PUBLIC = {"weights": Part(sources, (r"fc_att\d\..*",)), "labels": Part(labels, scored=lambda model: False)}
