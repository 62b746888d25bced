"""Runs that were trained alike and are tested otherwise: the second one takes the first one's weights.

A look-ahead (`data.look_ahead`) changes the test alone, so a sweep over it trains once.
"""

from __future__ import annotations

import io
from typing import Any

import torch

from mmvad.config.identity import run_identity, run_name
from mmvad.config.load import whole
from mmvad.config.schema import Config
from mmvad.data.look_ahead import NO_LIMIT
from mmvad.errors import UserError
from mmvad.runs import RunFolder, read_manifest, read_report
from mmvad.system.disk import disk_errors, write_whole
from mmvad.system.log import LOG
from mmvad.training.checkpoints import BEST, chosen_checkpoint, read_checkpoint
from mmvad.training.prepare import Prepared


def trained_alike(prepared: Prepared) -> RunFolder | None:
    """The finished run beside this one that is tested without a limit and otherwise the same; None where there is none.

    None too where the test decides something in training: the checkpoint, or an audit of every epoch.
    """
    config = prepared.config
    if config.data.look_ahead < 0 or config.select == "best_test" or config.runtime.audit:
        return None
    twin = config.model_copy(update={"data": config.data.model_copy(update={"look_ahead": NO_LIMIT})})
    identity = _identity(twin, prepared)
    folder = RunFolder(config.runtime.results / run_name(twin, identity))
    chosen = chosen_checkpoint(config, folder)
    there = folder.finished and folder.manifest.is_file() and chosen.is_file()
    return folder if there and read_manifest(folder)["identity"] == identity else None


def take_weights(prepared: Prepared, alike: RunFolder) -> tuple[dict[str, Any], int | None] | None:
    """Copies the checkpoint and the epochs' figures of a run that was trained alike.

    Returns: what the manifest says of the training, and the chosen epoch as `make_report` takes it; None, and nothing
    is copied, where the other's checkpoint cannot be read.
    """
    target = chosen_checkpoint(prepared.config, prepared.folder)
    manifest, report = read_manifest(alike), read_report(alike)
    try:
        content = read_checkpoint(alike.checkpoints / target.name, manifest["identity"])
    except UserError as error:
        LOG.warning(f"warning: {error}\n  trained anew")
        return None
    content["mmvad"]["identity"] = prepared.identity
    if "hyper_parameters" in content:
        content["hyper_parameters"]["config"] = whole(prepared.config)
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    written = io.BytesIO()
    torch.save(content, written)
    write_whole(target, written.getvalue())
    if alike.epochs.is_file():
        write_whole(prepared.folder.epochs, alike.epochs.read_bytes())
    LOG.info(f"weights  of {alike.path}, which was trained alike and is tested without a limit")
    told: dict[str, Any] = {key: manifest[key] for key in ("train_seconds", "compiled") if key in manifest}
    best = report["selected_epoch"] - 1 if target.name == BEST and report.get("selected_epoch") else None
    return {**told, "trained_as": alike.path.name}, best


def _identity(config: Config, prepared: Prepared) -> str:
    return run_identity(config, prepared.bank.content_hash, prepared.text_hash, prepared.device.precision)
