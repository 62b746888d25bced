"""Weights that a method's public code wrote: which of its tensors is which of ours.

A method whose public code names its parameters has a `public_weights.py` beside its network, with `PUBLIC`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from mmvad.errors import UserError, nearest_name
from mmvad.models import peers
from mmvad.models.model import Model
from mmvad.models.peers.registry import PEERS

State = Mapping[str, Tensor]
"""A checkpoint: tensors by their public names."""
SHOWN = 4
"""How many names a message lists."""


@dataclass(frozen=True)
class Source:
    """Where one of our tensors stands in a public checkpoint, and what is done with it.

    Attributes:
        names: of the public tensors; several are joined along their first axis.
        change: of what was joined. Its result is reshaped: 1x1 convolutions are linear layers here.
    """

    names: tuple[str, ...]
    change: Callable[[Tensor], Tensor] = torch.clone

    def of(self, state: State) -> Tensor:
        """Our tensor, in the public shape. Raises KeyError for a name that the checkpoint lacks."""
        found = [state[name] for name in self.names]
        return self.change(torch.cat(found) if len(found) > 1 else found[0])


Sources = dict[str, Source]
"""By the names of our tensors."""


@dataclass(frozen=True)
class Part:
    """One of a method's public checkpoints.

    Attributes:
        sources: of a model of ours, where its tensors stand in the checkpoint.
        idle: regular expressions of tensors that the public code declares and never uses, or that are CLIP's.
        scored: of a model of ours, whether its scores need the checkpoint; else it may be left out.
    """

    sources: Callable[[Any], Sources]
    idle: tuple[str, ...] = ()
    scored: Callable[[Any], bool] = lambda model: True


PublicWeights = Mapping[str, Part]
"""A method's checkpoints by name, its main one first."""


def public_weights(method: str) -> PublicWeights:
    """The public checkpoints of a method, by its `model.name`. Raises UserError where none are known."""
    if method not in importable():
        raise UserError(
            "METHOD",
            f"{method!r} has no public weights that could be imported",
            expected=f"one of {', '.join(importable())}",
            nearest=nearest_name(method, importable()),
        )
    return import_module(f"{peers.__name__}.{method}.public_weights").PUBLIC


def importable() -> list[str]:
    """The methods whose public code names its parameters."""
    return [name for name in PEERS if find_spec(f"{peers.__name__}.{name}.public_weights")]


def imported(
    model: Model[Any],
    public: PublicWeights,
    states: Mapping[str, State],
    files: Mapping[str, object] = MappingProxyType({}),
) -> dict[str, Tensor]:
    """Our tensors out of public checkpoints, by their names, in our shapes and types.

    Args:
        states: the checkpoints that there are, by the names of `public`.
        files: where they are from, for messages.

    Raises UserError that names a checkpoint, or tensors, that are missing, extra or of another shape.
    """
    own = {name: tensor for name, tensor in model.state_dict().items() if ".tower." not in name}
    unscored = {ours for name, part in public.items() if name not in states for ours in part.sources(model)}
    absent = [name for name, part in public.items() if name not in states and part.scored(model)]
    if absent:
        raise UserError(absent[0], "this checkpoint is not given", fix=f"add {absent[0]}=FILE")
    found: dict[str, Tensor] = {}
    for name, state in states.items():
        where = files.get(name, name)
        taken = _taken(where, public[name], public[name].sources(model), state)
        shapes = {ours: _shape(ours, own[ours], tensor, model.fitted) for ours, tensor in taken.items()}
        wrong = [ours for ours, shape in shapes.items() if _wide(shape) != _wide(taken[ours].shape)]
        if wrong:
            raise _misshapen(where, wrong, taken[wrong[0]], shapes[wrong[0]])
        found |= {ours: tensor.reshape(shapes[ours]).to(own[ours].dtype) for ours, tensor in taken.items()}
    left = [name for name in own if name not in found and name not in unscored]
    if left:
        expected = "the features and settings that the weights were trained with"
        raise UserError("configuration", f"its network has {first_names(left)}, the public one not", expected=expected)
    return found


def _taken(where: object, part: Part, sources: Sources, state: State) -> dict[str, Tensor]:
    """Our tensors out of one checkpoint, in the public shapes. Raises UserError for missing and extra ones."""
    wanted = {public for source in sources.values() for public in source.names}
    missing = sorted(wanted - state.keys())
    extra = [public for public in state if public not in wanted and not any(re.fullmatch(p, public) for p in part.idle)]
    if missing or extra:
        raise _misnamed(where, missing, extra)
    return {ours: source.of(state) for ours, source in sources.items()}


def _shape(name: str, own: Tensor, tensor: Tensor, fitted: Sequence[str]) -> torch.Size:
    """Our shape; of what was fitted to the data they decided its length."""
    return torch.Size((len(tensor), *own.shape[1:])) if name in fitted and tensor.dim() else own.shape


def _wide(shape: torch.Size) -> list[int]:
    """A shape without the ones in it, by which convolutions and linear layers differ."""
    return [size for size in shape if size != 1]


def _misnamed(where: object, missing: Sequence[str], extra: Sequence[str]) -> UserError:
    said = [f"lacks {first_names(missing)}"] if missing else []
    said += [f"has {first_names(extra)}, which the public code does not name"] if extra else []
    return UserError(
        where,
        " and ".join(said),
        expected="the state dict of the method's public code, with the layers that the configuration has",
        fix="give the checkpoint of this method, and the settings that it was trained with (--peers.METHOD.layers=N)",
    )


def _misshapen(where: object, wrong: Sequence[str], tensor: Tensor, shape: torch.Size) -> UserError:
    return UserError(
        where,
        f"{first_names(wrong)}: of shape {[*tensor.shape]}",
        expected=f"{[*shape]}, as features, classes and settings of this configuration have it",
        fix="take a bank of the features that the weights were trained on, and their settings",
    )


def first_names(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def renamed(ours: str, theirs: str, *, change: Callable[[Tensor], Tensor] = torch.clone, bias: bool = True) -> Sources:
    """A layer's weight and bias under another name."""
    ends = ("weight", "bias") if bias else ("weight",)
    return {f"{ours}.{end}": Source((f"{theirs}.{end}",), change if end == "weight" else torch.clone) for end in ends}


def batch_norm(ours: str, theirs: str) -> Sources:
    """A batch normalisation's gain, bias and running statistics under another name."""
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    return renamed(ours, theirs) | {f"{ours}.{name}": Source((f"{theirs}.{name}",)) for name in statistics}


def graph_branch(ours: str, first: str, second: str) -> Sources:
    """Two graph convolutions; public weights are [in, out]."""
    return {
        **renamed(f"{ours}.layers.0.weight", first, change=torch.t, bias=False),
        **renamed(f"{ours}.layers.0.residual", f"{first}.residual"),
        **renamed(f"{ours}.layers.1.weight", second, change=torch.t, bias=False),
    }


def multi_scale(ours: str, theirs: str, *, groups: bool = False) -> Sources:
    """The multi-scale temporal network of RTFM, or with `groups` that of S3R, which calls parts otherwise."""
    norm, place = (renamed, 1) if groups else (batch_norm, 2)
    inner = {"theta": "query", "phi": "key", "g": "value", "output": "alter.0"} if groups else {"output": "W.0"}
    found: Sources = {}
    for i in range(3):
        found |= renamed(f"{ours}.scales.{i}.conv", f"{theirs}.conv_{i + 1}.0")
        found |= norm(f"{ours}.scales.{i}.norm.norm", f"{theirs}.conv_{i + 1}.{place}")
    found |= renamed(f"{ours}.narrow", f"{theirs}.conv_4.0", bias=False)
    for name in ("theta", "phi", "g", "output"):
        found |= renamed(f"{ours}.non_local.{name}", f"{theirs}.non_local.{inner.get(name, name)}")
    found |= batch_norm(f"{ours}.non_local.norm.norm", f"{theirs}.non_local.{'alter' if groups else 'W'}.1")
    found |= renamed(f"{ours}.join.conv", f"{theirs}.conv_5.0", bias=False)
    return found | norm(f"{ours}.join.norm.norm", f"{theirs}.conv_5.{place}")


def chain(ours: str, theirs: Mapping[int, str]) -> Sources:
    """Layers of an `nn.Sequential`, by their place in ours."""
    return {key: source for place, name in theirs.items() for key, source in renamed(f"{ours}.{place}", name).items()}
