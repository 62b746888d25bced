"""Weights of one of CLIP's towers: by name where there is a network, from a local file, in the tower's own names."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mmvad.errors import UserError
from mmvad.models.clip_names import architecture_of, in_open_clips_names
from mmvad.models.open_clip_models import hub_of, published_tags

RANDOM_WEIGHTS_SEED = 0
FILES = "open_clip's or Transformers' .safetensors or .bin, or OpenAI's .pt"
Tower = Literal["text", "visual"]


def tower_state(
    architecture: str, weights: str, wanted: dict[str, Tensor], tower: Tower, where: str
) -> dict[str, Tensor]:
    """The tower's part of a CLIP checkpoint, float32, with exactly the names and shapes of `wanted`.

    Args:
        weights: a name that open_clip knows (`openai`) or a local checkpoint file.
        where: the key or option that the weights came from, for messages.

    Raises UserError where they cannot be had, cannot be read without running code, or do not fit.
    """
    if is_path(weights):
        expected = f"a checkpoint of {architecture} ({FILES})"
        state = read_state(Path(weights), where, expected, _to_fetch(architecture, where))
    else:
        state = _fetch(architecture, weights, where)
    whole = in_open_clips_names(state)
    fix = f"{_is_of(whole)}give the checkpoint of {architecture}, or change {where.replace('weights', 'architecture')}"
    problem = f"{tower} weights do not fit {architecture}"
    return fitting(_part(whole, tower), wanted, f"{where}: {weights}", problem, fix)


def fitting(
    state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], where: str, problem: str, fix: str
) -> dict[str, Tensor]:
    """Of a state what is wanted, in float32. Raises UserError where a name is absent or a shape is another."""
    wrong = [n for n, t in wanted.items() if n not in state or state[n].shape != t.shape]
    if wrong:
        found = f"has shape {tuple(state[wrong[0]].shape)}" if wrong[0] in state else "is absent"
        raise UserError(
            where,
            f"{len(wrong)} of {len(wanted)} {problem}; {wrong[0]!r} {found}",
            expected=f"{wrong[0]!r} of shape {tuple(wanted[wrong[0]].shape)}",
            fix=fix,
        )
    return {name: state[name].float() if state[name].is_floating_point() else state[name] for name in wanted}


def state_hash(module: nn.Module) -> str:
    """SHA-256 of the module's weights, as hexadecimal, whatever file they came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def is_path(weights: str) -> bool:
    """Whether the weights are named by a file's path, not by a published name."""
    return "/" in weights or Path(weights).suffix in {".pt", ".pth", ".bin", ".safetensors"} or Path(weights).exists()


@contextmanager
def _without_warnings(*loggers: str) -> Iterator[None]:
    """Keeps a library's account of its retries from burying the one message that says what to do."""
    levels = {logger: logger.level for logger in map(logging.getLogger, loggers)}
    try:
        for logger in levels:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)


def _part(state: dict[str, Tensor], tower: Tower) -> dict[str, Tensor]:
    """The tensors of one tower: the image tower's names begin with `visual.`, the text tower's may with `text.`."""
    if tower == "visual":
        return {n.removeprefix("visual."): t for n, t in state.items() if n.startswith("visual.")}
    return {n.removeprefix("text."): t for n, t in state.items() if not n.startswith("visual.")}


def _is_of(state: dict[str, Tensor]) -> str:
    """What the file is by its image tower, as the beginning of an advice."""
    found = architecture_of(state)
    return f"the file is of {found}: " if found else ""


def read_state(path: Path, where: str, expected: str, to_fetch: str) -> dict[str, Tensor]:
    """The tensors of a local checkpoint: a state dict (.pt, .bin, .safetensors), or OpenAI's archive.

    Raises UserError, of the option `where`, for a file that is not there or cannot be read without running code.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in (".safetensors", ".bin", ".pt"))
        nearest = str(files[-1]) if files else None
        raise UserError(f"{where}: {path}", "is a folder", expected="the file of weights in it", nearest=nearest)
    if not path.is_file():
        raise UserError(
            f"{where}: {path}",
            "no such file",
            expected=expected,
            fix=f"correct the path, or {to_fetch}",
        )
    return {name: tensor for name, tensor in _loaded(path, where).items() if isinstance(tensor, Tensor)}


def _loaded(path: Path, where: str) -> dict[str, Any]:
    from open_clip.factory import load_state_dict

    try:
        with warnings.catch_warnings(action="ignore"):  # of an archive's form, and of old pickle protocols
            return load_state_dict(str(path))
    except Exception as first:
        try:
            with warnings.catch_warnings(
                action="ignore", category=FutureWarning
            ):  # OpenAI's archives are what they are
                return torch.jit.load(str(path), map_location="cpu").state_dict()
        except Exception:
            raise UserError(
                f"{where}: {path}",
                f"cannot be read as weights ({type(first).__name__})",
                expected="a state dict that torch reads with weights_only=True, .safetensors, or OpenAI's archive",
                fix=_advice(path),
            ) from first


def _advice(path: Path) -> str:
    """What to do about a file that cannot be read, by how it begins."""
    with open(path, "rb") as file:
        start = file.read(16)
    if start[8:10] == b'{"' and path.suffix != ".safetensors":
        return "it looks like a .safetensors file: give it that suffix"
    if start.startswith(b"version https"):
        return "it is a Git LFS pointer: run `git lfs pull`, or download the file itself"
    return "download the file again; a checkpoint that needs pickled code is never loaded"


def _to_fetch(architecture: str, where: str) -> str:
    """How to come by the published weights of a model, as the end of an advice."""
    tags = published_tags(architecture)
    if not tags:
        return f"set {where}=random: no weights of {architecture} are published"
    tag = "openai" if "openai" in tags else tags[0]
    hub = hub_of(architecture, tag)
    elsewhere = f" (open_clip_model.safetensors of {hub} at Hugging Face)" if hub else ""
    return (
        f"set {where}={tag} where there is a network; or fetch open_clip's {architecture} {tag!r} file elsewhere"
        f"{elsewhere} and set {where} to its path; {where}=random tries the rest out, on features without a meaning"
    )


def _fetch(architecture: str, name: str, where: str) -> dict[str, Tensor]:
    """State of weights that open_clip publishes under a name; needs a network or a filled cache."""
    import open_clip

    known = published_tags(architecture)
    if name not in known:
        raise UserError(
            where,
            f"{name!r} is no published weights of {architecture}",
            expected=f"random, a local path{', or one of ' + ', '.join(known) if known else ''}",
        )
    try:
        with _without_warnings("huggingface_hub", "root"):
            return open_clip.create_model(architecture, pretrained=name).state_dict()
    except Exception as error:
        raise UserError(
            where,
            f"{name!r} could not be fetched for {architecture} ({type(error).__name__})",
            expected="a network, or weights fetched before",
            fix=_to_fetch(architecture, where),
        ) from error
