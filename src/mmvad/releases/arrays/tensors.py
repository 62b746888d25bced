"""PyTorch's files (.pt, .pth), read with `weights_only`, and .safetensors. PyTorch is loaded only where one is met."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mmvad.errors import UserError
from mmvad.releases.arrays.npy import BROKEN
from mmvad.releases.arrays.stored import Stored

_SAFE = {"F16": "float16", "F32": "float32", "F64": "float64", "BF16": "float32"}
_AS_TENSOR = "where you trust it, save the tensor alone: torch.save(torch.as_tensor(features), FILE)"


def pt_arrays(path: Path) -> dict[str, Stored]:
    """The tensors of a file of torch.save, by name: "" for one alone, keys joined by dots in a mapping or a list.

    The file is read whole: its header says nothing of shapes. Raises UserError, saying what the file is, for what
    holds anything else; that is never unpickled.
    """
    return {name: _stored(tensor) for name, tensor in _tensors(path).items()}


def load_pt(path: Path, name: str) -> np.ndarray:
    """A tensor of a file of torch.save. Raises UserError as `pt_arrays` does."""
    import torch

    tensor = _tensors(path)[name].detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def safetensors_arrays(path: Path) -> dict[str, Stored]:
    """The tensors of a .safetensors file, by name; its header alone is read. Raises UserError for a damaged file."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
    safe_open = _library(path)
    try:
        with safe_open(path, framework="numpy") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118 - it is no mapping
            found = {
                name: Stored(tuple(part.get_shape()), _SAFE.get(part.get_dtype(), part.get_dtype()))
                for name, part in slices.items()
            }
    except Exception as error:  # the library has an exception of its own, and none that stands in its interface
        expected = "a whole file written by safetensors"
        problem = f"no .safetensors file, or a damaged one ({error}; its header would have {size} bytes)"
        raise UserError(path, problem, expected=expected) from error
    if not found:
        raise UserError(path, "holds no tensor", expected="one tensor of features")
    return found


def load_safetensors(path: Path, name: str) -> np.ndarray:
    """A tensor of a .safetensors file; bfloat16 as float32."""
    safe_open = _library(path)
    with safe_open(path, framework="numpy") as tensors:
        if tensors.get_slice(name).get_dtype() != "BF16":
            return tensors.get_tensor(name)
    with safe_open(path, framework="pt") as tensors:
        return tensors.get_tensor(name).float().numpy()


def _library(path: Path) -> Any:
    try:
        from safetensors import safe_open
    except ImportError:
        raise UserError(path, "safetensors is not installed", fix="pip install safetensors") from None
    return safe_open


def _tensors(path: Path) -> dict[str, Any]:
    """Every tensor of the file, by name. Raises UserError for a file of anything else."""
    import torch

    _refuse_archives(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of an old file's pickle protocol
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # of many kinds: a pickle's, a zip archive's, PyTorch's own
        raise _unread(path, error) from error
    found = dict(_flattened("", content))
    other = [name for name, value in found.items() if not isinstance(value, torch.Tensor)]
    tensors = {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        kind = type(content).__name__ if not other else type(found[other[0]]).__name__
        raise UserError(path, f"holds no tensor but {kind}", expected="a tensor of features", fix=_AS_TENSOR)
    return tensors


def _refuse_archives(path: Path) -> None:
    """Raises UserError for zip archives that are not torch.save's."""
    with suppress(*BROKEN), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(name.endswith(".npy") for name in names):
            raise UserError(path, "no .pt file but NumPy's .npz", expected="tensors", fix="give it the suffix .npz")
        if any(name.endswith("constants.pkl") for name in names):
            problem = "a TorchScript program, which is never run"
            raise UserError(path, problem, expected="a tensor of features", fix=_AS_TENSOR)


def _flattened(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        parts: Sequence[tuple[Any, Any]] = list(value.items())
    elif isinstance(value, list | tuple):
        parts = list(enumerate(value))
    else:
        yield name, value
        return
    for key, part in parts:
        yield from _flattened(f"{name}.{key}" if name else str(key), part)


def _stored(tensor: Any) -> Stored:
    import torch

    dtype = str(tensor.dtype).removeprefix("torch.")
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    problem = "" if plain else f"a tensor that is not plain ({tensor.layout}, {dtype}, on {tensor.device.type})"
    return Stored(tuple(tensor.shape), "float32" if dtype == "bfloat16" else dtype, problem)


def _unread(path: Path, error: Exception) -> UserError:
    text = str(error)
    if "Unsupported global" in text or "Unsupported operand" in text or "Unsupported class" in text:
        what = text.partition("GLOBAL ")[2].split(" ")[0] or "other objects"
        problem = f"holds more than tensors ({what}), and pickled objects are never loaded"
        return UserError(path, problem, expected="tensors alone", fix=_AS_TENSOR)
    reason = json.dumps(text.splitlines()[0][:80]) if text else type(error).__name__
    problem = f"no file of torch.save, or a damaged one ({reason})"
    return UserError(path, problem, expected="a whole file of torch.save", fix="copy the file again, or save it again")
