"""Rows of features, frames and seconds: which frames a row stands for. This arithmetic lives here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmvad.errors import UserError

if TYPE_CHECKING:
    import numpy as np

SNIPPET_FRAMES = 16
"""Frames that a row of features (a snippet) stands for, where nothing else is said."""


@dataclass(frozen=True)
class Timing:
    """Which frames a video's rows stand for; by default every row for 16, as the public protocol has it.

    Attributes:
        frames: raw frames of the video, to whose end the last row reaches; None where rows alone count.
        row_frames: frames of a row, also broken ones; None for 16, or, with `frames`, for equal shares of the video.
        fps: frames a second; None for the benchmark's.
    """

    frames: int | None = None
    row_frames: float | None = None
    fps: float | None = None

    def borders(self, rows: int) -> np.ndarray:
        """Frames at which the rows begin, and at which the last one ends: int64 [rows + 1], never falling."""
        import numpy as np  # here alone, so that a configuration, which knows the benchmarks, is read without it

        row = np.arange(rows + 1, dtype=np.int64)
        if self.row_frames is None:
            return row * SNIPPET_FRAMES if self.frames is None else row * self.frames // max(rows, 1)
        borders = np.floor(row * self.row_frames + 1e-6).astype(np.int64)
        if self.frames is not None:
            borders = np.minimum(borders, self.frames)
            borders[-1] = self.frames
        return borders

    def edges(self, rows: int) -> np.ndarray | None:
        """The borders; None where every row stands for 16 frames."""
        return None if self.frames is None and self.row_frames is None else self.borders(rows)

    def duration(self, rows: int, usual: float) -> float:
        """Seconds that so many rows last; `usual` are the benchmark's frames a second."""
        return float(self.borders(rows)[-1]) / (self.fps or usual)

    def check(self, rows: int, file: object) -> None:
        """Raises UserError, naming `file`, where so many rows cannot stand for the frames: one too many or few may be.

        Programs drop the last, broken row, pad it, or begin one more.
        """
        if self.frames is None or self.row_frames is None or abs(rows - self.frames / self.row_frames) <= 1:
            return
        least = max(int(self.frames / self.row_frames), 1)
        raise UserError(
            file,
            f"{rows} rows cannot stand for {self.frames} frames at {self.row_frames:g} frames a row",
            expected=f"{least} or {least + 1} rows, give or take one",
            fix=f"say in the benchmark's `row` what a row stands for (here about {self.frames / rows:.4g} frames), or "
            "mend the video's `frames`",
        )

    def record(self) -> dict[str, Any]:
        """What is said, as plain JSON values."""
        return {key: value for key, value in self.__dict__.items() if value is not None}


PUBLISHED = Timing()
"""Every row stands for 16 frames."""


def frame_truth(intervals: Sequence[tuple[int, int]], frames: int) -> np.ndarray:
    """Ground truth of one video: bool [frames]; intervals are end-exclusive and cut to the video."""
    import numpy as np

    truth = np.zeros(frames, dtype=bool)
    for start, end in intervals:
        truth[max(start, 0) : max(end, 0)] = True
    return truth
