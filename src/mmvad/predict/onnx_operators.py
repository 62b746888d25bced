"""Operators of the networks that torch's exporter or onnxruntime does not have, in those of ONNX that they do have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch


def stable_sort(x: Any, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
    """torch.sort(stable=True) as TopK of all: of equals ONNX has the one that stands first first."""
    op = _operators()
    count = op.Reshape(op.Gather(op.Shape(x), dim, axis=0), op.Constant(value_ints=[1]))
    return op.TopK(x, count, axis=dim, largest=descending, sorted=True)


def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x): onnxruntime's own is a rational function, whose error disorders scores near 1."""
    op = _operators()
    return op.Reciprocal(op.Add(op.Exp(op.Neg(x)), op.CastLike(op.Constant(value_float=1.0), x)))


def sinh(x: Any) -> Any:
    """(e^x - e^-x) / 2, of which onnxruntime has no kernel of its own."""
    op = _operators()
    return op.Mul(op.Sub(op.Exp(x), op.Exp(op.Neg(x))), op.CastLike(op.Constant(value_float=0.5), x))


def attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(q k^T / sqrt(d) + mask) v, also without a dimension of heads, which torch's translation asks for."""
    if dropout_p or is_causal or enable_gqa:
        raise NotImplementedError("attention with dropout, is_causal or enable_gqa")
    op, rank = _operators(), len(query.shape)
    across = op.Transpose(key, perm=[*range(rank - 2), rank - 1, rank - 2])
    scores = op.MatMul(op.Mul(query, scale or int(query.shape[-1]) ** -0.5), across)
    if attn_mask is not None:
        is_bool = str(attn_mask.dtype).endswith("BOOL")
        scores = op.Where(attn_mask, scores, float("-inf")) if is_bool else op.Add(scores, attn_mask)
    return op.MatMul(op.Softmax(scores, axis=-1), value)


def _operators() -> Any:
    from onnxscript import opset20

    return opset20


OPERATORS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.aten.sort.stable: stable_sort,
    torch.ops.aten.sigmoid.default: sigmoid,
    torch.ops.aten.sinh.default: sinh,
    torch.ops.aten.scaled_dot_product_attention.default: attention,
}
"""For `torch.onnx.export(custom_translation_table=...)`."""
