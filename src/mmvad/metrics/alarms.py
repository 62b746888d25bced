"""Alarms: stretches of rows at or above an absolute threshold, and the events that they find.

The rule is that of sound event detection (Bilen et al., "A Framework for the Robust Evaluation of Sound Event
Detection", ICASSP 2020), for one class: an alarm is right if at least a share of it lies in events, else it is false;
an event is found if right alarms cover at least a share of it. `Rule` has both shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from mmvad.metrics.rows import ScoredRows


@dataclass(frozen=True)
class Rule:
    """When an alarm is right, and when an event is found.

    Attributes:
        of_alarm: the share of an alarm that must lie in events.
        of_event: the share of an event that right alarms must cover; 0: touching it is enough.
    """

    of_alarm: float
    of_event: float

    def is_right(self, inside: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Which alarms are right, by their frames in events and all their frames."""
        return (inside > 0) & (inside >= self.of_alarm * frames - _ROUNDING)

    def is_found(self, covered: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Which events are found, by their frames in right alarms and all their frames."""
        return (covered > 0) & (covered >= self.of_event * frames - _ROUNDING)


_ROUNDING = 1e-9
RAISED = Rule(of_alarm=0.5, of_event=0.0)
"""An operator's: half of a right alarm is in an event, and an event is found once a right alarm touches it."""
LOCALISED = Rule(of_alarm=0.5, of_event=0.5)
"""For the F1 and AP of events: right alarms must also cover half of the event."""


@dataclass(frozen=True)
class Alarms:
    """What one threshold raises.

    Attributes:
        false, right: alarms of each video, int64 [V].
        found: which events are found, bool [e].
        delay: seconds from each event's onset to the first right alarm in it, 0 where that is up before; NaN where no
            right alarm touches it; float64 [e].
    """

    false: np.ndarray
    right: np.ndarray
    found: np.ndarray
    delay: np.ndarray


def alarms_at(rows: ScoredRows, threshold: float, rule: Rule = RAISED) -> Alarms:
    """The alarms at one threshold."""
    events = rows.events
    above = rows.scores >= threshold
    goes_on = np.append(False, above[:-1] & (rows.owner[1:] == rows.owner[:-1]))
    begins = above & ~goes_on
    alarm = np.cumsum(begins) - 1
    count = int(begins.sum())
    frames, inside = (np.bincount(alarm[above], part[above], count) for part in (rows.frames, rows.positives))
    is_right = rule.is_right(inside, frames)
    in_right = np.zeros(len(above), dtype=bool)
    in_right[above] = is_right[alarm[above]]
    owner = rows.owner[begins]
    hit = in_right[events.pair_row]
    covered = np.bincount(events.pair_event[hit], events.pair_frames[hit], len(events.start))
    return Alarms(
        np.bincount(owner[~is_right], minlength=rows.videos),
        np.bincount(owner[is_right], minlength=rows.videos),
        rule.is_found(covered, events.frames),
        _delays(rows, hit),
    )


def _delays(rows: ScoredRows, hit: np.ndarray) -> np.ndarray:
    """Seconds to the first row of each event that a right alarm has; `hit` [p] says which pairs are such."""
    events = rows.events
    first = np.full(len(events.start), np.inf)
    np.minimum.at(first, events.pair_event[hit], rows.start[events.pair_row[hit]])
    late = np.maximum(first - events.start, 0) / rows.rate[events.video]
    return np.where(np.isfinite(first), late, np.nan)


@dataclass(frozen=True)
class AlarmCurve:
    """False alarms and events found at every threshold that changes either; thresholds fall.

    The lowest score of all is none: a threshold that every row reaches tells nothing apart.

    Attributes:
        thresholds: float64 [k].
        false: alarms that are false, int64 [k].
        found: events that are found, int64 [k].
    """

    thresholds: np.ndarray
    false: np.ndarray
    found: np.ndarray


def alarm_curve(rows: ScoredRows, rule: Rule = RAISED) -> AlarmCurve:
    """The exact curve over all thresholds, from the stretches that they can cut out of the scores."""
    stretches = Stretches.of(rows)
    is_right = rule.is_right(stretches.inside(rows), stretches.frames(rows))
    wrong = np.flatnonzero(~is_right)
    parts = [(stretches.birth[wrong], np.ones(len(wrong)), 0), (stretches.death[wrong], -np.ones(len(wrong)), 0)]
    for scores, change in _found_changes(rows, stretches, is_right, rule):
        parts.append((scores, change, 1))
    scores = np.concatenate([part[0] for part in parts])
    changes = np.zeros((len(scores), 2))
    at = 0
    for own, change, column in parts:
        changes[at : at + len(own), column] = change
        at += len(own)
    thresholds, totals = totals_by_threshold(scores, changes)
    kept = thresholds > (rows.scores.min() if len(rows.scores) else np.inf)
    return AlarmCurve(thresholds[kept], *totals[kept].round().astype(np.int64).T)


def totals_by_threshold(scores: np.ndarray, changes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct finite scores, falling [k], and the sums of `changes` [m, q] of all that is at or above each [k, q]."""
    there = np.isfinite(scores)
    scores, changes = scores[there], changes[there]
    order = np.argsort(-scores, kind="stable")
    falling, sums = scores[order], np.cumsum(changes[order], axis=0)
    last = np.append(falling[1:] != falling[:-1], True)[: len(falling)]
    return falling[last], sums[last]


@dataclass(frozen=True)
class Stretches:
    """Every stretch of rows that some threshold cuts out: alarms from `birth` down to above `death`.

    Attributes:
        video, first, last: its video, its first row and the one behind its last, int64 [s]; ordered by video.
        birth: its lowest score. death: the higher of its neighbours' scores, -inf for a whole video.
    """

    video: np.ndarray
    first: np.ndarray
    last: np.ndarray
    birth: np.ndarray
    death: np.ndarray

    @classmethod
    def of(cls, rows: ScoredRows) -> Stretches:
        """Found with a stack of rising scores: a stretch ends where a lower score comes."""
        found: list[tuple[int, int, int, float, float]] = []
        scores, low = rows.scores.tolist(), float("-inf")
        borders = rows.first.tolist()
        for video, (begin, end) in enumerate(pairwise(borders)):
            stack: list[tuple[int, float]] = []
            for row in range(begin, end + 1):
                score = scores[row] if row < end else low
                start = row
                while stack and stack[-1][1] > score:
                    start, birth = stack.pop()
                    found.append((video, start, row, birth, max(score, stack[-1][1] if stack else low)))
                if not stack or stack[-1][1] < score:
                    stack.append((start, score))
        columns = list(zip(*found)) or [()] * 5
        whole = [np.array(column, dtype=np.int64) for column in columns[:3]]
        return cls(*whole, *(np.array(column, dtype=np.float64) for column in columns[3:]))

    def frames(self, rows: ScoredRows) -> np.ndarray:
        """Frames of each, [s]."""
        return self._sums(rows.frames)

    def inside(self, rows: ScoredRows) -> np.ndarray:
        """Of these the abnormal ones, [s]."""
        return self._sums(rows.positives)

    def _sums(self, values: np.ndarray) -> np.ndarray:
        before = np.concatenate([[0], np.cumsum(values)])
        return before[self.last] - before[self.first]

    @cached_property
    def of_video(self) -> np.ndarray:
        """Where each video's stretches begin, [V + 1] up to the last video that has any."""
        return np.searchsorted(self.video, np.arange(self.video[-1] + 2 if len(self.video) else 1))


def _found_changes(
    rows: ScoredRows, stretches: Stretches, is_right: np.ndarray, rule: Rule
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For every event the scores at which it begins (+1) and ceases (-1) to be found."""
    events = rows.events
    at = np.searchsorted(events.pair_event, np.arange(len(events.start) + 1))
    changes = []
    for event, video in enumerate(events.video):
        own = slice(stretches.of_video[video], stretches.of_video[video + 1])
        pairs = slice(at[event], at[event + 1])
        low, shared = events.pair_row[pairs.start], np.concatenate([[0], np.cumsum(events.pair_frames[pairs])])
        first, last = (np.clip(edge[own] - low, 0, len(shared) - 1) for edge in (stretches.first, stretches.last))
        covered = np.where(is_right[own], shared[last] - shared[first], 0)
        some = covered > 0
        scores = np.concatenate([stretches.birth[own][some], stretches.death[own][some]])
        both = np.concatenate([covered[some], -covered[some]])[:, None].astype(np.float64)
        thresholds, sums = totals_by_threshold(scores, both)
        found = rule.is_found(sums[:, 0], events.frames[event])
        changes.append((thresholds, np.diff(found.astype(np.int64), prepend=0).astype(np.float64)))
    return changes
