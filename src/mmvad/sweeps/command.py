"""The `command` of a sweep file: read as `wandb agent` fills it in and `mmvad train` then parses it, or refused.

W&B puts the program for `${program}`, the cell's parameters for `${args}`, and the environment's value for
`${envvar:NAME}`, anywhere in a word. It drops words such as `${foo}` that it does not know.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from mmvad.errors import UserError, nearest_name

ENV, INTERPRETER, PROGRAM, ARGS = "${env}", "${interpreter}", "${program}", "${args}"
SPACED_ARGS, NO_SWITCHES = "${args_no_equals}", "${args_no_boolean_flags}"
DEFAULT = (ENV, PROGRAM, "train", ARGS)
"""What is run where a file has no `command`."""
USUAL = '["${env}", "${program}", train, --config=FILE, "${args}"]'

_UNREAD = {
    "${args_no_hyphens}": "gives key=value, and mmvad train reads --key=value",
    "${args_json}": "gives one word of JSON, and mmvad train reads --key=value",
    "${args_json_file}": "gives a JSON file of dotted keys, and mmvad train reads --key=value",
    "${args_dict}": "gives the keys alone",
    "${args_append_hydra}": "gives +key=value, and mmvad train reads --key=value",
    "${args_override_hydra}": "gives ++key=value, and mmvad train reads --key=value",
}
_MACROS = (ENV, INTERPRETER, PROGRAM, ARGS, SPACED_ARGS, NO_SWITCHES, *_UNREAD)
_MACRO, _ENVVAR = re.compile(r"\$\{[^}]*\}"), re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")
_ASSIGNED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


@dataclass(frozen=True)
class Command:
    """What a sweep's command says.

    Attributes:
        words: its words, with every `--key VALUE` as `--key=VALUE`: an agent's run reads both alike.
        configs: the configuration files that it names, in their order.
        values: `key=value` before the parameters, which lie over them; `late_values` lie over the parameters.
    """

    words: tuple[str, ...]
    configs: tuple[str, ...]
    values: tuple[str, ...]
    late_values: tuple[str, ...]


def read_command(content: Mapping[str, Any], file: Path) -> Command:
    """The command of a sweep file's content.

    Raises UserError, naming the file and the reason, for words that `wandb agent` and `mmvad train` would not run as
    this sweep.
    """
    words = _words(content.get("command", DEFAULT), file)
    if words[:1] == ("train",):  # an agent would look for a program of that name: it is given ours
        words = (ENV, PROGRAM, *words)
    filled = [_with_environment(word, file) for word in words]
    start = _start_of_options(filled, str(content["program"]), file)
    spans = _options(filled[start:], file)
    _check_args([option for option, _ in spans], content, file)
    joined, at = list(words[:start]), start
    for _, length in spans:  # as they were written, but for the sign between key and value
        joined.append("=".join(words[at : at + length]) if length == 2 else words[at])
        at += length
    options = [option for option, _ in spans]
    where = next(n for n, option in enumerate(options) if option in (ARGS, SPACED_ARGS, NO_SWITCHES))
    before, behind = options[:where], options[where + 1 :]
    return Command(tuple(joined), (*_configs(before), *_configs(behind)), _values(before), _values(behind))


def _words(command: Sequence[object], file: Path) -> tuple[str, ...]:
    """The words as W&B takes them: each thing of the list as text."""
    wrong = next((word for word in command if isinstance(word, dict | list) or word is None), "")
    if wrong != "":
        _refuse(file, f"{wrong!r} is no word", "quote it: YAML takes ${args} and a key with a colon for something else")
    return tuple(str(word) for word in command)


def _with_environment(word: str, file: Path) -> str:
    """The word with the environment's values, as W&B puts them in; known macros alone are left in it."""
    for name in _ENVVAR.findall(word):
        if name not in os.environ:
            _refuse(file, f"{name} of {word!r} is not set here: W&B would put its name", f"set it: export {name}=...")
    filled = _ENVVAR.sub(lambda found: os.environ[found[1]], word)
    for macro in _MACRO.findall(filled):
        if macro in _UNREAD:
            _refuse(file, f"{macro} {_UNREAD[macro]}", "write ${args} in its place")
        if macro not in _MACROS:
            known = ("${envvar:NAME}", *_MACROS)
            nearest = nearest_name(macro, known)
            _refuse(file, f"{macro} is nothing that W&B knows: it would drop the word", nearest=nearest)
        if macro != filled:
            _refuse(file, f"{macro} stands inside {word!r}: W&B replaces whole words only", "make it a word of its own")
    return filled


def _start_of_options(words: Sequence[str], program: str, file: Path) -> int:
    """The place behind `train`. How mmvad is started decides nothing; that it is mmvad is checked."""
    if "train" not in words:
        _refuse(file, "has no word `train`", "a sweep runs `mmvad train`")
    at = words.index("train")
    head = list(words[:at])
    while head and head[0] in (ENV, "/usr/bin/env", "env"):
        head.pop(0)
        while head and _ASSIGNED.match(head[0]):
            head.pop(0)
    named = program if head[-1:] == [PROGRAM] else "".join(head[-1:])
    if head[-2:] != ["-m", "mmvad"] and Path(named).name != "mmvad":
        _refuse(file, f"runs {named or 'no program'} before `train`", "its program is mmvad: program: mmvad")
    if head[-2:-1] and (head[-2] == INTERPRETER or re.fullmatch(r"python[\d.]*", Path(head[-2]).name)):
        _refuse(file, f"gives {named} to Python, which cannot run a command", f"leave {head[-2]} out")
    if assigned := next((word for word in head if _ASSIGNED.match(word)), ""):
        _refuse(file, f"{assigned} is run as a program", f"put ${{env}} before {assigned}")
    return at + 1


def _options(words: Sequence[str], file: Path) -> list[tuple[str, int]]:
    """The options behind `train`, as `mmvad train` parses them, each with how many words it was."""
    found: list[tuple[str, int]] = []
    at = 0
    while at < len(words):
        word, following = words[at], words[at + 1 : at + 2]
        if word in _MACROS:
            if word in (ENV, INTERPRETER, PROGRAM):
                _refuse(file, f"{word} stands behind `train`", "it starts the command")
            found.append((word, 1))
            at += 1
            continue
        _check_option(word, file)
        takes_next = "=" not in word
        if takes_next and (not following or following[0].startswith("--") or following[0] in _MACROS):
            _refuse(file, f"{word} has no value", f"write {word}=VALUE")
        found.append((f"{word}={following[0]}" if takes_next else word, 1 + takes_next))
        at += 1 + takes_next
    return found


def _check_option(word: str, file: Path) -> None:
    key = word.partition("=")[0]
    if re.search(r"\s", key):
        _refuse(file, f"{word!r} is one word, which W&B passes on as one", f"make two of it: {', '.join(word.split())}")
    if not word.startswith("--") or key == "--":
        layered = word.endswith((".yaml", ".yml"))
        _refuse(file, f"unexpected {word!r}", f"write --config={word}" if layered else "write --key=VALUE")
    if key in ("--print-config", "--help"):
        _refuse(file, f"{key} trains nothing", "leave it out")


def _check_args(options: Sequence[str], content: Mapping[str, Any], file: Path) -> None:
    """Raises UserError unless the cell's parameters are passed on, once, and as they are."""
    given = [option for option in options if option in (ARGS, SPACED_ARGS, NO_SWITCHES)]
    if not given:
        _refuse(file, "${args} is missing: every cell would be the same run", 'end it with "${args}"')
    if len(given) > 1:
        _refuse(file, f"gives the parameters {len(given)} times", "keep one ${args}")
    parameters = content["parameters"]
    if given == [NO_SWITCHES] and any(_is_switch(parameter) for parameter in parameters.values()):
        _refuse(file, f"{NO_SWITCHES} leaves out what is off, and mmvad train reads --key=VALUE", "write ${args}")
    where = options.index(given[0])
    if "config" in parameters and _configs(options[where + 1 :]):
        _refuse(file, "a --config behind ${args} would be laid over the parameter `config`", "put it before ${args}")


def _is_switch(parameter: Mapping[str, Any]) -> bool:
    return any(isinstance(value, bool) for value in [parameter.get("value"), *parameter.get("values", [])])


def _configs(options: Sequence[str]) -> tuple[str, ...]:
    return tuple(option.partition("=")[2] for option in options if option.partition("=")[0] == "--config")


def _values(options: Sequence[str]) -> tuple[str, ...]:
    return tuple(option.removeprefix("--") for option in options if option.partition("=")[0] != "--config")


def _refuse(file: Path, problem: str, fix: str | None = None, *, nearest: str | None = None) -> NoReturn:
    """Raises the UserError of a command that the two would not run alike."""
    expected = f"a command that `wandb agent` and `mmvad sweep run` run alike, such as {USUAL}"
    raise UserError(f"{file}: command", problem, expected=expected, nearest=nearest, fix=fix)
