"""Which video files a command line names: files, folders, and lists of either."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mmvad.errors import UserError

SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".wmv", ".asf", ".flv", ".f4v", ".mpg", ".mpeg", ".m2v", ".vob"}
    | {".ts", ".mts", ".m2ts", ".3gp", ".ogv", ".y4m", ".mxf"}
)
"""What a video file's name ends with; in a folder, other files are passed over."""


def find_videos(arguments: Sequence[Path]) -> list[Path]:
    """The video files, in the order of the arguments, those of a folder (and the folders in it) sorted, each once.

    A `.txt` file is a list: one path a line, from the list's own folder or the working folder. A named file is taken
    whatever its name ends with, also where it is not there: reading it says so.
    Raises UserError for a list that cannot be read, a folder without videos, and two files of one name.
    """
    found = list(dict.fromkeys(path for argument in arguments for path in _files_of(argument)))
    if not found:
        raise UserError("VIDEOS", "the lists name no video", expected="at least one")
    _check_names(found)
    return found


def video_name(path: Path) -> str:
    """What the video is called: its file's name without folder and without a video's suffix."""
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def claim_name(taken: dict[str, Path], path: Path) -> None:
    """Notes that a video which came later has its name. Raises UserError while another file is there that has it."""
    name = video_name(path)
    other = taken.get(name, path)
    if other != path and other.exists() and not (path.exists() and other.samefile(path)):
        raise _same_name(path, other)
    taken[name] = path


def listed(argument: Path) -> list[Path]:
    """The files and folders that a `.txt` list names; none of another argument. Raises UserError for an unreadable."""
    if argument.suffix.lower() != ".txt" or argument.is_dir():
        return []
    beside = [(argument.parent / line, Path(line)) for line in _lines(argument)]
    return [near if near.exists() else plain for near, plain in beside]


def _files_of(argument: Path) -> Iterator[Path]:
    if argument.is_dir():
        yield from _in_folder(argument)
    elif argument.suffix.lower() == ".txt":
        for path in listed(argument):
            yield from _in_folder(path) if path.is_dir() else [path]
    else:
        yield argument


def _in_folder(folder: Path) -> list[Path]:
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    files = [path for path in files if path.is_file()]
    if not files:
        raise UserError(folder, "the folder holds no video", expected=f"files that end in {' '.join(sorted(SUFFIXES))}")
    return files


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(path, f"cannot be read as a list: {error}", expected="one path a line, in UTF-8") from error
    return [line.strip() for line in lines if line.strip()]


def _check_names(paths: Iterable[Path]) -> None:
    """Features are filed under the video's name, so two videos of one name would overwrite each other."""
    seen: dict[str, Path] = {}
    for path in paths:
        other = seen.setdefault(video_name(path), path)
        if other != path:
            raise _same_name(path, other)


def _same_name(path: Path, other: Path) -> UserError:
    fix = "rename one, or give each an --out of its own"
    return UserError(path, f"has the same name as {other}", expected="one video of each name", fix=fix)
