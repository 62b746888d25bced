"""HyperVD's public checkpoint: the names of its code."""

from __future__ import annotations

from mmvad.models.peers.hyper_vd.network import HyperVd
from mmvad.models.peers.public_weights import Part, Source, Sources, chain, renamed


def sources(model: HyperVd) -> Sources:
    del model
    found: Sources = {"classify.centre": Source(("HyperCLS.cls",)), "classify.bias": Source(("HyperCLS.bias",))}
    for ours, theirs in {"similarity": "HFSGCN", "distance": "HTRGCN"}.items():
        layer = f"{theirs}.encoder.layers.0.linear"
        found |= renamed(f"{ours}.linear.linear", f"{layer}.weight")
        found[f"{ours}.linear.log_scale"] = Source((f"{layer}.scale",))
    return found | chain("narrow", {0: "conv1d1", 3: "conv1d2"})


PUBLIC = {"weights": Part(sources, idle=(r"disAdj\.sigma", r"(.*\.)?manifold\.k", r".*\.c"))}
