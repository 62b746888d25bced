"""Checkpoints of the ranking model as PyTorch codes name its layers; the original is Keras's and not readable here."""

from __future__ import annotations

from mmvad.models.peers.public_weights import Part, Sources, chain
from mmvad.models.peers.sultani.network import Sultani


def sources(model: Sultani) -> Sources:
    del model
    return chain("layers", {0: "fc1", 3: "fc2", 5: "fc3"})


PUBLIC = {"weights": Part(sources)}
