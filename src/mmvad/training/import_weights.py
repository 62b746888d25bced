"""`mmvad import-weights`: a run folder whose weights are those that a method's public code wrote."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmvad.config.load import dump
from mmvad.config.schema import Config
from mmvad.errors import UserError, nearest_name
from mmvad.models.model import Model
from mmvad.models.peers.public_weights import PublicWeights, imported, public_weights
from mmvad.runs import RunFolder, read_manifest, write_json
from mmvad.system.disk import disk_errors, sole_writer, write_whole
from mmvad.system.log import LOG, log_to
from mmvad.training.checkpoints import RunCheckpoints
from mmvad.training.module import AnomalyModule
from mmvad.training.prepare import Prepared, prepare
from mmvad.training.train import assemble, finish_run, manifest_of, say_what
from mmvad.training.trainer import make_trainer

WRAPPINGS = ("model_state_dict", "state_dict", "model")
"""Under which names public codes keep a state dict beside other things."""
State = dict[str, Tensor]


def import_weights(config: Config, files: Mapping[str, Path], out: Path | None = None) -> RunFolder:
    """Puts public weights into a run folder, tests them and reports. Nothing is written of what does not fit.

    Args:
        config: of the method; its `select` counts for nothing, since nothing is trained.
        files: by the names of the method's checkpoints; "" is its first.
        out: the run folder; by default it is called as other runs.

    Raises UserError for a file that cannot be read without running code, and for tensors that are missing, extra or of
    another shape.
    """
    public = public_weights(config.model.name)
    files = _by_part(files, public)
    states = {part: read_state(file) for part, file in files.items()}
    untrained = config.quirks.model_copy(update={"reload_best": False})
    changes = {"published_weights": content_of(states), "select": "last", "quirks": untrained}
    prepared = prepare(config.model_copy(update=changes))
    folder = RunFolder(out) if out else prepared.folder
    if _is_done(folder, prepared):
        LOG.info(f"{folder.path}: done before; nothing to do")
        return folder
    data, module = assemble(prepared)
    _fill(module.model, public, states, files)
    with sole_writer(folder.path), log_to(folder.log):
        manifest = {**manifest_of(prepared), "published_weights": {part: str(file) for part, file in files.items()}}
        _write(prepared, folder, module, manifest)
        finish_run(prepared, folder, data, module, manifest, best_epoch=None)
    return folder


def _by_part(files: Mapping[str, Path], public: PublicWeights) -> dict[str, Path]:
    """The files by the names of checkpoints. Raises UserError for one that the method does not have, or has twice."""
    first = next(iter(public))
    unknown = next((part for part in files if part and part not in public), None)
    if unknown is not None:
        near = nearest_name(unknown, public)
        raise UserError(unknown, "no such checkpoint", expected=f"NAME=FILE, NAME of {', '.join(public)}", nearest=near)
    if {"", first} <= files.keys():
        raise UserError(first, f"is given twice: {files['']} and {files[first]}", expected="one file each")
    return {part or first: file for part, file in files.items()}


def _is_done(folder: RunFolder, prepared: Prepared) -> bool:
    """Whether these weights are there already. Raises UserError for a folder that holds something else."""
    if not folder.path.is_dir() or not {*folder.path.iterdir()} - {folder.log}:
        return False
    if not folder.manifest.is_file() or read_manifest(folder)["identity"] != prepared.identity:
        expected = "a new folder, or that of the same weights and settings"
        raise UserError(folder.path, "holds something else", expected=expected, fix="give another --out")
    return folder.finished


def _fill(model: Model[Any], public: PublicWeights, states: Mapping[str, State], files: Mapping[str, Path]) -> None:
    """Puts the public tensors in their places."""
    tensors = imported(model, public, states, files)
    for name in model.fitted:
        model.get_buffer(name).resize_(tensors[name].shape)
    model.load_state_dict(tensors, strict=False)  # `imported` has told what is missing
    left = [part for part in public if part not in states and public[part].sources(model)]
    if left:
        LOG.info(f"weights  {', '.join(left)}: not given and not scored, so left as drawn")


def _write(prepared: Prepared, folder: RunFolder, module: AnomalyModule, manifest: dict[str, Any]) -> None:
    with disk_errors(folder.path):
        folder.path.mkdir(parents=True, exist_ok=True)
    write_whole(folder.config, dump(prepared.config).encode())
    write_json(folder.manifest, manifest)
    say_what(prepared, folder)
    checkpoints = RunCheckpoints(folder.checkpoints, prepared.identity, every=1, monitor=None)
    checkpoints.save_untrained(make_trainer(prepared.device, logger=False, callbacks=[checkpoints]), module)


def content_of(states: Mapping[str, State]) -> str:
    """What tells these weights from others, whatever file they lie in."""
    digest = hashlib.sha256()
    for part, state in sorted(states.items()):
        for name, tensor in sorted(state.items()):
            digest.update(f"{part}/{name} {tensor.dtype} {[*tensor.shape]}\n".encode())
            digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return f"sha256:{digest.hexdigest()[:16]}"


def read_state(file: Path) -> State:
    """The tensors of a public checkpoint by their names; an array file's under its own name.

    Raises UserError where it is missing, cannot be read without running code, or holds no state dict.
    """
    if not file.is_file():
        raise UserError(file, "no such file", expected="a checkpoint of the method's public code")
    try:
        content = _loaded(file)
    except (pickle.UnpicklingError, OSError, ValueError, RuntimeError, EOFError, KeyError, ImportError) as error:
        raise UserError(
            file,
            f"cannot be read as tensors alone ({type(error).__name__})",
            expected="a state dict that torch reads with weights_only=True, .safetensors, .npz or .npy",
            fix="where it holds a whole module, let its own code save `model.state_dict()`",
        ) from error
    content = next((content[name] for name in WRAPPINGS if isinstance(content, dict) and name in content), content)
    others = [name for name, value in content.items() if not isinstance(value, Tensor)] if _is_dict(content) else []
    if not _is_dict(content) or others:
        found = f"{others[0]!r} is a {type(content[others[0]]).__name__}" if others else f"a {type(content).__name__}"
        raise UserError(file, f"holds no state dict: {found}", expected="tensors by their names")
    return {name.removeprefix("module."): tensor for name, tensor in content.items()}


def _is_dict(content: object) -> bool:
    return isinstance(content, dict) and bool(content) and all(isinstance(name, str) for name in content)


def _loaded(file: Path) -> Any:
    if file.suffix == ".npy":
        return {file.stem: torch.from_numpy(np.load(file, allow_pickle=False))}
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    return torch.load(file, map_location="cpu", weights_only=True)
