"""A bank: the features of one benchmark, packed in one array a modality and split, memory-mapped, with a manifest.

BANK/manifest.json            written last: benchmark, content hash, sources, shapes, crop policy
BANK/{train,test}/visual.npy  [sum over videos of crops * snippets, d]  a video's crops lie one after the other
BANK/{train,test}/audio.npy   [sum over videos with sound of snippets, d_a]; absent where no video has sound
BANK/{train,test}/videos.json one record a video, in the order of the rows
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from mmvad.bank.index import FORMAT, BankVideo, Rows, content_hash, from_record, rows_digest
from mmvad.bank.rows import HEADER_BYTES
from mmvad.bank.writer import BankWriter, partial_of
from mmvad.benchmarks.benchmark import Benchmark, Split
from mmvad.benchmarks.registry import benchmark, remember
from mmvad.errors import UserError, nearest_name
from mmvad.system.disk import disk_errors, sole_writer, write_whole

__all__ = ["Bank", "BankVideo", "BankWriter", "SplitBank", "is_bank", "open_bank", "verify_bank"]

_AGAIN = "make the bank again: mmvad data import BENCHMARK SOURCE --out BANK --overwrite"


@dataclass(frozen=True)
class SplitBank:
    """One split: its videos, sorted by name, and its rows, memory-mapped for reading.

    Attributes:
        visual: [sum of crops * snippets, d].
        audio: [sum of snippets of the videos with sound, d_a]; None where no video has sound.
    """

    videos: tuple[BankVideo, ...]
    visual: np.ndarray
    audio: np.ndarray | None

    @property
    def visual_width(self) -> int:
        return int(self.visual.shape[1])

    @property
    def audio_width(self) -> int:
        """d_a; 0 where no video of the split has sound."""
        return 0 if self.audio is None else int(self.audio.shape[1])

    def visual_rows(self, video: BankVideo, crop: int) -> np.ndarray:
        """The rows [snippets, d] of one crop. Raises UserError for a crop that the bank does not hold."""
        if crop not in video.crops:
            raise UserError(video.name, f"the bank has no crop {crop}", expected=f"one of {list(video.crops)}")
        start = video.visual_start + video.crops.index(crop) * video.snippets
        return self.visual[start : start + video.snippets]

    def audio_rows(self, video: BankVideo) -> np.ndarray | None:
        """The sound's rows [snippets, d_a], or None for a video without sound."""
        if self.audio is None or video.audio_start is None:
            return None
        return self.audio[video.audio_start : video.audio_start + video.snippets]


@dataclass(frozen=True)
class Bank:
    """An open bank. The features are read when they are asked for."""

    path: Path
    benchmark: str
    manifest: dict[str, Any]
    train: SplitBank
    test: SplitBank

    @property
    def content_hash(self) -> str:
        """What is in the bank, as one SHA-256: equal banks have equal hashes, wherever and whenever made."""
        return str(self.manifest["content_hash"])

    @property
    def features(self) -> str:
        """What the pictures were read with: CLIP, I3D, or another name that the maker gave."""
        return str(self.manifest.get("how", {}).get("features", "CLIP"))

    def split(self, name: Split) -> SplitBank:
        return self.train if name == "train" else self.test


def is_bank(path: Path) -> bool:
    """Whether a complete bank lies there."""
    return (path / "manifest.json").is_file()


def open_bank(path: Path | str) -> Bank:
    """The bank at `path`, its shapes checked against its index; the features themselves are not read.

    Raises UserError for a missing or half written bank, another format version, and files that do not fit each other.
    """
    path = Path(path)
    if not is_bank(path):
        raise _missing(path)
    manifest = _read_json(path / "manifest.json")
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else None
        raise UserError(path, f"a bank of format {found}", expected=f"format {FORMAT}", fix=_AGAIN)
    if not {"benchmark", "content_hash"} <= manifest.keys():
        raise UserError(path / "manifest.json", "names no benchmark or no content hash", fix=_AGAIN)
    train, test = (_open_split(path / split) for split in get_args(Split))
    facts = manifest.get("definition")
    known = remember(facts, path / "manifest.json") if facts else benchmark(manifest["benchmark"])
    return Bank(path, known.name, manifest, train, test)


def renew_facts(bank: Bank, now: Benchmark, features: str) -> bool:
    """Writes into a bank's manifest what a user's benchmark is by now; whether that is other than it was.

    Its rows and index stay as they are: prompts, names and classes that no video has are not in them.
    """
    manifest = bank.manifest
    renewed = {**manifest, "definition": now.facts, "how": {**manifest.get("how", {}), "features": features}}
    if not now.own or renewed == manifest:
        return False
    with sole_writer(bank.path), disk_errors(bank.path):
        write_whole(bank.path / "manifest.json", (json.dumps(renewed, indent=1) + "\n").encode())
    return True


def verify_bank(path: Path | str) -> str:
    """The content hash, computed anew from all the features. Raises UserError, naming videos, if anything changed."""
    bank = open_bank(path)
    changed = [f"{split}/{name}" for split, name, equal in verified_videos(bank) if not equal]
    if changed:
        raise UserError(
            bank.path,
            f"the features of {len(changed)} videos are not what was written: {', '.join(changed[:3])}",
            expected=f"content hash {bank.content_hash}",
            fix=_AGAIN,
        )
    found = index_hash(bank)
    if found != bank.content_hash:
        problem = f"content hash {found}: names, labels or annotations were changed"
        raise UserError(bank.path, problem, expected=bank.content_hash, fix=_AGAIN)
    return found


def verified_videos(bank: Bank) -> Iterator[tuple[Split, str, bool]]:
    """For each video, split and name, whether its features still have the digest that was written."""
    splits: tuple[Split, ...] = get_args(Split)
    for split in splits:
        part = bank.split(split)
        for video in part.videos:
            end = video.visual_start + len(video.crops) * video.snippets
            digest = rows_digest(part.visual[video.visual_start : end], part.audio_rows(video))
            yield split, video.name, digest == video.digest


def index_hash(bank: Bank) -> str:
    """The content hash of the index and the digests in it."""
    audio = next((part.audio for part in (bank.train, bank.test) if part.audio is not None), None)
    return content_hash(
        bank.benchmark,
        _rows(bank.train.visual),
        None if audio is None else _rows(audio),
        {"train": bank.train.videos, "test": bank.test.videos},
    )


def _rows(array: np.ndarray) -> Rows:
    return Rows(int(array.shape[1]), array.dtype.name)


def _open_split(folder: Path) -> SplitBank:
    try:
        videos = tuple(from_record(record) for record in _read_json(folder / "videos.json"))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(folder / "videos.json", f"a malformed record ({error!r})", fix=_AGAIN) from error
    visual = _map(folder / "visual.npy")
    audio = _map(folder / "audio.npy") if any(video.audio_start is not None for video in videos) else None
    spans = [(video.visual_start, video.snippets * len(video.crops)) for video in videos]
    _check_rows(folder / "visual.npy", visual, spans)
    if audio is not None:
        starts = [(video.audio_start, video.snippets) for video in videos]
        _check_rows(folder / "audio.npy", audio, [(start, n) for start, n in starts if start is not None])
    return SplitBank(videos, visual, audio)


def _check_rows(path: Path, rows: np.ndarray, spans: list[tuple[int, int]]) -> None:
    """The videos' rows follow each other without gap and fill the array."""
    end = 0
    for start, count in spans:
        if start != end:
            raise UserError(path, f"a video's rows begin at {start}", expected=f"row {end}", fix=_AGAIN)
        end += count
    if rows.ndim != 2 or rows.shape[0] != end:
        raise UserError(path, f"shape {list(rows.shape)}", expected=f"[{end}, d], as videos.json says", fix=_AGAIN)


def _map(path: Path) -> np.ndarray:
    try:
        empty = path.stat().st_size <= HEADER_BYTES  # nothing to map
        return np.load(path, mmap_mode=None if empty else "r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(path, f"cannot be opened: {error}", expected="an array of the bank", fix=_AGAIN) from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(path, f"cannot be read: {error}", expected="a file of the bank", fix=_AGAIN) from error


def _missing(path: Path) -> UserError:
    make = f"mmvad data import BENCHMARK [SOURCE] --out {path} (planted's own: mmvad planted --out {path})"
    if partial_of(path).is_dir():
        return UserError(path, "the bank is not finished", fix=f"wait for its import, or start it again: {make}")
    if path.exists():
        return UserError(path, "is no bank", expected="a folder with manifest.json", fix=f"make one: {make}")
    around = [p.name for p in path.parent.iterdir() if is_bank(p)] if path.parent.is_dir() else []
    nearest = nearest_name(path.name, around)
    return UserError(
        path,
        "there is no bank",
        nearest=str(path.parent / nearest) if nearest else None,
        fix=f"make one: {make}",
    )
