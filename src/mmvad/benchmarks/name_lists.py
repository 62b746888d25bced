"""Lists of videos' names, one a line, as papers publish them; and classes that names tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from mmvad.benchmarks.lines import Line, read_lines
from mmvad.errors import UserError


def read_names(path: Path, form: str | None = None) -> Iterator[tuple[Line, str]]:
    """Each line with the name in it: without folders (of either slash) and without what follows a comma.

    Args:
        form: what stands behind the last slash, such as "{video}_i3d.npy"; the name alone if None.

    Raises UserError, naming file and line, for a line of another form and for a file that lists nothing.
    """
    lines = list(read_lines(path))
    if not lines:
        raise UserError(path, "lists nothing", expected="a video's name a line")
    for line in lines:
        yield line, _name(line, form)


def _name(line: Line, form: str | None) -> str:
    written = re.split(r"[/\\]", line.text.partition(",")[0].strip())[-1]
    before, _, after = (form or "{video}").partition("{video}")
    name = written[len(before) : len(written) - len(after)]
    if not name or written != f"{before}{name}{after}":
        fix = f"say `line` as the file has it, such as line: {{video}}{Path(written).suffix}" if form else None
        raise UserError(line, f"{written!r}", expected=form or "a video's name", fix=fix)
    return name


def class_told(said: Mapping[str, str] | str, video: str, where: object) -> str:
    """The class that is said of all videos, or of those whose name fits a pattern; of several, the first that fits.

    Raises UserError, naming `where`, where no pattern fits.
    """
    if isinstance(said, str):
        return said
    found = next((key for pattern, key in said.items() if fnmatchcase(video, pattern)), None)
    if found is None:
        fix = 'add a pattern for it to `class`, or "*" as the last one for all the others'
        raise UserError(where, f"no pattern of `class` fits {video!r}", expected=f"one of {', '.join(said)}", fix=fix)
    return found
