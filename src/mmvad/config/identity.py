"""A run's identity: what decides its numbers, hashed; and the folder's name that follows from it."""

from __future__ import annotations

import copy
import functools
import hashlib
import json

from mmvad.benchmarks.registry import own_benchmark
from mmvad.config.load import METHOD, Tree, plain
from mmvad.config.schema import Config
from mmvad.models.losses.settings import LATER_WEIGHTS
from mmvad.models.outside import OURS, short_name
from mmvad.models.peers.registry import PEERS

SCHEMA_VERSION = 2
"""Raised when a change of code changes results: old runs are then never taken for new ones."""


_LATER = {
    "data.chunk_overlap": 0,
    "data.fold": "",
    "data.look_ahead": -1,
    "model.width": 0,
    "optim.schedule_by": "epochs",
    "optim.warmup": 0.0,
    "published_weights": "",
    **LATER_WEIGHTS,
    **{f"peers.{name}.{key}": value for name, peer in PEERS.items() for key, value in peer.later_keys.items()},
}
"""Keys that came after runs had been made, with the value that stands for how it was before.

A default may be another value: new runs have it, those from before the key keep theirs (`lacking_keys`).
"""


def without_later_keys(tree: Tree) -> Tree:
    """A resolved configuration without later keys that change nothing: runs from before them keep their identity."""
    for key, before in _LATER.items():
        tree = _without(tree, key.split("."), before)
    return tree


def lacking_keys(tree: Tree) -> Tree:
    """The later keys that a run's configuration, of any age, does not have, as it was before them: dotted."""
    return {key: before for key, before in _LATER.items() if not _has(tree, key.split("."))}


def _has(tree: Tree, path: list[str]) -> bool:
    """Whether a key is there, or is of a section that is not."""
    *sections, last = path
    for section in sections:
        if not isinstance(tree.get(section), dict):
            return True
        tree = tree[section]
    return last in tree


def completed(tree: Tree) -> Tree:
    """A run's configuration, of any age, with the later keys that it lacks as it was before them."""
    tree = copy.deepcopy(tree)
    for key, before in lacking_keys(tree).items():
        *sections, last = key.split(".")
        functools.reduce(lambda inner, section: inner[section], sections, tree)[last] = before
    return tree


def with_later_keys(settings: Tree) -> Tree:
    """Dotted keys of a run's configuration, with the later ones that `without_later_keys` took away."""
    return {**_LATER, **settings}


def _without(tree: Tree, path: list[str], value: object) -> Tree:
    """The tree without the key at this path, where it is there and has the value."""
    key, *rest = path
    if key not in tree:
        return tree
    if rest:
        return {**tree, key: _without(tree[key], rest, value)} if isinstance(tree[key], dict) else tree
    return {k: v for k, v in tree.items() if k != key} if tree[key] == value else tree


def run_identity(config: Config, bank_hash: str, text_hash: str | None, precision: str) -> str:
    """SHA-256 over everything that decides the results.

    That is the resolved configuration without `runtime`, but with the precision in use; the bank's content in place of
    its path; the text weights' content in place of their name; and the schema version. Of the models' settings only
    those of `model.name` count; of a user's benchmark, its classes, prompts and headline.
    """
    tree = _deciding(plain(config))
    tree["model"]["text"]["weights"] = text_hash
    tree |= {"precision": precision, "bank": bank_hash, "schema": SCHEMA_VERSION}
    if (own := own_benchmark(config.benchmark)) is not None:
        tree["benchmark_facts"] = own.deciding
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def recipe(tree: Tree) -> str:
    """SHA-256 over what runs of one row of a table share: an identity without seed, fold, bank, text and precision.

    Args:
        tree: a resolved configuration, of any age, as it stands in a run's `config.yaml` or `report.json`.
    """
    tree = _deciding(tree)
    del tree["seed"], tree["model"]["text"]["weights"]
    tree["data"].pop("fold", None)
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def _deciding(tree: Tree) -> Tree:
    """A copy of a resolved configuration without `runtime`, the bank's path, unread keys, and later ones as before."""
    tree = copy.deepcopy(without_unread(without_later_keys(tree)))
    tree.pop("runtime", None)
    tree["data"].pop("bank", None)
    return tree


def without_unread(tree: Tree) -> Tree:
    """A resolved configuration without what its model does not read, as `is_read` has it."""
    name = tree["model"]["name"]
    if name == OURS:
        return tree
    kept = {key: value for key, value in tree.items() if key != "loss"}
    return kept | {"model": {"name": name, "text": tree["model"]["text"]}}


def is_read(key: str, model: str) -> bool:
    """Whether a dotted key (or section) can change the results of a model, by its `model.name`.

    Of `model` and `loss` only the dual-stream network reads more than the text tower, of `peers` every model its own
    part; `method` is read by models from outside.
    """
    section, _, rest = key.partition(".")
    if section == "peers":
        return rest.partition(".")[0] == model
    if section == METHOD:
        return model not in {OURS, *PEERS}
    if model == OURS or section not in {"model", "loss"}:
        return True
    return section == "model" and rest.partition(".")[0] in {"name", "text"}


def run_name(config: Config, identity: str) -> str:
    """The run folder's name: readable first, then the start of the identity."""
    model = "" if config.model.name == OURS else f"{short_name(config.model.name)}-"
    fold = f"f{config.data.fold}-" if config.data.fold else ""
    return f"{config.benchmark}-{fold}{model}{config.modalities}-s{config.seed}-{identity[:12]}"
