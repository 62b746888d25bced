"""What public code gave on seeded weights and inputs, and how far ours is from it.

The arrays lie in `real/peers` of the folder that MMVAD_FIELD_DATA names; its README.md says what each holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from mmvad.models.model import Batch, Model
from mmvad.models.peers.public_weights import Sources, State, imported, public_weights

WITHIN = 1e-5
"""Of the largest value of an array: single precision adds up in another order."""


class Reference:
    """The arrays of one file, by their names."""

    def __init__(self, file: Path) -> None:
        with np.load(file, allow_pickle=False) as arrays:
            self.arrays = {name: torch.from_numpy(arrays[name]) for name in arrays.files}

    def __getitem__(self, name: str) -> Tensor:
        return self.arrays[name]

    def under(self, prefix: str) -> dict[str, Tensor]:
        """All arrays below a prefix, without it."""
        return {n.removeprefix(f"{prefix}/"): a for n, a in self.arrays.items() if n.startswith(f"{prefix}/")}


class Compared:
    """The largest difference of each quantity, as a share of the public array's largest value."""

    def __init__(self, method: str, table: dict[tuple[str, str], float]) -> None:
        self.method, self.table = method, table

    def near(self, quantity: str, ours: Tensor, public: Tensor, within: float = WITHIN) -> None:
        assert ours.shape == public.shape, (quantity, ours.shape, public.shape)
        away = float((ours.detach() - public).abs().max() / public.abs().max().clamp(min=1e-30))
        key = self.method, "gradients" if quantity.startswith("gradient ") else quantity
        self.table[key] = max(away, self.table.get(key, 0.0))
        assert away <= within, f"{self.method}, {quantity}: {away:.1e} of the largest value"

    def scores(self, ours: Tensor, public: Tensor, mask: Tensor, quantity: str = "scores") -> None:
        """Of valid segments."""
        self.near(quantity, ours[mask], public.reshape(ours.shape)[mask])

    def losses(self, ours: Mapping[str, Tensor], public: Mapping[str, Tensor]) -> None:
        """Every public loss, which ours must have under the same name."""
        for name, value in public.items():
            self.near(f"loss {name}", ours[name], value)

    def gradients(
        self, model: Model[Any], sources: Sources, public: State, within: float = 5e-5, leave_out: str = "-"
    ) -> None:
        """Of all public tensors that gradients were kept of, each under its name in ours."""
        wanted = {name for name in public if not name.startswith(leave_out)}
        for name, source in sources.items():
            for i, theirs in enumerate(source.names):
                if theirs in wanted:
                    grad = model.get_parameter(name).grad
                    assert grad is not None
                    own = grad.chunk(len(source.names))[i] if len(source.names) > 1 else grad
                    # a single number's gradient is a sum over all segments that nearly cancels
                    room = within if own.numel() > 1 else 10 * within
                    self.near(f"gradient {theirs}", own, source.change(public[theirs]).reshape(own.shape), room)
                    wanted.remove(theirs)
        assert not wanted


def with_weights(method: str, model: Model[Any], states: Mapping[str, State]) -> Model[Any]:
    """The model with public weights, put there as `mmvad import-weights` does."""
    tensors = imported(model, public_weights(method), states)
    for name in model.fitted:
        model.get_buffer(name).resize_(tensors[name].shape)
    left = model.load_state_dict(tensors, strict=False)
    assert not left.unexpected_keys
    return model


def without_dropout(model: Model[Any]) -> Model[Any]:
    """The model as it is trained, but that nothing is dropped."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
        if isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    return model


def backward(model: Model[Any], loss: Tensor) -> None:
    model.zero_grad()
    loss.backward()


def videos(reference: Reference, tag: str, labels: Tensor) -> Batch:
    """The batch of a tag, `own` of several lengths or `equal`. labels [B, C]."""
    visual, lengths = reference[f"{tag}/in/visual"], reference[f"{tag}/in/lengths"]
    mask = torch.arange(visual.shape[1]) < lengths[:, None]
    audio = reference.arrays.get(f"{tag}/in/audio")
    has_audio = None if audio is None else torch.ones(len(visual), dtype=torch.bool)
    return Batch(visual, audio, has_audio, mask, labels)


def crops_together(x: Tensor, first_normal: bool = True) -> Batch:
    """Videos of x [V, crops, L, d], one half normal and one abnormal, as rows."""
    count, crops, length, _ = x.shape
    abnormal = (torch.arange(count) >= count // 2) == first_normal
    labels = torch.stack([~abnormal, abnormal], dim=1).float().repeat_interleave(crops, dim=0)
    return Batch(x.flatten(0, 1), None, None, torch.ones(count * crops, length, dtype=torch.bool), labels, crops)


def whole_videos(reference: Reference) -> tuple[Batch, dict[str, int]]:
    """The videos of the test, padded together, and their lengths by their number."""
    names = sorted(name for name in reference.arrays if name.startswith("eval/x"))
    found = [x if x.dim() == 3 else x.unsqueeze(0) for x in map(reference.__getitem__, names)]
    lengths, crops = [x.shape[1] for x in found], len(found[0])
    padded = torch.zeros(len(found) * crops, max(lengths), found[0].shape[-1])
    for i, x in enumerate(found):
        padded[i * crops : (i + 1) * crops, : lengths[i]] = x
    rows = torch.tensor(lengths).repeat_interleave(crops)
    mask = torch.arange(max(lengths)) < rows[:, None]
    return Batch(padded, None, None, mask, torch.eye(2)[torch.ones(len(padded), dtype=torch.long)], crops), {
        name.removeprefix("eval/x"): n for name, n in zip(names, lengths, strict=True)
    }


def compare_whole_videos(compared: Compared, model: Model[Any], reference: Reference, name: str = "scores") -> None:
    """Scores at test, of whole videos of several lengths in one batch."""
    batch, lengths = whole_videos(reference)
    with torch.no_grad():
        scores = model.eval().scores(model(batch)).coarse
    assert scores is not None
    for row, (i, length) in zip(scores, lengths.items(), strict=True):
        compared.near("scores of whole videos", row[:length], reference[f"eval/{name}{i}"])


@contextmanager
def drawn(function: str, values: Tensor) -> Iterator[None]:
    """torch's function of chance gives these values."""
    with patch.object(torch, function, lambda *args, **kwargs: values):
        yield
