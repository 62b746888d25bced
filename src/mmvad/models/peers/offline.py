"""What the peers share that learn from normal videos before training: those videos' features, and scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

import numpy as np

from mmvad.errors import UserError
from mmvad.models.model import Batch


def normal_features(batches: Iterable[Batch]) -> list[np.ndarray]:
    """The valid segments of every normal sample: float32 [N, n, d] each, N its crops. Labels of others are not read.

    Raises UserError where fewer than two samples are normal.
    """
    found = [b.visual[:, b.mask[0]].float().cpu().numpy() for b in batches if not b.abnormal.any()]
    if len(found) < 2:
        raise UserError(
            "data.bank",
            f"{len(found)} of its training samples are normal",
            expected="at least two, for a model of what is normal",
            fix="take a bank with normal training videos",
        )
    return found


def scikit_learn(room: str) -> Any:
    """A module of scikit-learn, such as `svm`. Raises UserError where it is not installed."""
    try:
        return import_module(f"sklearn.{room}")
    except ImportError as error:
        raise UserError(
            "model.name",
            f"scikit-learn is not there ({error})",
            expected="the packages of the extra `peers`",
            fix="pip install 'mmvad[peers]'",
        ) from error
