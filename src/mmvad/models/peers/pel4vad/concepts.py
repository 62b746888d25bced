"""The words whose texts stand for a class: ours, or those of a file, such as the public code's `ucf-concept.json`.

A file is a JSON or YAML mapping of classes to words, the normal class first. Words are a list, or a mapping to how near
they are to the class, as in the public files; of that those count that are as near as the mean of all but the first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator

from mmvad.errors import UserError, nearest_name

EXPECTED = "a mapping of classes to words, such as {normal: [ordinary], fighting: [brawl, punching]}"
OURS: dict[str, tuple[str, ...]] = {
    "normal": ("ordinary", "usual", "regular", "everyday", "common", "typical"),
    "fighting": ("fight", "brawl", "punching", "kicking", "struggle", "combat"),
    "shooting": ("shoot", "gunfire", "gun", "rifle", "pistol", "firing"),
    "riot": ("mob", "violent protest", "uprising", "unrest", "angry crowd", "clash with police"),
    "abuse": ("maltreatment", "hurting", "cruelty", "beating", "torment", "violence"),
    "car accident": ("car crash", "collision", "wreck", "traffic accident", "overturned car"),
    "explosion": ("explode", "blast", "bomb", "detonation", "fireball", "burst"),
    "arrest": ("police arrest", "handcuffs", "detain", "custody", "police officer"),
    "arson": ("set on fire", "burning", "fire", "flames", "arsonist"),
    "assault": ("attack", "hitting", "beat up", "violence", "mugging"),
    "burglary": ("break in", "burglar", "housebreaking", "intruder", "theft"),
    "road accidents": ("car crash", "collision", "traffic accident", "run over", "wreck"),
    "robbery": ("rob", "holdup", "armed robber", "stickup", "theft"),
    "shoplifting": ("shoplifter", "steal from a shop", "hide goods", "store theft"),
    "stealing": ("steal", "thief", "theft", "take away", "pickpocket"),
    "vandalism": ("vandal", "property damage", "destroy", "graffiti", "smash"),
}
"""Words beside a class's name, ours."""


def words_of(prompts: Sequence[str], concepts: str = "") -> list[list[str]]:
    """The words of every class: its name and ours, or those of `peers.pel4vad.concepts`.

    A class has the entry that is called like it or begins with its name; else the normal one has the first.

    Raises UserError for a class without an entry, and for an entry of no class.
    """
    if not concepts:
        return [[prompt, *OURS.get(prompt, ())] for prompt in prompts]
    entries: dict[str, list[str]] = json.loads(concepts)
    taken = {prompt: _entry(prompt, entries, normal=prompt == prompts[0]) for prompt in prompts}
    lacking = [prompt for prompt, entry in taken.items() if entry is None]
    others = [entry for entry in entries if entry not in taken.values()]
    if lacking or others:
        problem = f"no words for {lacking[0]!r}" if lacking else f"words for {others[0]!r}, which is no class"
        near = nearest_name(lacking[0], others) if lacking else nearest_name(others[0], prompts)
        raise UserError("peers.pel4vad.concepts", problem, expected=f"words for {', '.join(prompts)}", nearest=near)
    return [entries[entry] for entry in taken.values() if entry is not None]


def _entry(prompt: str, entries: Mapping[str, list[str]], *, normal: bool) -> str | None:
    called = [name for name, words in entries.items() if prompt in {name, words[0]}]
    return next(iter(called or (entries if normal else ())), None)


def _read(value: object) -> str:
    """A path, the text that a run keeps, or a mapping, as the text that a run keeps. Raises UserError."""
    if not isinstance(value, str):
        return _kept(value, "peers.pel4vad.concepts")
    return _kept(*_loaded(value)) if value else ""


def _loaded(written: str) -> tuple[Any, object]:
    """What a file, or a text that is a mapping itself, holds, and where that stands."""
    inline = written.lstrip().startswith("{")
    where = "peers.pel4vad.concepts" if inline else written
    try:
        text = written if inline else Path(written).read_text(encoding="utf-8")
        return yaml.safe_load(text), where  # JSON too
    except FileNotFoundError:
        raise UserError(f"peers.pel4vad.concepts: {written}", "no such file", expected=EXPECTED) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problem = f"cannot be read: {' '.join(str(error).split())}"
        raise UserError(where, problem, expected="JSON or YAML in UTF-8") from None


def _kept(content: Any, where: object) -> str:
    if not isinstance(content, dict) or not content:
        raise UserError(where, f"holds a {type(content).__name__}", expected=EXPECTED)
    return json.dumps({str(name): _words(words, where, name) for name, words in content.items()}, ensure_ascii=False)


def _words(words: Any, where: object, name: object) -> list[str]:
    found = _near(words) if isinstance(words, dict) and all(map(_is_number, words.values())) else words
    if not isinstance(found, list) or not found or not all(isinstance(word, str) and word.strip() for word in found):
        expected = "a list of words, or words with how near they are, such as {brawl: 0.7}"
        raise UserError(where, f"{name}: {words!r} are no words", expected=expected)
    return found


def _near(words: Mapping[str, float]) -> list[str]:
    """Those that are as near as the mean of all but the first, which is the class itself."""
    others = list(words.values())[1:]
    least = sum(others) / len(others) if others else float("-inf")
    return [word for word, near in words.items() if near >= least]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


Concepts = Annotated[str, BeforeValidator(_read)]
"""A field of the settings: a file's path or a mapping; kept are its words, so that a run needs no file."""
