"""Which audio row belongs to which visual row, and which files of a video must be equally long.

Rows join by index. Audio may be one row shorter (its last row is repeated) or one row longer (its last row is dropped):
a visual row is never dropped. A larger difference means that the files are not of the same video.
"""

from __future__ import annotations

import numpy as np

from mmvad.errors import UserError


def check_audio_length(ticks: int, snippets: int, audio_file: object, visual_file: object) -> None:
    """Raises UserError, naming both files, if audio rows and visual rows differ by more than one."""
    if abs(ticks - snippets) > 1 or ticks == 0:
        raise UserError(
            audio_file,
            f"{ticks} rows of sound, but {snippets} of picture",
            expected=f"{snippets} rows, one more or one less, as {visual_file} has",
            fix="they are of different videos, one is cut off, or their rows stand for different stretches of time",
        )


def check_crop_lengths(rows: int, other_rows: int, file: object, other_file: object) -> None:
    """Raises UserError, naming both files, if two crops of one video differ in length."""
    if rows != other_rows:
        raise UserError(
            file,
            f"{rows} rows, but other crops have {other_rows}",
            expected=f"{other_rows} rows, as {other_file} has",
            fix="the file is cut off or of another video: bring in this one anew",
        )


def join_audio(audio: np.ndarray, snippets: int, audio_file: object, visual_file: object) -> np.ndarray:
    """The audio rows [snippets, d_a] that belong to the visual rows, joined by index.

    Raises UserError, naming both files, if [ticks, d_a] and the visual file differ by more than one row.
    """
    check_audio_length(len(audio), snippets, audio_file, visual_file)
    if len(audio) < snippets:
        return np.concatenate([audio, audio[-1:]])
    return audio[:snippets]
