"""Reads a configuration: YAML files laid over one another, then `--key.sub=value`, then typed and checked."""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mmvad.benchmarks.registry import own_benchmark
from mmvad.config.files import Tree, named_benchmark, read_layers
from mmvad.config.outside import config_type
from mmvad.config.schema import Config
from mmvad.errors import UserError, nearest_name
from mmvad.models.losses.settings import under_saved_names
from mmvad.system.plain_yaml import parse_yaml

METHOD = "method"
"""The section of a model from outside."""
_MEANT = {
    "dict": "keys below it, such as `optim: {epochs: 3}`",
    "model": "keys below it, such as `optim: {epochs: 3}`",
    "int": "a whole number",
    "float": "a number",
    "bool": "on or off",
    "tuple": "a list, such as [0.3, 0.6] or [csv]",
    "path": "a path",
    "string": "a word",
}
"""What pydantic's kinds of findings expect, by the first part of their name, in our words."""


def load_config(
    files: Sequence[Path], overrides: Sequence[str] = (), *, settings: tuple[object, Sequence[str]] = ("", ())
) -> Config:
    """The configuration of files, settings and overrides, later ones over earlier ones.

    Args:
        files: YAML files; a key that a file does not name keeps its value; what one calls its `base` lies beneath all.
        overrides: `key.sub=value`; the value is read as YAML.
        settings: where they stand, as errors name it, and settings written like overrides.

    Raises UserError for a missing or malformed file, an unknown key, a wrong type, a value out of range, and for files
    of two benchmarks.
    """
    tree: Tree = {}
    layers: list[tuple[object, Tree]] = [*read_layers(files)]
    layers += [
        (where, _override(text, where)) for where, texts in (settings, ("command line", overrides)) for text in texts
    ]
    layers = _with_own_data(layers, len(layers) - len(settings[1]) - len(overrides))
    section = config_type(_named_model([layer for _, layer in layers]))
    layers = [(where, _under_saved_names(layer, where)) for where, layer in layers]
    for where, layer in layers:
        merge(tree, layer, where, section)
    return parse(tree, layers)


def parse(tree: Tree, layers: Sequence[tuple[object, Tree]] = ()) -> Config:
    """The typed configuration of a plain tree. Raises UserError that names the layer which set the faulty key."""
    section = config_type(_named_model([tree]))
    try:
        return section.model_validate(tree)
    except ValidationError as error:
        details = error.errors()[0]
        keys = details["loc"] or _named_key(details["msg"])
        setters = [where for where, layer in layers if _sets(layer, keys)]
        raise _explain(details, setters[-1] if setters else "configuration", section) from None


def dump(config: Config) -> str:
    """The resolved configuration as YAML, every key written out."""
    return yaml.safe_dump(whole(config), sort_keys=False)


def whole(config: Config) -> Tree:
    """The resolved configuration with what a user's benchmark is in place of its name: enough without its file."""
    own = own_benchmark(config.benchmark)
    return plain(config) | ({"benchmark": own.facts} if own else {})


def plain(config: Config) -> Tree:
    """The resolved configuration as a tree of plain values; of the peers' settings only the chosen model's."""
    tree = config.model_dump(mode="json")
    peers = tree.pop("peers")
    name = config.model.name
    return tree | ({"peers": {name: peers[name]}} if name in peers else {})


def merge(tree: Tree, over: Tree, where: object, section: type[Config] = Config) -> None:
    """Lays `over` on `tree` in place, section by section; unknown keys are errors that name `where`."""
    _check_keys(over, section, leaf_keys(section), where)
    _merge(tree, over)


def spelled(value: object) -> str:
    """A value as a shell and `--key=VALUE` take it: what is then read is the same value, to its last digit."""
    if isinstance(value, str) and _reads_as_itself(value):
        return shlex.quote(value)
    return shlex.quote(json.dumps(value))


def _with_own_data(layers: list[tuple[object, Tree]], files: int) -> list[tuple[object, Tree]]:
    """The layers with what a user's benchmark says of data, where one is named: over files for another benchmark.

    Args:
        files: how many layers are files; what is set behind them goes before the benchmark's word.
    """
    named = [(i, layer["benchmark"]) for i, (_, layer) in enumerate(layers) if "benchmark" in layer]
    name = named_benchmark(named[-1][1]) if named else None
    known = own_benchmark(name) if isinstance(name, str) else None
    if known is None:
        return layers
    first = min([i for i, value in named if named_benchmark(value) == name] + [files])
    said: Tree = {"data": {"bank": f"banks/{known.name}", "audio": known.audio, "test_crop": known.test_crop}}
    if known.audio == "none":
        said |= _without_sound([layer for _, layer in layers[:first]])
    return [*layers[:first], (f"benchmark {known.name}", said), *layers[first:]]


def _without_sound(layers: Sequence[Tree]) -> Tree:
    """Our network's modalities on a benchmark without sound: those of the layers beneath, less A."""
    named = [str(layer["modalities"]) for layer in layers if "modalities" in layer]
    ours = _named_model(layers) in {None, "dual_stream"}
    return {"modalities": (named or ["vat"])[-1].replace("a", "")} if ours else {}


def _reads_as_itself(text: str) -> bool:
    try:
        return parse_yaml(text) == text
    except yaml.YAMLError:
        return False


@functools.cache
def leaf_keys(section: type[BaseModel] = Config, prefix: str = "") -> dict[str, Any]:
    """Every dotted key with its pydantic field. Callers only read it."""
    keys: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        inner = _section_of(field.annotation)
        keys |= leaf_keys(inner, f"{prefix}{name}.") if inner else {f"{prefix}{name}": field}
    return keys


def expected_values(field: Any) -> str:
    """What a field takes, in words: its choices, or its type."""
    choices = get_args(field.annotation) if str(get_origin(field.annotation)) == "typing.Literal" else ()
    return (
        "|".join(map(str, choices)) if choices else getattr(field.annotation, "__name__", str(field.annotation)).lower()
    )


def _merge(tree: Tree, over: Tree) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = value


def _under_saved_names(layer: Tree, where: object) -> Tree:
    """A layer in which a weight with two names has the saved one: so the later layer wins, whichever name it takes."""
    try:
        return {**layer, "loss": under_saved_names(layer["loss"])} if "loss" in layer else layer
    except ValueError as error:
        raise UserError(where, str(error)) from None


def _named_model(layers: Sequence[Tree]) -> object:
    """The `model.name` of the last layer that has one."""
    models = [layer.get("model") for layer in layers]
    return next((model["name"] for model in reversed(models) if isinstance(model, dict) and "name" in model), None)


def _check_keys(tree: Tree, section: type[BaseModel], known: dict[str, Any], where: object, prefix: str = "") -> None:
    for key, value in tree.items():
        field = section.model_fields.get(key)
        if field is None:
            full = f"{prefix}{key}"
            if full == METHOD:
                expected = "a model from outside that has Settings, such as model.name=my_module:MyModel"
                raise UserError(where, f"{METHOD}: the model has no such settings", expected=expected)
            if full in known:
                raise UserError(where, f"the key {full!r} has a dot", fix=f"nest it: `{_nested(full)}`")
            by_last = [k for k in known if str(key) in {last := k.rpartition(".")[2], _initials(last)}]
            raise UserError(
                where,
                f"unknown key {full!r}",
                nearest=by_last[0] if by_last else nearest_name(full, [*known, *section.model_fields]),
                fix="`mmvad train --help` lists every key",
            )
        inner = _section_of(field.annotation)
        if inner and isinstance(value, dict):
            _check_keys(value, inner, known, where, f"{prefix}{key}.")


def _nested(key: str) -> str:
    """`a.b` as it stands in a file: {a: {b: ...}}."""
    return functools.reduce(lambda inner, part: f"{{{part}: {inner}}}", reversed(key.split(".")), "...")


def _initials(name: str) -> str:
    """`learning_rate` as lr, which many write; nothing of a single word."""
    words = name.split("_")
    return "".join(word[:1] for word in words) if len(words) > 1 else ""


def _section_of(annotation: Any) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _override(text: str, where: object) -> Tree:
    """`a.b=1` as {a: {b: 1}}."""
    key, _, written = text.partition("=")
    try:
        value: Any = parse_yaml(written) if written else written
    except yaml.YAMLError:
        raise UserError(where, f"--{key}: {written!r} is no valid YAML value") from None
    field = leaf_keys().get(key)
    if field is not None and field.annotation is str and isinstance(value, int | float):
        value = written  # a fold of the name 01 is not the number 1
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _sets(layer: Any, keys: Sequence[Any]) -> bool:
    """Whether a layer sets the key at this path, or something that stands in its way."""
    if not keys or not isinstance(layer, dict):
        return True
    return keys[0] in layer and _sets(layer[keys[0]], keys[1:])


def _named_key(message: str) -> tuple[str, ...]:
    """The key that a finding about several keys begins with: "Value error, data.bank: ..." as ("data", "bank")."""
    return tuple(message.removeprefix("Value error, ").partition(":")[0].split("."))


def _explain(details: ErrorDetails, where: object, section: type[Config]) -> UserError:
    """pydantic's first finding in our form: the key, the value, what was expected, the nearest valid one."""
    key = ".".join(str(part) for part in details["loc"])
    if details["type"] == "value_error":
        return UserError(where, f"{key}: " * bool(key) + details["msg"].removeprefix("Value error, "))
    if details["type"] == "missing":
        return UserError(where, f"{key} is not given", fix=f"set {key}: it has no default")
    value = details["input"]
    choices: list[str] = []
    field = leaf_keys(section).get(key)
    if field is not None and str(get_origin(field.annotation)) == "typing.Literal":
        choices = [str(c) for c in get_args(field.annotation)]
    kind = details["type"].partition("_")[0]
    words = details["msg"].removeprefix("Input should be ")
    expected = f"one of {', '.join(choices)}" if choices else _MEANT.get(kind, words)
    expected += ", or MODULE:CLASS for a model of your own" * (key == "model.name")
    return UserError(
        where,
        f"{key} = {value!r} is not valid",
        expected=expected,
        nearest=nearest_name(str(value), choices) if choices else None,
    )
