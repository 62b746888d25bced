"""The measures of use in their plainest form: videos as lists of frames, every threshold tried, loops throughout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf


@dataclass
class PlainVideo:
    """One score a frame, which frames are abnormal, frames a second."""

    scores: list[float]
    truth: list[bool]
    rate: float
    normal: bool

    @property
    def events(self) -> list[list[int]]:
        """Stretches of abnormal frames, each as its frames."""
        return stretches(self.truth)


def stretches(flags: Sequence[bool]) -> list[list[int]]:
    """Stretches of frames that are on."""
    found: list[list[int]] = []
    for frame, on in enumerate(flags):
        if on and (frame == 0 or not flags[frame - 1]):
            found.append([])
        if on:
            found[-1].append(frame)
    return found


def alarms(video: PlainVideo, threshold: float, of_alarm: float, of_event: float) -> tuple[int, list[float | None]]:
    """False alarms, and for every event the seconds to its first right alarm, None where it is not found."""
    false, right_frames = 0, set()
    for alarm in stretches([score >= threshold for score in video.scores]):
        inside = sum(video.truth[frame] for frame in alarm)
        if inside and inside >= of_alarm * len(alarm) - 1e-9:
            right_frames |= {*alarm}
        else:
            false += 1
    delays: list[float | None] = []
    for event in video.events:
        covered = [frame for frame in event if frame in right_frames]
        found = covered and len(covered) >= of_event * len(event) - 1e-9
        delays.append((covered[0] - event[0]) / video.rate if found else None)
    return false, delays


def thresholds_of(videos: Sequence[PlainVideo]) -> list[float]:
    """Every score but the lowest, falling."""
    return sorted({score for video in videos for score in video.scores}, reverse=True)[:-1]


def hours_of(videos: Sequence[PlainVideo]) -> float:
    return sum(len(video.scores) / video.rate for video in videos) / 3600


def best_point(videos: Sequence[PlainVideo], limit: float) -> tuple[float, float | None]:
    """Share of events found at up to `limit` false alarms an hour, and their mean delay in seconds."""
    best: tuple[int, list[float]] = (0, [])
    for threshold in thresholds_of(videos):
        each = [alarms(video, threshold, 0.5, 0.0) for video in videos]
        delays = [d for _, own in each for d in own if d is not None]
        if sum(false for false, _ in each) <= limit * hours_of(videos) + 1e-9 and len(delays) > best[0]:
            best = len(delays), delays
    events = sum(len(video.events) for video in videos)
    return best[0] / events, sum(best[1]) / len(best[1]) if best[1] else None


def event_f1(videos: Sequence[PlainVideo], threshold: float) -> float:
    each = [alarms(video, threshold, 0.5, 0.5) for video in videos]
    found = sum(d is not None for _, own in each for d in own)
    false, events = sum(n for n, _ in each), sum(len(video.events) for video in videos)
    return 2 * found / (found + false + events)


def event_ap(videos: Sequence[PlainVideo]) -> float:
    """Over n events, the mean for i = 1 .. n of the best precision of all thresholds that find i events or more."""
    events = sum(len(video.events) for video in videos)
    points = []
    for threshold in thresholds_of(videos):
        each = [alarms(video, threshold, 0.5, 0.5) for video in videos]
        found = sum(d is not None for _, own in each for d in own)
        points.append((found, found / max(found + sum(n for n, _ in each), 1)))
    return sum(max((p for found, p in points if found >= i), default=0) for i in range(1, events + 1)) / events


def latency_ap(videos: Sequence[PlainVideo]) -> float:
    """Precision times what the mean credit of events gains, over falling thresholds."""
    total, before = 0.0, 0.0
    for threshold in sorted({score for video in videos for score in video.scores}, reverse=True):
        credits, hits, all_above = [], 0, 0
        for video in videos:
            above = [score >= threshold for score in video.scores]
            hits += sum(on and abnormal for on, abnormal in zip(above, video.truth))
            all_above += sum(above)
            for event in video.events:
                first = min((frame for frame in event if above[frame]), default=inf)
                credits.append(0.0 if first == inf else 1 - (first - event[0]) / len(event))
        recall = sum(credits) / len(credits)
        total += (recall - before) * hits / all_above
        before = recall
    return total


def calibration(videos: Sequence[PlainVideo], bins: int) -> tuple[float, float]:
    """Expected calibration error and Brier score over all frames."""
    pairs = [(s, t) for video in videos for s, t in zip(video.scores, video.truth)]
    error = 0.0
    for b in range(bins):
        own = [(s, t) for s, t in pairs if min(int(s * bins), bins - 1) == b]
        if own:
            error += abs(sum(t for _, t in own) - sum(s for s, _ in own)) / len(pairs)
    return error, sum((s - t) ** 2 for s, t in pairs) / len(pairs)
