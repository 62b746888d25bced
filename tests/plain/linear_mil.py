"""A linear multiple-instance scorer in its plainest form: one weight a feature, trained on video labels.

It knows nothing of time and nothing of how picture and sound belong together; what it reaches, a benchmark gives away.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FRAMES = 16
STEPS = 300
RATE = 0.02
POOLS = ("max", "top", "mean")


def train_linear_mil(
    videos: Sequence[np.ndarray], abnormal: Sequence[bool], pool: str, decay: float = 1e-3
) -> tuple[np.ndarray, float]:
    """Weights [d] and bias of logistic regression on each video's pooled score, fitted with Adam.

    Args:
        videos: [n, d] each.
        pool: a video's score is its snippets' `max`, the mean of the `top` n // 16 + 1, or their `mean`.
    """
    truth = np.array(abnormal, dtype=float)
    parameters = np.zeros(videos[0].shape[1] + 1)
    first, second = np.zeros_like(parameters), np.zeros_like(parameters)
    means = np.stack([rows.mean(axis=0) for rows in videos])
    for step in range(1, STEPS + 1):
        weights, bias = parameters[:-1], parameters[-1]
        pooled = means if pool == "mean" else np.stack([pooled_row(rows, rows @ weights, pool) for rows in videos])
        error = 1 / (1 + np.exp(-(pooled @ weights + bias))) - truth
        gradient = np.append(pooled.T @ error / len(truth) + decay * weights, error.mean())
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        parameters = parameters - RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return parameters[:-1], float(parameters[-1])


def pooled_row(rows: np.ndarray, scores: np.ndarray, pool: str) -> np.ndarray:
    """The mean of the rows [n, d] that make the video's score: [d]."""
    count = {"max": 1, "top": len(rows) // FRAMES + 1}[pool]
    return rows[np.argpartition(-scores, count - 1)[:count]].mean(axis=0)


def linear_scores(
    train: Sequence[np.ndarray], abnormal: Sequence[bool], test: Sequence[np.ndarray], pool: str, decay: float = 1e-3
) -> np.ndarray:
    """Scores of all test snippets, one after the other; features are standardised by the training snippets."""
    stacked = np.concatenate(train)
    mean, deviation = stacked.mean(axis=0), stacked.std(axis=0) + 1e-6
    weights, bias = train_linear_mil([(rows - mean) / deviation for rows in train], abnormal, pool, decay)
    return (np.concatenate(test) - mean) / deviation @ weights + bias
