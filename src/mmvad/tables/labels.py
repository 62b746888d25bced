"""What a row is called: by its swept values, by an overlay's first comment, or by the method it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmvad.models.outside import OURS, method_named
from mmvad.sweeps.cells import shown
from mmvad.sweeps.definition import OVERLAY, Sweep, Values, project_file
from mmvad.tables.definitions import SPELLED
from mmvad.tables.expected import Expected
from mmvad.tables.frame import REPEATED
from mmvad.tables.notes import OURS_NAME

BASE = "base"


def spelled(value: Any) -> str:
    """0.0002 as 2e-4, 0.15 as it is."""
    if isinstance(value, float) and 0 < abs(value) < 1e-2:
        mantissa, _, exponent = f"{value:e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def table_label(sweep: Sweep, values: Values, words: Mapping[str, str]) -> str:
    """A row of a table in `tables.yaml`: `V+A`, `1e-4`, `none (before)`, `within_kind / score`."""
    return " / ".join(_word(sweep, key, values[key], words) for key in swept_keys(sweep) if key in values) or BASE


def own_label(sweep: Sweep, values: Values, titles: Mapping[str, str]) -> str:
    """`lambda_contrast 0.1, lambda_embed 0.0002`; a single swept key is named by its values alone."""
    keys = [key for key in swept_keys(sweep) if key in values]
    words = {key: titles[values[key]] if key == OVERLAY else shown(key, values[key]) for key in keys}
    if len(words) < 2:
        return next(iter(words.values()), BASE if swept_keys(sweep) else sweep.name)
    return ", ".join(f"{key.rpartition('.')[2]} {word}" for key, word in words.items())


def overlay_titles(sweep: Sweep, rows: Sequence[Expected]) -> dict[str, str]:
    """What each overlay is called: its method, where peers are compared and no other overlay is of the same."""
    models = [(row.values[OVERLAY], row.config.model.name) for row in rows if OVERLAY in row.values]
    pairs = list(dict.fromkeys(models))
    overlays, names = [overlay for overlay, _ in pairs], [name for _, name in pairs]
    methods = {name: method.title for name in names if (method := method_named(name))}
    if methods:
        methods[OURS] = OURS_NAME
    titles = {}
    for overlay, name in pairs:
        alone = overlays.count(overlay) == names.count(name) == 1
        titles[overlay] = methods[name] if alone and name in methods else _comment(sweep, overlay)
    return titles


def swept_keys(sweep: Sweep) -> list[str]:
    """What a sweep varies besides seed and fold."""
    return [key for key in sweep.swept if key not in REPEATED]


def _word(sweep: Sweep, key: str, value: Any, words: Mapping[str, str]) -> str:
    if str(value) in words:
        return words[str(value)]
    if key == OVERLAY:
        return _comment(sweep, value)
    return SPELLED[value] if key == "modalities" and value in SPELLED else spelled(value)


def _comment(sweep: Sweep, overlay: str) -> str:
    """The comment that an overlay begins with, or else its file's name."""
    first = project_file(overlay, sweep.file).read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ").strip() if first.startswith("#") else Path(overlay).stem
