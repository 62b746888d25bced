"""What extraction asks of a network, be it built in or one's own: two small protocols, and the check of what it gives.

A tower is made once for an extraction, by a function of the device that it shall run on. `prepare` runs in a thread of
its own, beside the network; `encode` is called without gradients, in the precision of `--precision`, one thread at a
time.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch

from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.errors import UserError
from mmvad.system.device import autocast


class VisualTower(Protocol):
    """From frames to rows.

    Attributes:
        name: for `features.json` and messages.
        width: of a row.
        weights_sha256: of the weights, so that features of others are never taken for these.
        frames: of a snippet's 16 that one row is made of: 1, 2, 4, 8 or 16, at even distances.
        size: the side of the square pictures that `encode` takes.
        preprocessing: what `prepare` and `encode` do to a picture, in words, for `features.json`.
    """

    name: str
    width: int
    weights_sha256: str
    frames: int
    size: int
    preprocessing: str

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """What `encode` shall see of a frame: uint8 [H, W, 3], RGB, to uint8 [size, size, 3]."""
        ...

    def encode(self, pictures: np.ndarray) -> np.ndarray | torch.Tensor:
        """Rows [N, width] of uint8 [N, size, size, 3], or of [N, frames, size, size, 3] where `frames` is above 1."""
        ...


class AudioTower(Protocol):
    """From sound to rows.

    Attributes:
        name, width, weights_sha256: as of `VisualTower`.
        rate: the samples a second that it takes.
        window: the samples that one row is made of; a window ends where its snippet ends.
    """

    name: str
    width: int
    weights_sha256: str
    rate: int
    window: int

    def prepare(self, window: np.ndarray) -> np.ndarray:
        """What `encode` shall take of a window, float32 [window], mono, from -1 to 1: an array of one shape."""
        ...

    def encode(self, prepared: np.ndarray) -> np.ndarray | torch.Tensor:
        """Rows [N, width] of N prepared windows."""
        ...


Tower = VisualTower | AudioTower
_ASKED = {
    "visual": {"name": str, "width": int, "weights_sha256": str, "frames": int, "size": int, "preprocessing": str},
    "audio": {"name": str, "width": int, "weights_sha256": str, "rate": int, "window": int},
}
FRAMES = tuple(n for n in range(1, SNIPPET_FRAMES + 1) if SNIPPET_FRAMES % n == 0)


def check_tower(tower: Any, kind: str, where: str) -> None:
    """Raises UserError, naming the option `where`, for what is no tower of that kind (`visual` or `audio`)."""
    asked = _ASKED[kind]
    lacking = [name for name in (*asked, "prepare", "encode") if not hasattr(tower, name)]
    wrong = [
        name for name, type_ in asked.items() if name not in lacking and not isinstance(getattr(tower, name), type_)
    ]
    wrong += [
        name
        for name, type_ in asked.items()
        if type_ is int and name not in (*lacking, *wrong) and getattr(tower, name) < 1
    ]
    if lacking or wrong:
        problem = f"a {type(tower).__name__} without {', '.join(lacking)}" if lacking else _said(tower, wrong[0])
        expected = f"{', '.join(f'{name} ({type_.__name__})' for name, type_ in asked.items())}, prepare(), encode()"
        raise UserError(where, problem, expected=expected, fix="docs/VIDEO.md shows a tower of one's own")
    if kind == "visual" and tower.frames not in FRAMES:
        raise UserError(where, _said(tower, "frames"), expected=f"one of {', '.join(map(str, FRAMES))}")


def _said(tower: Any, name: str) -> str:
    return f"its {name} is {getattr(tower, name)!r}"


@torch.inference_mode()
def rows_of(tower: Tower, prepared: np.ndarray, device: torch.device, precision: str) -> np.ndarray:
    """The tower's rows of what was prepared, float32 [N, width]. Raises UserError for rows of another shape."""
    with autocast(device, precision):
        found = tower.encode(prepared)
    rows = torch.as_tensor(found).float().cpu().numpy()
    if rows.shape != (len(prepared), tower.width):
        problem = f"gave an array of shape {rows.shape} for {len(prepared)} of what it takes"
        raise UserError(tower.name, problem, expected=f"({len(prepared)}, {tower.width}), as its width says")
    return rows


def prepared_picture(tower: VisualTower, frame: np.ndarray) -> np.ndarray:
    """The frame as the tower prepares it, uint8 [size, size, 3]. Raises UserError for anything else."""
    picture = tower.prepare(frame)
    if not (
        isinstance(picture, np.ndarray) and picture.shape == (tower.size, tower.size, 3) and picture.dtype == np.uint8
    ):
        found = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        expected = f"uint8 ({tower.size}, {tower.size}, 3)"
        raise UserError(tower.name, f"prepared a frame as {found}", expected=expected)
    return picture
