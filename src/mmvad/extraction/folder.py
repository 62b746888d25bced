"""A folder of extracted features: the files, how they were made, and which videos are finished.

DIR/features.json             how the features were made: networks, weights' hashes, sampling, windows, crops, decoder
DIR/videos.jsonl              one line a finished video, written after its features
DIR/visual/<video>__<crop>.npy, DIR/audio/<video>__vggish.npy      of any videos (<video>.npy of other sound), or
DIR/<as the benchmark's CLIP release>                               of a benchmark's: `mmvad data import` reads it
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark, Video
from mmvad.errors import UserError, nearest_name
from mmvad.extraction.extractor import VideoFeatures
from mmvad.extraction.video_files import video_name
from mmvad.releases.arrays.reading import read_header
from mmvad.releases.layouts import AUDIO, LAYOUTS
from mmvad.system.disk import disk_errors, write_all, write_whole

FORMAT = 1
MANIFEST, JOURNAL = "features.json", "videos.jsonl"
_FREE = ("format", "versions", "weights")
"""What may differ between two extractions into one folder: the hash says more of the weights than their name."""

_NEEDED = {"video", "bytes", "modified_ns", "snippets", "audio"}
"""What a line of the journal must say for its video to count as finished."""


@dataclass(frozen=True)
class FeaturePaths:
    """Where a video's files lie: by name, or as the benchmark's CLIP release has it (`videos` are then its lists).

    Attributes:
        vggish: whether the sound is VGGish's: that of others is not called so.
    """

    root: Path
    benchmark: Benchmark | None = None
    videos: Mapping[str, Video] = field(default_factory=dict)
    vggish: bool = True

    def visual(self, name: str, crop: int) -> Path:
        """Raises UserError for a video that the benchmark's lists do not have."""
        if self.benchmark is None:
            return self.root / "visual" / f"{name}__{crop}.npy"
        layout, video = LAYOUTS[self.benchmark.name][0], self._listed(self.benchmark, name)
        if layout.folders is not None:
            return self.root / layout.folders[video.split] / layout.file_name(name, crop)
        return self.root / layout.root / _class_folder(self.benchmark, video) / layout.file_name(name, crop)

    def audio(self, name: str) -> Path:
        """Raises UserError for a video that the benchmark's lists do not have."""
        if self.benchmark is None:
            return self.root / "audio" / f"{name}{'__vggish' if self.vggish else ''}.npy"
        return self.root / AUDIO / self._listed(self.benchmark, name).split / f"{name}__vggish.npy"

    def _listed(self, benchmark: Benchmark, name: str) -> Video:
        if name not in self.videos:
            nearest = nearest_name(name, self.videos)
            expected = f"a video of {benchmark.title}'s lists, or no --benchmark"
            raise UserError(name, f"is in no list of {benchmark.title}", expected=expected, nearest=nearest)
        return self.videos[name]


def _class_folder(benchmark: Benchmark, video: Video) -> str:
    if video.labels[0] != benchmark.normal:
        return video.labels[0]
    return f"{'Training' if video.split == 'train' else 'Testing'}_Normal_Videos_Anomaly"


class FeatureFolder:
    """The folder, open for one extraction; threads may save into it side by side.

    Raises UserError, changing nothing, where it holds features that were made otherwise.
    """

    def __init__(self, paths: FeaturePaths, description: Mapping[str, Any]) -> None:
        self.paths = paths
        self.crops = int(description["visual"]["crops"])
        self.warnings: list[str] = []
        self._records: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        name = paths.benchmark.name if paths.benchmark else None
        manifest = {"format": FORMAT, "made_by": "mmvad extract", "benchmark": name, **description}
        with disk_errors(paths.root):
            self._open(json.loads(json.dumps(manifest)))

    def is_done(self, path: Path) -> bool:
        """Whether this very file was extracted before and its features are there."""
        record = self._records.get(video_name(path))
        if record is None or not path.is_file() or _identity(path) != {k: record[k] for k in _identity(path)}:
            return False
        files = [self.paths.visual(record["video"], crop) for crop in range(self.crops)]
        files += [self.paths.audio(record["video"])] if record["audio"] else []
        try:
            return all(read_header(file).rows == record["snippets"] for file in files)
        except UserError:
            return False

    def save(self, path: Path, features: VideoFeatures) -> None:
        """Writes the features, then the line that says that they are there. Raises UserError for a full disk."""
        name = video_name(path)
        for crop, rows in features.visual.items():
            _write_rows(self.paths.visual(name, crop), rows)
        if features.audio is not None:
            _write_rows(self.paths.audio(name), features.audio)
        else:
            self.paths.audio(name).unlink(missing_ok=True)
        self._note(name, _record(path, features))

    def close(self) -> None:
        """Sorts the journal by name: however often the extraction was stopped, it ends with the same file."""
        lines = [_line(self._records[name]) for name in sorted(self._records)]
        write_whole(self.paths.root / JOURNAL, b"".join(lines))

    def _open(self, manifest: dict[str, Any]) -> None:
        root = self.paths.root
        before = _read_manifest(root / MANIFEST)
        if before is None:
            _check_unclaimed(root)
            root.mkdir(parents=True, exist_ok=True)
            write_whole(root / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
            before = manifest
        changed = differences(before, manifest)
        if changed:
            raise UserError(
                root,
                "holds features that were made otherwise: " + "; ".join(changed),
                expected="one way of extraction a folder",
                fix="choose another folder with --out, or the settings that its features.json names",
            )
        if before["versions"] != manifest["versions"]:
            self.warnings.append(f"{root / MANIFEST} names other versions of decoder or libraries: features may differ")
        self._records = _read_journal(root / JOURNAL)
        self.close()  # a last line that was cut off goes

    def _note(self, name: str, record: dict[str, Any]) -> None:
        journal = self.paths.root / JOURNAL
        with self._lock, disk_errors(journal):
            with open(journal, "ab", buffering=0) as file:
                write_all(file, _line(record))
            self._records[name] = record


def _record(path: Path, features: VideoFeatures) -> dict[str, Any]:
    return {
        "video": video_name(path),
        "file": path.name,
        **_identity(path),
        "snippets": len(features.starts) - 1,
        "frames": features.frames,
        "frames_per_second": round(features.frames_per_second, 4),
        "seconds": round(float(features.starts[-1]), 3),
        "audio": features.audio is not None,
        "warnings": list(features.warnings),
    }


def _read_journal(path: Path) -> dict[str, dict[str, Any]]:
    """The finished videos, by name; a damaged line is a video that is made again.

    Raises UserError where the file is there and cannot be read: to write it anew would lose every video.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(path, f"cannot be read: {error.strerror}", fix="mend that, or choose another --out") from error
    records: dict[str, dict[str, Any]] = {}
    for line in lines:
        with suppress(ValueError, TypeError):
            record = json.loads(line)
            if isinstance(record, dict) and record.keys() >= _NEEDED:
                records[record["video"]] = record
    return records


def _identity(path: Path) -> dict[str, int]:
    status = path.stat()
    return {"bytes": status.st_size, "modified_ns": status.st_mtime_ns}


def _line(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, ensure_ascii=True) + "\n").encode()


def _write_rows(path: Path, rows: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, buffer.getvalue())


def _read_manifest(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] == FORMAT and {"visual", "audio", "versions"} <= manifest.keys():
            return manifest
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(path, f"cannot be read: {error!r}", fix="choose another folder with --out") from error
    raise UserError(path, "is of another format", expected=f"format {FORMAT}", fix="choose another folder with --out")


def _check_unclaimed(root: Path) -> None:
    """Raises UserError where features lie that no manifest tells of."""
    stray = next(root.rglob("*.npy"), None) if root.is_dir() else None
    if stray is not None:
        problem = f"holds features of unknown making, such as {stray.relative_to(root)}"
        raise UserError(root, problem, expected=f"an empty folder, or one with {MANIFEST}", fix="choose another folder")


def differences(before: Any, now: Any, key: str = "") -> list[str]:
    """What differs between two manifests, as `key: there, here`."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = [name for name in {**before, **now} if name not in _FREE]
        return [d for name in names for d in differences(before.get(name), now.get(name), f"{key}.{name}".strip("."))]
    if before == now:
        return []
    there, here = ("none" if v is None else "some" if isinstance(v, dict) else str(v)[:24] for v in (before, now))
    return [f"{key} is {there} there, {here} here"]
