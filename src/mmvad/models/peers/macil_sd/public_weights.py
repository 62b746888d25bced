"""MACIL-SD's public checkpoints: the names of its code. The network on the picture alone is trained, never scored."""

from __future__ import annotations

from functools import partial

from mmvad.models.peers.macil_sd.network import MacilSd
from mmvad.models.peers.public_weights import Part, Source, Sources, renamed

IDLE = (r"multiheadattn\..*", r"feedforward\..*", r"cma\.layer\.self_attn\.layer_norm\..*")


def sources(model: MacilSd, *, network: str, inputs: dict[str, str], classifier: str) -> Sources:
    """The tensors of one network. The public attention has its four matrices apart."""
    del model
    layer, attention = "cma.layer", f"{network}.attend.attention"
    found: Sources = {}
    for ours, theirs in inputs.items():
        found |= renamed(f"{network}.{ours}", theirs)
    for end in ("weight", "bias"):
        joined = tuple(f"{layer}.self_attn.linears.{i}.{end}" for i in range(3))
        found[f"{attention}.in_proj_{end}"] = Source(joined)
    return {
        **found,
        **renamed(f"{attention}.out_proj", f"{layer}.self_attn.linears.3"),
        **renamed(f"{network}.attend.norm_query", f"{layer}.sublayer.0.norm"),
        **renamed(f"{network}.attend.norm_ffn", f"{layer}.sublayer.1.norm"),
        **renamed(f"{network}.attend.ffn.0", f"{layer}.feed_forward.w_1"),
        **renamed(f"{network}.attend.ffn.3", f"{layer}.feed_forward.w_2"),
        **renamed(f"{network}.classify", classifier),
    }


PUBLIC = {
    "both": Part(
        partial(sources, network="both", inputs={"visual": "fc_v", "audio": "fc_a"}, classifier="att_mmil.fc"), IDLE
    ),
    "alone": Part(
        partial(sources, network="alone", inputs={"visual": "fc_v"}, classifier="fc"), IDLE, scored=lambda model: False
    ),
}
