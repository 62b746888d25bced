"""From scores to alarms, with hysteresis. Pure: scores in, what begins and ends out.

An alarm opens with the first score of at least `on`, and closes before the first one below `off`. It is raised once it
has lasted `shortest` seconds; one that closes before is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmvad.errors import UserError


@dataclass(frozen=True)
class Hysteresis:
    """When there is an alarm.

    Attributes:
        on: the score at which one opens.
        off: the score below which it closes, at most `on`.
        shortest: seconds that it must last.
    """

    on: float
    off: float
    shortest: float = 0.0

    def __post_init__(self) -> None:
        """Raises UserError, naming the option, for numbers that make no sense."""
        for name in ("on", "off"):
            if not 0 < getattr(self, name) <= 1:
                raise UserError(f"--{name}", f"{getattr(self, name):g}", expected="a score above 0, at most 1")
        if self.off > self.on:
            raise UserError("--off", f"{self.off:g} is above --on {self.on:g}", expected="at most --on")


@dataclass(frozen=True)
class ScoredSnippet:
    """A snippet's second of begin and end, its score, and its most probable class, where that is an abnormal one."""

    start: float
    end: float
    score: float
    label: str | None = None
    probability: float | None = None


@dataclass(frozen=True)
class Alarm:
    """A stretch of high scores.

    Attributes:
        number: counted from 1.
        start, end: seconds; `end` is how far it has come, as long as it is open.
        peak: its highest score.
        label, probability: the class that is the most probable one of any of its snippets; None where none is.
        open: whether it still goes on.
    """

    number: int
    start: float
    end: float
    peak: float
    label: str | None
    probability: float | None
    open: bool = True


class AlarmState:
    """The state machine: at most one alarm is open.

    Args:
        raised: how many there were before.
    """

    def __init__(self, rule: Hysteresis, raised: int = 0) -> None:
        self.rule, self.raised = rule, raised
        self._open: Alarm | None = None
        self._is_raised = False

    def take(self, snippets: Sequence[ScoredSnippet]) -> list[Alarm]:
        """The alarms that these snippets raise (`open`) and close, in order."""
        return [alarm for snippet in snippets for alarm in self._next(snippet)]

    def close(self) -> list[Alarm]:
        """The open alarm, closed where it has come to: the stream has ended."""
        found, self._open = self._open, None
        if found is None or not self._is_raised:
            return []
        return [replace(found, open=False)]

    def _next(self, snippet: ScoredSnippet) -> list[Alarm]:
        if self._open is None:
            if not snippet.score >= self.rule.on:
                return []
            self._is_raised = False
            self._open = Alarm(
                self.raised + 1, snippet.start, snippet.end, snippet.score, snippet.label, snippet.probability
            )
        elif snippet.score < self.rule.off:
            return self.close()
        else:
            self._open = _with(self._open, snippet)
        if self._is_raised or self._open.end - self._open.start < self.rule.shortest - 1e-9:
            return []
        self._is_raised = True
        self.raised += 1
        return [self._open]


def _with(alarm: Alarm, snippet: ScoredSnippet) -> Alarm:
    alarm = replace(alarm, end=snippet.end, peak=max(alarm.peak, snippet.score))
    if snippet.probability is None or snippet.probability <= (alarm.probability or 0.0):
        return alarm
    return replace(alarm, label=snippet.label, probability=snippet.probability)
