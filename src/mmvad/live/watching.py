"""A stream in, alarms out: what a connection brings becomes rows, scores, alarms; each goes where it is wanted."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.live.alarms import Alarm, AlarmState, Hysteresis, ScoredSnippet
from mmvad.live.clips import Clip
from mmvad.live.commands import AlarmCommand
from mmvad.live.lines import Lines
from mmvad.live.page import PageState
from mmvad.live.reading import Begun, Ended, Reader, Refused
from mmvad.live.rows import Row, RowMaker
from mmvad.live.scoring import RunScorer, StreamScores
from mmvad.live.seeing import SeenSnippet
from mmvad.live.telling import Teller
from mmvad.system.stopping import interrupts_wait

_LOOK_SECONDS = 0.05
_DELAYS = 10_000
"""Of the last scores that are kept, for the summary."""
_WRITING_SECONDS = 10.0
"""For which clips are waited for at the end."""


@dataclass(frozen=True)
class Outlets:
    """Where scores and alarms go.

    Attributes:
        every_score: whether each score is a line, too.
        clips: the folder of clips; `before` is how many seconds they begin before their alarm.
    """

    lines: Lines
    every_score: bool = False
    clips: Path | None = None
    before: float = 5.0
    command: AlarmCommand | None = None
    page: PageState | None = None


@dataclass
class Counts:
    """What a watch did; `delays` are seconds from a snippet's last frame to its score, of the last ones."""

    snippets: int = 0
    dropped: int = 0
    alarms: int = 0
    began: float = field(default_factory=time.monotonic)
    delays: deque[float] = field(default_factory=lambda: deque(maxlen=_DELAYS))

    def said(self, connections: int) -> str:
        """The summary."""
        passed = max(time.monotonic() - self.began, 1e-9)
        parts = [f"{self.snippets} snippets scored in {timedelta(seconds=round(passed))}"]
        parts.append(f"{SNIPPET_FRAMES * self.snippets / passed:.1f} frames/s")
        parts.append(f"{self.dropped} dropped, {self.alarms} alarms, {connections} connections")
        if self.delays:
            median, high = np.quantile(self.delays, (0.5, 0.95))
            parts.append(f"from a snippet's last frame to its score {median:.2f} s (95 %: {high:.2f} s)")
        return "; ".join(parts)


class _Connected:
    """What belongs to one connection."""

    def __init__(self, begun: Begun, maker: RowMaker, scores: StreamScores, alarms: AlarmState) -> None:
        self.connection, self.offset, self.maker, self.scores = begun.connection, begun.offset, maker, scores
        self.alarms, self.ring = alarms, begun.ring
        self.wall = datetime.now(UTC)
        # of clips; the token keeps apart what several watches put into one folder
        self.stem = f"{self.wall:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        self.found: deque[tuple[Row, ScoredSnippet]] = deque()  # scored, and not told yet
        self.clip: Clip | None = None


class Watch:
    """Scores what a reader brings until it ends.

    Args:
        live: whether seconds of the stream are seconds of the clock, so that a line can say when something was.
    """

    def __init__(
        self, reader: Reader, scorer: RunScorer, rule: Hysteresis, outlets: Outlets, teller: Teller, *, live: bool
    ) -> None:
        self.reader, self.scorer, self.rule, self.outlets, self.teller = reader, scorer, rule, outlets, teller
        self.live, self.counts = live, Counts()
        reader.keeps = outlets.clips is not None
        self.lost: str | None = None  # why the source broke off
        self._raised = 0
        self._now: _Connected | None = None
        self._clips: list[Clip] = []

    def run(self) -> None:
        """Watches to the end of the source. Raises what the source was refused with."""
        self.reader.start()
        while True:
            events = self.reader.mailbox.take(self.reader.extractor.settings.batch, _LOOK_SECONDS)
            self._say_dropped()
            if not events:
                self._seen(())  # whose sound may have come meanwhile
            for kind, group in groupby(events, type):
                if self._handled(kind, list(group)):
                    return

    def _handled(self, kind: type, events: Sequence[Any]) -> bool:
        """Takes events of one kind; whether they were the last."""
        if kind is Refused:
            raise events[0].error
        if kind is SeenSnippet:
            self._seen(events)
        for event in events:
            if kind is Begun:
                self._begin(event)
            elif kind is Ended:
                self._end()
                self.lost = event.lost
        return kind is Ended and events[-1].last

    def finish(self) -> None:
        """Reads no more, closes alarms and clips, and waits for what is still written."""
        self.reader.stop()
        try:
            self._end()
        finally:  # clips and commands end well where nobody reads the lines any more, too
            self._wait()

    def _wait(self) -> None:
        for clip in self._clips:
            clip.close()
        if self.outlets.command:
            self.outlets.command.end()
        deadline = time.monotonic() + _WRITING_SECONDS
        for clip in self._clips:
            if not clip.wait(max(0.0, deadline - time.monotonic())):
                self.teller.say(f"{clip.path}: is not written to its end: the disk is too slow")
        self.teller.rest()

    def _begin(self, begun: Begun) -> None:
        connection, extractor = begun.connection, self.reader.extractor
        maker = RowMaker(extractor, connection, self.teller, whole=self.scorer.look_ahead is None)
        scores = StreamScores(self.scorer, connection.frames_per_second, extractor.settings.crops)
        self._now = _Connected(begun, maker, scores, AlarmState(self.rule, self._raised))
        seconds = SNIPPET_FRAMES / connection.frames_per_second
        ahead = scores.span.look_ahead
        if begun.ring is not None:
            # an alarm is known as much later than it begins as snippets may wait, be looked ahead to, and must last
            waiting = self.reader.mailbox.room + maker.batch + scores.span.behind
            begun.ring.seconds = self.outlets.before + waiting * seconds + self.rule.shortest + maker.patience
        self._line(
            {
                "event": "start",
                "source": self.reader.source.name,
                "width": connection.picture.width,
                "height": connection.picture.height,
                "fps": float(connection.frames_per_second),
                "sound": connection.hearing is not None,
                "snippet_seconds": seconds,
                "look_ahead_snippets": ahead if ahead >= 0 else None,
                "offset": begun.offset,
            }
        )

    def _seen(self, snippets: Sequence[SeenSnippet]) -> None:
        if self._now is not None:
            with interrupts_wait():  # in the midst of a batch its snippets would be lost
                self._now.found += self._now.scores.take(self._now.maker.take(snippets))
            self._scored(self._now)

    def _end(self) -> None:
        """The connection has ended: all that is left of it is scored, and its alarm closed."""
        now, self._now = self._now, None
        if now is None:
            return
        now.found += now.scores.take(now.maker.rest())
        now.found += now.scores.rest()
        self._scored(now)
        self._alarms(now, now.alarms.close())

    def _scored(self, now: _Connected) -> None:
        passed = time.monotonic()
        while now.found:
            row, snippet = now.found.popleft()
            self.counts.snippets += 1
            self.counts.delays.append(passed - row.read)
            event = {"event": "score", **self._when(now, snippet), "score": snippet.score}
            event |= _class(snippet.label, snippet.probability)
            if self.outlets.page:
                self.outlets.page.score(event)
            if self.outlets.every_score:
                self._line(event)
            self._alarms(now, now.alarms.take([snippet]))
            if now.clip:
                now.clip.reach(snippet.end)

    def _alarms(self, now: _Connected, alarms: Sequence[Alarm]) -> None:
        for alarm in alarms:
            if alarm.open:
                self._raised = self.counts.alarms = alarm.number
                now.clip = self._begin_clip(now, alarm)
            event: dict[str, Any] = {"event": "alarm" if alarm.open else "alarm_end", "alarm": alarm.number}
            event |= {**self._when(now, alarm), "peak": alarm.peak, **_class(alarm.label, alarm.probability)}
            event |= {"clip": str(now.clip.path)} if now.clip else {}
            self._line(event)
            if self.outlets.page:
                self.outlets.page.alarm(event)
            if self.outlets.command and alarm.open:
                self.outlets.command.run(event)
            if not alarm.open and now.clip:
                now.clip.close()
                now.clip = None

    def _begin_clip(self, now: _Connected, alarm: Alarm) -> Clip | None:
        if self.outlets.clips is None or now.ring is None:
            return None
        self._clips = [clip for clip in self._clips if not clip.wait(0)]
        path = self.outlets.clips / f"{now.stem}-{alarm.number:04d}"
        connection = now.connection
        streams = [connection.picture, *([connection.sound] if connection.sound else [])]
        clip = Clip(path, streams, now.ring, alarm.start - self.outlets.before, self.teller.say)
        clip.reach(alarm.end)
        self._clips.append(clip)
        return clip

    def _when(self, now: _Connected, span: ScoredSnippet | Alarm) -> dict[str, Any]:
        """Seconds since the watch began; and the time of day, of what comes from a camera."""
        times = {"start": now.offset + span.start, "end": now.offset + span.end}
        if not self.live:
            return times
        return {**times, "time": (now.wall + timedelta(seconds=span.start)).isoformat(timespec="milliseconds")}

    def _line(self, event: dict[str, Any]) -> None:
        self.outlets.lines.write(event)

    def _say_dropped(self) -> None:
        dropped = self.reader.mailbox.take_dropped()
        if dropped:
            self.counts.dropped += dropped
            self.teller.count("the machine is too slow: snippets dropped, the oldest first", dropped)


def _class(label: str | None, probability: float | None) -> dict[str, Any]:
    return {} if label is None else {"class": label, "probability": probability}
