"""Names of CLIP's weights: those of Hugging Face Transformers' `CLIPModel`, turned into open_clip's.

| Transformers | open_clip |
|---|---|
| `text_model.encoder.layers.0.self_attn.{q,k,v}_proj.weight`, three of [d, d] | `transformer.resblocks.0.attn.in_proj_weight` [3d, d] |
| `text_projection.weight` [512, d], a linear layer's | `text_projection` [d, 512], a matrix |
| `vision_model. ...`, `visual_projection.weight` | `visual. ...`, `visual.proj` |
"""  # noqa: E501

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

_TOWERS = {"text_model.": "", "vision_model.": "visual."}
_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)")
_IN_LAYER = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_OUTSIDE = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "embeddings.class_embedding": "class_embedding",
    "embeddings.patch_embedding.weight": "conv1.weight",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
    "pre_layrnorm.weight": "ln_pre.weight",  # so spelled there
    "pre_layrnorm.bias": "ln_pre.bias",
    "post_layernorm.weight": "ln_post.weight",
    "post_layernorm.bias": "ln_post.bias",
}
_PROJECTIONS = {"text_projection.weight": "text_projection", "visual_projection.weight": "visual.proj"}
_PARTS = ("q", "k", "v")
_ARCHITECTURES = {(768, 32): "ViT-B/32", (768, 16): "ViT-B/16", (1024, 14): "ViT-L/14", (1280, 14): "ViT-H/14"}


def in_open_clips_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state under open_clip's names; one that has none of Transformers' comes back as it is."""
    if not any(name.startswith(tuple(_TOWERS)) for name in state):
        return dict(state)
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        start = next((start for start in _TOWERS if name.startswith(start)), None)
        if name in _PROJECTIONS:
            found[_PROJECTIONS[name]] = tensor.T.contiguous()
        elif start is None:
            found[name] = tensor
        elif (inner := _inner(name.removeprefix(start))) is not None:
            found[_TOWERS[start] + inner] = tensor
    return _joined(found)


def architecture_of(state: Mapping[str, Tensor]) -> str | None:
    """Which CLIP a whole state in open_clip's names is of, by its image tower; None where that is not told."""
    if "visual.layer1.0.conv1.weight" in state:
        return "a ResNet"
    shape = state["visual.conv1.weight"].shape if "visual.conv1.weight" in state else ()
    return _ARCHITECTURES.get((shape[0], shape[-1])) if len(shape) == 4 else None


def _inner(name: str) -> str | None:
    """A name inside a tower; None for buffers, which open_clip has none of."""
    layer = _LAYER.fullmatch(name)
    if layer is None:
        return _OUTSIDE.get(name)
    part, _, kind = layer[2].rpartition(".")
    return f"transformer.resblocks.{layer[1]}.{_IN_LAYER.get(part, part)}.{kind}"


def _joined(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The three projections of each attention layer as one: [3d, d] and [3d]."""
    for name in [name for name in state if ".self_attn.q_proj." in name]:
        names = [name.replace(".q_proj.", f".{part}_proj.") for part in _PARTS]
        if all(part in state for part in names):
            start, kind = name.split("self_attn.q_proj.")
            state[f"{start}attn.in_proj_{kind}"] = torch.cat([state.pop(part) for part in names])
    return state
