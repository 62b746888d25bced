"""Learning-rate schedules: a schedule is a function and a line in `SCHEDULES`. Below the settings that name them.

Each takes how much of the training is done, from 0 to 1 (of a stage, where networks are trained one after another), and
`optim.*`; it gives what the initial learning rate is multiplied with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmvad.config.schema import Optim

DECAY = 0.1


def milestones(done: float, optim: Optim) -> float:
    """0.1^(how many of `optim.milestones` have passed)."""
    return DECAY ** sum(done >= share for share in optim.milestones)


def cosine(done: float, optim: Optim) -> float:
    """(1 + cos(pi s done)) / 2, s = `optim.cosine_share`."""
    return 0.5 * (1 + math.cos(math.pi * min(done, 1) * optim.cosine_share))


def constant(done: float, optim: Optim) -> float:
    return 1.0


SCHEDULES: Mapping[str, Callable[[float, Optim], float]] = {
    "milestones": milestones,
    "cosine": cosine,
    "constant": constant,
}
"""By `optim.schedule`."""
