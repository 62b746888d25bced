"""One connection to a stream: packets are decoded as they come, behind damage too, until it ends or is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import av
from av.container import InputContainer

from mmvad.errors import UserError
from mmvad.extraction.container import begin_of
from mmvad.extraction.media import USUAL_RATE, Picture, declared_rate, on_one_clock
from mmvad.extraction.missing import said_late
from mmvad.extraction.survey import picture_streams
from mmvad.extraction.timestamps import Steady
from mmvad.live.hearing import Hearing
from mmvad.live.telling import Teller

_TRIES = 64
"""How often in a row reading may fail before the connection counts as lost."""
_SIZE_SAYS_NOTHING = ("hls", "rtsp", "dash")
"""Formats that come in other connections than the one that was opened."""


class Connection:
    """The decoded picture of an open stream; its sound goes to `hearing`, its packets to `keep`.

    Attributes:
        frames_per_second: as the stream says, or what is usual.
        finite: whether the stream has an end that is known from the beginning: then its end is no loss.
        lost: why reading ended, where it was not the end.
        position: the second of the last frame that was shown.

    Raises UserError where there is no picture, or sound but no such track of it.
    """

    def __init__(
        self,
        container: InputContainer,
        name: str,
        teller: Teller,
        stopped: Callable[[], bool],
        sound_rate: int | None,
        track: int = 0,
    ) -> None:
        self.container, self._teller, self._stopped = container, teller, stopped
        self.picture: Any = picture_streams(container, name)[0]
        self.picture.thread_type = "SLICE"  # threads by frame hold back as many frames as there are threads
        self.frames_per_second = declared_rate(self.picture) or USUAL_RATE
        sized = not container.format.name.startswith(_SIZE_SAYS_NOTHING)
        self.finite = container.size > 0 if sized else container.duration is not None
        self.lost: str | None = None
        self.position = 0.0
        self.keep: Callable[[av.Packet, float], object] = lambda packet, second: None
        tracks = [stream for stream in container.streams.audio if stream.codec_context is not None]
        if sound_rate and tracks and track >= len(tracks):
            expected = f"0 to {len(tracks) - 1}" if len(tracks) > 1 else "0, its only one"
            raise UserError(name, f"has no audio track {track}", expected=expected, fix="choose with --audio-track N")
        self.sound: Any = tracks[track] if tracks and sound_rate else None
        self.hearing = Hearing(sound_rate, begin_of(container), teller) if self.sound and sound_rate else None
        self._shape: tuple[int, int] | None = None

    def pictures(self) -> Iterator[Picture]:
        """Every frame with its second, as `mmvad.extraction.media.pictures` has it."""
        steady, mended, begun = Steady(), 0, False
        try:
            for picture in on_one_clock(self._shown(), begin_of(self.container), 1 / self.frames_per_second, steady):
                if steady.jumps > mended:
                    self._teller.count("picture: time stamps that jump, mended", steady.jumps - mended)
                    mended = steady.jumps
                for line in said_late("picture", picture.seconds) if not begun else ():
                    self._teller.say(line)
                self.position, begun = picture.seconds, True
                yield picture
        finally:
            if self.hearing:
                self.hearing.close()

    def _shown(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets():
            yield from self._decoded(packet.stream, packet)
        for stream in (self.sound, self.picture):
            if stream is not None:
                yield from self._decoded(stream, None)

    def _packets(self) -> Iterator[av.Packet]:
        streams, failures = [self.picture, *([self.sound] if self.sound else [])], 0
        while not self._stopped():
            try:
                for packet in self.container.demux(streams):
                    failures = 0
                    if packet.size:  # an empty one would tell the decoder that the stream ends
                        self.keep(packet, self.position)
                        yield packet
                    if self._stopped():
                        return
                return
            except IndexError:  # PyAV 18, at the very end, where streams came up on the way
                return
            except (av.FFmpegError, OSError) as error:
                failures += 1
                if not isinstance(error, (av.error.InvalidDataError, av.error.BlockingIOError)) or failures > _TRIES:
                    self.lost = _lost(error)
                    return
                if isinstance(error, av.error.InvalidDataError):
                    self._teller.count("stream: damaged places, passed over")
                time.sleep(0.001 * failures)

    def _decoded(self, stream: Any, packet: av.Packet | None) -> Iterator[av.VideoFrame]:
        """Frames of picture that the packet decodes to; those of sound go to be heard. None asks for what is left."""
        try:
            frames = stream.codec_context.decode(packet)
        except av.error.EOFError:
            return
        except (av.FFmpegError, ValueError, OverflowError):
            kind = "picture" if stream is self.picture else "sound"
            self._teller.count(f"{kind}: packets that cannot be decoded, left out")
            return
        for frame in frames:
            frame.time_base = stream.time_base  # those that come last have none of their own
            if stream is self.picture:
                self._look_at(frame)
                yield frame
            elif self.hearing:
                self.hearing.put(frame)

    def _look_at(self, frame: av.VideoFrame) -> None:
        """Says what is odd about a frame."""
        if frame.is_corrupt:
            self._teller.count("picture: damaged frames, taken as they are")
        shape = frame.width, frame.height
        if self._shape not in (None, shape):
            was = "{} x {}".format(*(self._shape or ()))
            self._teller.say(f"the picture is {shape[0]} x {shape[1]} from here on; it was {was}")
        self._shape = shape


def _lost(error: Exception) -> str:
    if isinstance(error, av.error.ExitError):
        return "nothing came any more"
    return str(getattr(error, "strerror", None) or type(error).__name__)
