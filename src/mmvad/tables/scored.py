"""A finished run's scores together with their ground truth, which lies in the bank that the run was tested on."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mmvad.bank.index import BankVideo, from_record
from mmvad.errors import UserError
from mmvad.evaluation.run_folder import foreign_videos
from mmvad.metrics.checks import check_outputs
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.runs import RunFolder


@dataclass
class Truths:
    """Ground truth of test sets by the content hash of their bank; read once, features untouched.

    Attributes:
        banks: banks to look into besides the one that a run names, for results that were made elsewhere.
        fix: how the reader of an error says where a bank is.
    """

    banks: Sequence[Path] = ()
    fix: str = "mmvad report --bank DIR"
    _read: dict[str, tuple[BankVideo, ...]] = field(default_factory=dict)

    def of(self, bank_hash: str, recorded: str | None) -> tuple[BankVideo, ...]:
        """The test videos of the bank with that content. Raises UserError where no bank at hand has it."""
        if bank_hash not in self._read:
            banks = [*([Path(recorded)] if recorded else []), *self.banks]
            bank = next((path for path in banks if _content_hash(path) == bank_hash), None)
            if bank is None:
                named = recorded or f"with content {bank_hash[:12]}"
                raise UserError(f"bank {named}", "is not here, so there is no ground truth", fix=self.fix)
            self._read[bank_hash] = _test_videos(bank)
        return self._read[bank_hash]


def found_wrong(error: UserError, truths: Truths) -> str:
    """What a table says of scores that it could not read: where, what, and of a bank how to say where it lies."""
    return f"{error.where}: {error.problem}" + (f" (`{truths.fix}`)" if error.fix == truths.fix else "")


def require_banks(banks: Sequence[Path]) -> None:
    """Raises UserError for a folder that a user names as a bank and that is not there."""
    for folder in banks:
        if not folder.is_dir():
            raise UserError(folder, "no such folder", expected="a bank")


def scored_run(record: Mapping[str, Any], truths: Truths) -> list[ScoredVideo]:
    """The test videos of a run that `results.Results` lists. Raises UserError where scores or truth are missing."""
    return own_videos(RunFolder(Path(record["path"])), record["bank_hash"], record["bank"], truths)


def own_videos(folder: RunFolder, bank_hash: str, recorded: str | None, truths: Truths) -> list[ScoredVideo]:
    """Likewise by the run's folder and the bank that it names; scores from elsewhere have their truth with them."""
    if folder.foreign:
        return foreign_videos(folder)
    return scored_videos(folder.path, truths.of(bank_hash, recorded))


def scored_videos(folder: Path, truth: Sequence[BankVideo]) -> list[ScoredVideo]:
    """Every test video's outputs and ground truth, by name.

    Raises UserError where the scores are missing, broken, or not those of these videos.
    """
    path = RunFolder(folder).scores
    if not path.is_file():
        raise UserError(path, "no such file", expected="the scores that a run leaves", fix=_made_again(folder))
    return scores_in(path, truth, _made_again(folder))


def scores_in(path: Path, truth: Sequence[BankVideo], fix: str) -> list[ScoredVideo]:
    """Likewise from a file; `fix` is how it is made again."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            videos = [_joined(video, arrays, path, fix) for video in sorted(truth, key=lambda v: v.name)]
    except (OSError, ValueError, BadZipFile, EOFError) as error:
        # what is no archive at all numpy takes for pickles, and offers to load them unsafely
        problem = "it is no archive of arrays" if "allow_pickle" in str(error) else error
        raise UserError(path, f"cannot be read: {problem}", fix=fix) from error
    try:
        check_outputs(videos)
    except UserError as error:
        raise UserError(path, f"{error.where} {error.problem}", expected=error.expected, fix=fix) from None
    return videos


def _made_again(folder: Path) -> str:
    """How a run gets its scores back. Its sweep would not help: for that the report in the database is enough."""
    command = ["mmvad", "train", f"--config={folder / 'config.yaml'}", f"--runtime.results={folder.parent}"]
    return f"remove {folder / 'report.json'}, then `{shlex.join(command)}` (--data.bank=DIR where the bank has moved)"


def _joined(video: BankVideo, arrays: np.lib.npyio.NpzFile, path: Path, fix: str) -> ScoredVideo:
    coarse, classes = (arrays.get(f"{video.name}/{part}") for part in ("coarse", "classes"))
    joined = ScoredVideo(
        video.name,
        video.labels,
        video.events,
        video.intervals,
        coarse,
        classes,
        edges=video.edges,
        fps=video.timing.fps,
        annotators=video.annotators,
    )
    if joined.snippets != video.snippets:
        expected = f"{video.snippets}, as in the bank"
        raise UserError(path, f"{joined.snippets} scores of {video.name}", expected=expected, fix=fix)
    return joined


def _content_hash(bank: Path) -> str | None:
    try:
        return str(json.loads((bank / "manifest.json").read_text(encoding="utf-8"))["content_hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _test_videos(bank: Path) -> tuple[BankVideo, ...]:
    index = bank / "test" / "videos.json"
    try:
        return tuple(from_record(record) for record in json.loads(index.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(index, f"cannot be read: {error}", fix="make the bank again") from error
