"""`optim.*`, and the learning-rate schedules: a schedule is a function and a line in `SCHEDULES`.

Each takes how much of the training is done, from 0 to 1 (of a stage, where networks are trained one after another), and
`optim.*`; it gives what the initial learning rate is multiplied with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import Field

from mmvad.sections import Count, NotNegative, Positive, Section, Share

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


class Optim(Section):
    name: Literal["adam", "adamw", "adagrad", "sgd", "nesterov", "rmsprop"] = "adam"
    """optimiser; `nesterov` is `sgd` with Nesterov's momentum, 0.9"""
    learning_rate: Positive = 1e-5
    """initial learning rate"""
    weight_decay: NotNegative = 0.0
    """of the optimiser"""
    schedule: Literal[*SCHEDULES] = "milestones"  # type: ignore[valid-type]
    """x0.1 at each of `milestones`; cosine to 0; or constant"""
    milestones: tuple[Share, ...] = (0.3, 0.6)
    """when the learning rate falls, as shares of the epochs"""
    cosine_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """how much of the cosine's way down is gone by the end of training"""
    schedule_by: Literal["epochs", "steps"] = "epochs"
    """the learning rate changes after every epoch, or after every step"""
    warmup: Share = 0.0
    """share of the training in which the learning rate rises linearly; the schedule is not put off by it"""
    epochs: Count = 60
    """passes over every crop of every training video"""
    gradient_clip: NotNegative = 0.0
    """largest gradient norm; 0 clips nothing"""
