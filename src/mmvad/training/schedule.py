"""The learning rate over the training: the schedule that `optim.schedule` names, and the warm-up before it."""

from __future__ import annotations

from mmvad.config.optim import SCHEDULES, Optim


def rate_factor(optim: Optim, at: int, length: int | None = None, stages: int = 1) -> float:
    """What the initial learning rate is multiplied with at a place of the training, counted from 0.

    f(done) min(1, (p + 1) / (W + 1)), with p the place in its stage and W = `optim.warmup` of the stage's length: the
    rate rises in equal steps to where the schedule, which is not put off by that, then is. Each stage begins anew.

    Args:
        at: the epoch, or the step.
        length: how many of them the training has; by default the epochs.
    """
    length = length or optim.epochs
    stage = min(at * stages // length, stages - 1)
    done = (at * stages - stage * length) / length
    factor = SCHEDULES[optim.schedule](done, optim)
    if not optim.warmup:
        return factor
    whole = length / stages
    return factor * min(1.0, (done * whole + 1) / (optim.warmup * whole + 1))
