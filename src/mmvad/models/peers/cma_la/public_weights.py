"""CMA-LA's public checkpoint: the names of its code."""

from __future__ import annotations

from mmvad.models.peers.cma_la.network import CmaLa
from mmvad.models.peers.public_weights import Part, Source, Sources, chain, renamed


def sources(model: CmaLa) -> Sources:
    del model
    block = "cross_attention"
    found: Sources = {
        "attention.distance_weight": Source(("dis_adj.w",)),
        "attention.distance_bias": Source(("dis_adj.bias",)),
    }
    for ours, theirs in {"query": "q", "key": "k", "value": "v", "output": "o"}.items():
        found |= renamed(f"attention.{ours}", f"{block}.cross_attention.{theirs}")
    return {
        **found,
        **renamed("norm", f"{block}.norm"),
        **chain("ffn", {0: f"{block}.ffn.0", 3: f"{block}.ffn.3"}),
        **renamed("causal", "classifier"),
    }


PUBLIC = {"weights": Part(sources)}
