"""S3R's public checkpoints: the names of its code, and its dictionary, which lies in a file of its own."""

from __future__ import annotations

from mmvad.models.peers.public_weights import Part, Source, Sources, chain, multi_scale, renamed
from mmvad.models.peers.s3r.network import S3r


def sources(model: S3r) -> Sources:
    del model
    module = "en_normal.en_normal_module"
    layers = (0, 3, 6)
    return {
        **renamed("rebuild.query", f"{module}.query_embedding"),
        **renamed("rebuild.key", f"{module}.cache_embedding"),
        **renamed("rebuild.value", f"{module}.value_embedding"),
        **multi_scale("video", "video_embedding.0", groups=True),
        **multi_scale("normal", "macro_embedding.0", groups=True),
        **chain("gate", {i: f"de_normal.channel_attention.channel_gate.mlp.{i + 1}" for i in (0, 2)}),
        **chain("head", {i: f"video_classifier.{i}" for i in layers}),
        **chain("rest", {i: f"macro_classifier.mlp.{i}" for i in layers}),
    }


def dictionary(model: S3r) -> Sources:
    del model
    return {"dictionary": Source(("dictionary",))}


PUBLIC = {
    "weights": Part(sources, idle=(r"(video|macro)_projection\..*",)),
    "dictionary": Part(dictionary),
}
