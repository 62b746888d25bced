"""Writing a bank so that it is there either whole or not at all.

Everything is written to a sibling folder, `<bank>.partial`, which is renamed when it is complete. A journal in it names
the videos that are finished, with the digests of their rows: a writer that is started again with the same key goes on
behind the last one that is intact.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, get_args

import numpy as np

import mmvad
from mmvad.bank.index import (
    FORMAT,
    BankVideo,
    Packed,
    Rows,
    bank_video,
    content_hash,
    from_record,
    pack,
    rows_digest,
    to_record,
)
from mmvad.bank.rows import RowFile
from mmvad.benchmarks.benchmark import Benchmark, Split, Video
from mmvad.benchmarks.registry import benchmark
from mmvad.errors import UserError
from mmvad.system.disk import disk_errors, sole_writer, sync_folder, write_all, write_whole

JOURNAL = "journal.jsonl"
MODALITIES = ("visual", "audio")


def partial_of(path: Path) -> Path:
    """Where a bank lies while it is being written."""
    return path.with_name(path.name + ".partial")


class BankWriter:
    """Writes a bank video by video, in any order; use it as a context manager.

    Leaving the block writes the manifest and renames the folder into place; leaving it by an error removes what was
    written, except for an interrupt of a writer with a `resume_key`.

    Args:
        path: where the bank shall lie. A bank that is there is replaced only with `overwrite`.
        benchmark_name: whose videos they are.
        how: how the features were made, plain JSON values for the manifest.
        dtype: float16, float32 or float64 for all features; their own dtype if None.
        resume_key: names the job; a partial bank of the same job is continued, and `holds` says what it has.

    Raises:
        UserError: for a full disk, no permission, a second writer, or features that do not fit each other.
    """

    def __init__(
        self,
        path: Path | str,
        benchmark_name: str | Benchmark,
        how: Mapping[str, Any],
        dtype: str | None = None,
        *,
        overwrite: bool = False,
        resume_key: str | None = None,
    ) -> None:
        self.path = Path(path).resolve()
        self.partial = partial_of(self.path)
        self.benchmark = benchmark(benchmark_name) if isinstance(benchmark_name, str) else benchmark_name
        self.how = dict(how)
        self.dtype = dtype
        self.overwrite = overwrite
        self.resume_key = resume_key
        self.closed = False
        self._videos: dict[Split, dict[str, BankVideo]] = {split: {} for split in get_args(Split)}
        self._rows: dict[str, Rows] = {}
        self._files: dict[tuple[Split, str], RowFile] = {}
        self._journal: BinaryIO | None = None
        self._stack = ExitStack()

    @property
    def count(self) -> int:
        """How many videos are written."""
        return sum(map(len, self._videos.values()))

    def holds(self, video: Video) -> bool:
        """Whether the video is written."""
        return video.name in self._videos[video.split]

    def __enter__(self) -> BankWriter:
        with ExitStack() as stack:
            stack.enter_context(sole_writer(self.path))
            with disk_errors(self.path):
                self._check_place()
            try:
                with disk_errors(self.path):
                    self._begin()
            except BaseException as failure:
                self._abandon(type(failure))
                raise
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._stack:
            if kind is not None:
                self._abandon(kind)
                return
            try:
                self.close()
            except BaseException as failure:
                self._abandon(type(failure))
                raise

    def add(self, video: Video, crops: Mapping[int, np.ndarray], audio: np.ndarray | None) -> BankVideo:
        """Appends a video: crops by number, each [n, d]; audio [n, d_a] or None. Returns its index record.

        Raises UserError, naming the video, if it is there already or does not fit the videos before it.
        """
        for key in {*video.labels, *(event.label for event in video.events)}:
            self.benchmark.class_index(key, video.name)
        if self.holds(video):
            raise UserError(video.name, f"a second time in the {video.split} split", expected="each video once")
        packed = pack(video.name, crops, audio, self.dtype)
        with disk_errors(self.path):
            starts = self._append(video.split, video.name, packed)
            record = bank_video(video, packed, starts["visual"], starts.get("audio"))
            self._note({"split": video.split, "rows": self._row_shapes(), "video": to_record(record)})
        self._videos[video.split][video.name] = record
        return record

    def close(self) -> None:
        """Sorts the videos by name, writes index and manifest and moves the bank into place."""
        empty = [split for split, videos in self._videos.items() if not videos]
        if empty and (not self.benchmark.own or len(empty) > 1):
            raise UserError(self.path, f"no {empty[0]} video", expected="at least one video in each split")
        with disk_errors(self.path):
            for split in self._videos:
                self._finish(split)
            if self._journal:
                self._journal.close()
            write_whole(self.partial / "manifest.json", _json(self._manifest(), indent=1))
            (self.partial / JOURNAL).unlink(missing_ok=True)
            self._move_into_place()
        self.closed = True

    def _append(self, split: Split, name: str, packed: Packed) -> dict[str, int]:
        """Appends the rows; gives where those of each modality begin."""
        blocks = {"visual": packed.visual, "audio": packed.audio}
        present = {modality: rows for modality, rows in blocks.items() if rows is not None}
        for modality, rows in present.items():
            shape = Rows(int(rows.shape[1]), rows.dtype.name)
            known = self._rows.setdefault(modality, shape)
            if shape != known:
                problem = f"{modality} rows of width {shape.width}, {shape.dtype}"
                raise UserError(name, problem, expected=f"width {known.width}, {known.dtype}, as the videos before it")
        starts = {modality: self._file(split, modality).count for modality in present}
        for modality, rows in present.items():
            self._file(split, modality).append(rows)
        return starts

    def _file(self, split: Split, modality: str) -> RowFile:
        if (split, modality) not in self._files:
            path = self.partial / split / f"{modality}.npy"
            self._files[split, modality] = RowFile(path, self._rows[modality])
        return self._files[split, modality]

    def _row_shapes(self) -> dict[str, list[Any]]:
        return {modality: [rows.width, rows.dtype] for modality, rows in self._rows.items()}

    def _check_place(self) -> None:
        aside = _aside(self.path)
        if aside.is_dir() and not self.path.exists():
            aside.rename(self.path)  # the process that replaced the bank died between two renames
        if not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir())):
            return
        if not (self.path / "manifest.json").is_file():
            raise UserError(self.path, "is there and is no bank", fix="choose another place; nothing was touched")
        if not self.overwrite:
            raise UserError(self.path, "a bank is there already", fix="choose another place, or say --overwrite")
        if not os.access(self.path.parent, os.W_OK):
            raise PermissionError(13, "Permission denied")

    def _begin(self) -> None:
        head = {"key": self.resume_key, "format": FORMAT, "dtype": self.dtype}
        lines = _read_journal(self.partial / JOURNAL)
        if self.resume_key is None or not lines or lines[0] != head:
            lines = [head]
            if self.partial.exists():
                shutil.rmtree(self.partial)
        self.partial.mkdir(exist_ok=True)
        intact = [lines[0]]
        for line in lines[1:]:
            if not self._recover(line):
                break
            intact.append(line)
        for file in self._files.values():
            file.cut(file.count)
        write_whole(self.partial / JOURNAL, b"".join(_json(line) for line in intact))
        self._journal = open(self.partial / JOURNAL, "ab", buffering=0)  # noqa: SIM115

    def _recover(self, line: dict[str, Any]) -> bool:
        """Takes over a video of the journal, if its rows are there and have their digest."""
        split, video = line["split"], from_record(line["video"])
        self._rows = {modality: Rows(*shape) for modality, shape in line["rows"].items()}
        visual = self._file(split, "visual")
        sizes = {"visual": video.snippets * len(video.crops)}
        if video.audio_start is not None:
            sizes["audio"] = video.snippets
        blocks = {m: self._file(split, m).read(self._file(split, m).count, size) for m, size in sizes.items()}
        if any(len(blocks[m]) != size for m, size in sizes.items()) or video.visual_start != visual.count:
            return False
        if rows_digest(blocks["visual"], blocks.get("audio")) != video.digest:
            return False
        for modality, size in sizes.items():
            self._file(split, modality).count += size
        self._videos[split][video.name] = video
        return True

    def _note(self, line: dict[str, Any]) -> None:
        assert self._journal is not None, "use the writer as a context manager"
        write_all(self._journal, _json(line))

    def _finish(self, split: Split) -> None:
        videos = sorted(self._videos[split].values(), key=lambda video: video.name)
        if videos != list(self._videos[split].values()):
            videos = self._sort(split, videos)
        self._file(split, "visual")  # there also in a split without videos, which a user's benchmark may have
        for modality in MODALITIES:
            if (split, modality) in self._files:
                self._files[split, modality].finish()
        self._videos[split] = {video.name: video for video in videos}
        lines = b",\n".join(_json(to_record(video)).rstrip() for video in videos)
        write_whole(self.partial / split / "videos.json", b"[\n" + lines + b"\n]\n")

    def _sort(self, split: Split, videos: list[BankVideo]) -> list[BankVideo]:
        """Brings the rows into the order of the videos; gives the videos with their new places."""
        (self.partial / JOURNAL).unlink(missing_ok=True)  # its places hold no longer
        with_sound = [video for video in videos if video.audio_start is not None]
        spans = {"visual": [(video.visual_start, video.snippets * len(video.crops)) for video in videos]}
        spans["audio"] = [(video.audio_start or 0, video.snippets) for video in with_sound]
        for modality in MODALITIES:
            if (split, modality) in self._files:
                self._files[split, modality].reorder(spans[modality])
        return _placed(videos)

    def _manifest(self) -> dict[str, Any]:
        splits = {split: tuple(videos.values()) for split, videos in self._videos.items()}
        audio = self._rows.get("audio")
        return {
            "benchmark": self.benchmark.name,
            **({"definition": self.benchmark.facts} if self.benchmark.own else {}),
            "format": FORMAT,
            "content_hash": content_hash(self.benchmark.name, self._rows["visual"], audio, splits),
            "dtype": {modality: rows.dtype for modality, rows in self._rows.items()},
            "splits": {split: self._summary(split) for split in splits},
            "how": self.how,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "mmvad": mmvad.__version__,
        }

    def _summary(self, split: Split) -> dict[str, Any]:
        videos = self._videos[split].values()
        files = {modality: self._files.get((split, modality)) for modality in MODALITIES}
        return {
            "videos": len(videos),
            "with_sound": sum(video.audio_start is not None for video in videos),
            "snippets": sum(video.snippets for video in videos),
            "crops": sorted({crop for video in videos for crop in video.crops}),
            **{modality: [file.count, file.rows.width] if file else None for modality, file in files.items()},
        }

    def _move_into_place(self) -> None:
        aside = _aside(self.path)
        if aside.exists():
            shutil.rmtree(aside)
        if self.path.exists():
            self.path.rename(aside)
        os.replace(self.partial, self.path)
        sync_folder(self.path.parent)
        shutil.rmtree(aside, ignore_errors=True)

    def _abandon(self, kind: type[BaseException]) -> None:
        """Removes what was written, unless it was merely interrupted and can be continued."""
        for file in self._files.values():
            file.close()
        if self._journal:
            self._journal.close()
        if self.resume_key is None or issubclass(kind, UserError):
            shutil.rmtree(self.partial, ignore_errors=True)


def _placed(videos: list[BankVideo]) -> list[BankVideo]:
    """The videos with their rows one after the other, in this order."""
    placed, visual, audio = [], 0, 0
    for video in videos:
        has_audio = video.audio_start is not None
        placed.append(replace(video, visual_start=visual, audio_start=audio if has_audio else None))
        visual += video.snippets * len(video.crops)
        audio += video.snippets if has_audio else 0
    return placed


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.replaced")


def _json(value: object, indent: int | None = None) -> bytes:
    return (json.dumps(value, indent=indent) + "\n").encode()


def _read_journal(path: Path) -> list[dict[str, Any]]:
    """The journal's whole lines; a last line that was cut off does not count."""
    lines: list[dict[str, Any]] = []
    with suppress(OSError, ValueError):
        for line in path.read_bytes().split(b"\n")[:-1]:
            lines.append(json.loads(line))
    return lines
