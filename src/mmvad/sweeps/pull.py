"""Brings reports from the database into a results folder: what other machines ran, to make tables of."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mmvad.config.files import Tree
from mmvad.config.identity import run_name
from mmvad.config.load import parse
from mmvad.errors import UserError
from mmvad.runs import RunFolder, write_json
from mmvad.sweeps.record import COMPLETE
from mmvad.sweeps.storage import Database
from mmvad.sweeps.study import Queue
from mmvad.sweeps.worker import HELD
from mmvad.system.disk import disk_errors, sole_writer, write_whole

LOG = logging.getLogger("mmvad")


class Pulled(NamedTuple):
    """How many reports came, how many were here before, and how many were left out: another process writes the run."""

    came: int
    before: int
    locked: int


def pull(database: Database, results: Path, identities: set[str] | None = None) -> Pulled:
    """Writes every report of the database that is not here, but for runs that are being written here.

    Args:
        identities: the runs that are wanted; None for all.
    """
    queue, came, locked, known = Queue(database), 0, 0, set[str]()
    for record in queue.records():
        wanted = identities is None or record.identity in identities
        if record.state != COMPLETE or not wanted or record.identity in known:
            continue
        known.add(record.identity)
        try:
            came += _write(queue.attributes(record.trial_id), results)
        except UserError as error:
            if HELD not in str(error):
                raise
            LOG.warning(f"not pulled: {error}")
            locked += 1
    return Pulled(came, len(known) - came - locked, locked)


def _whole(attributes: dict[str, Any]) -> Tree:
    """The run's configuration with what a user's benchmark is in place of its name: its file may lie elsewhere."""
    facts = attributes.get("manifest", {}).get("benchmark")
    return attributes["config"] | ({"benchmark": facts} if facts else {})


def _write(attributes: dict[str, Any], results: Path) -> bool:
    """One run folder: configuration, manifest, the report last. Scores and checkpoints stay where they were made."""
    if "report" not in attributes:
        return False
    tree = _whole(attributes)
    config = parse(tree)
    folder = RunFolder(results / run_name(config, attributes["identity"]))
    if folder.finished:
        return False
    with disk_errors(folder.path):
        folder.path.mkdir(parents=True, exist_ok=True)
    with sole_writer(folder.path):
        if folder.finished:  # its writer has just ended
            return False
        write_whole(folder.config, yaml.safe_dump(tree, sort_keys=False).encode())
        write_json(folder.manifest, {**attributes.get("manifest", {}), "pulled": True})
        write_json(folder.report, attributes["report"])
    LOG.info(f"{folder.path}: pulled")
    return True
