"""Which rows make a training batch: shuffled anew each epoch, from the seed and the epoch's number alone.

That makes the order of a resumed run the order of an undisturbed one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from mmvad.errors import UserError


class EpochSampler(Sampler[np.ndarray]):
    """Yields index arrays, one a batch. Every row is shown once an epoch; the last batch may be smaller.

    With `balanced` every batch is half abnormal, half normal; the rarer kind is shown again until the other has passed.
    """

    def __init__(self, abnormal: np.ndarray, batch_size: int, seed: int, balanced: bool) -> None:
        if balanced and abnormal.all() | ~abnormal.any():
            raise UserError(
                "data.balanced",
                f"all {len(abnormal)} training samples are {'abnormal' if abnormal.any() else 'normal'}",
                expected="samples of both kinds for batches of half and half",
                fix="set data.balanced=off, or take a bank with both kinds",
            )
        self.abnormal, self.batch_size, self.seed, self.balanced = abnormal, batch_size, seed, balanced
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        if self.balanced:
            most = max(int(self.abnormal.sum()), int((~self.abnormal).sum()))
            return -(-most // (self.batch_size // 2))
        return -(-len(self.abnormal) // self.batch_size)

    def __iter__(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng([self.seed, self.epoch])
        if not self.balanced:
            order = rng.permutation(len(self.abnormal))
            yield from (order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size))
            return
        half = self.batch_size // 2
        kinds = [rng.permutation(np.flatnonzero(self.abnormal == kind)) for kind in (False, True)]
        most = max(map(len, kinds))
        for i in range(0, most, half):
            positions = np.arange(i, min(i + half, most))
            yield np.concatenate([kind[positions % len(kind)] for kind in kinds])


def held_out(labels: list[tuple[str, ...]], share: float, seed: int) -> np.ndarray:
    """Which training videos are held out: bool [videos], `share` of each first label's videos, at least one of two."""
    rng = np.random.default_rng([seed, 0x5EED])
    first = np.array([names[0] for names in labels])
    out = np.zeros(len(labels), dtype=bool)
    for label in sorted(set(first)):
        positions = np.flatnonzero(first == label)
        wanted = min(max(round(share * len(positions)), 1), len(positions) - 1) if share else 0
        out[rng.permutation(positions)[:wanted]] = True
    return out
