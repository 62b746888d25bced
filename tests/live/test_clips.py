"""Clips: packets as they came, from a key frame before the alarm on; disks that are full."""

from __future__ import annotations

import errno
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("av", reason="the extra `video` is not installed")

import itertools
from typing import Any

import av

from mmvad.extraction.media import frames, probe
from mmvad.live import watching
from mmvad.live.clips import Clip, Kept, PacketRing, Restamped
from tests.extraction.videos import joined
from tests.live.streams import RATE, Events, bright_clip, light_extractor, watched


def bright_seconds(path: Path) -> tuple[float, float]:
    """When a clip's picture is bright."""
    seconds = [second for second, picture in frames(path) if picture.mean() > 128]
    return seconds[0], seconds[-1] + 1 / RATE


@pytest.mark.parametrize(("suffix", "written"), [(".mp4", ".mp4"), (".ts", ".mkv"), (".mov", ".mkv")])
def test_a_clip_begins_before_its_alarm_and_is_not_encoded_again(tmp_path: Path, suffix: str, written: str) -> None:
    path = bright_clip(tmp_path / f"long{suffix}", 9.5, (5, 8))
    _, events, said = watched(str(path), clips=tmp_path / "clips", before=2.0)
    (alarm,) = events.of("alarm_end")
    clip = Path(alarm["clip"])
    assert clip.suffix == written
    assert said == []
    info = probe(clip)
    assert info.audio_tracks == 1
    begin, end = bright_seconds(clip)
    assert 2 <= begin <= 4.3, "two seconds, a snippet, the slack, and back to the last key frame"
    assert end - begin == pytest.approx(3, abs=0.1)
    assert info.duration_seconds is None or info.duration_seconds < 8.5, "it ends with its alarm"
    with av.open(str(path)) as source, av.open(str(clip)) as copy:
        packets = {bytes(packet)[-8:] for packet in source.demux(video=0) if packet.size}
        assert all(bytes(packet)[-8:] in packets for packet in copy.demux(video=0) if packet.size)


def test_stamps_that_begin_again_within_a_clip(tmp_path: Path) -> None:
    one, two = bright_clip(tmp_path / "1.ts", 6, (4, 6)), bright_clip(tmp_path / "2.ts", 6, (0, 2))
    _, events, _ = watched(str(joined(tmp_path / "both.ts", one, two)), clips=tmp_path / "clips", before=1.0)
    (alarm,) = events.of("alarm_end")
    begin, end = bright_seconds(Path(alarm["clip"]))
    assert end - begin == pytest.approx(4, abs=0.3)


def test_a_full_disk_costs_the_clip_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Clip) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Clip, "_write", full)
    path = bright_clip(tmp_path / "clip.ts", 8, (3, 6))
    _, events, said = watched(str(path), clips=tmp_path / "clips")
    assert len(events.of("alarm_end")) == 1
    (line,) = said
    assert "no clip: " in line
    assert "No space left" in line or "full" in line


def test_a_folder_that_cannot_be_made_is_said_once_for_each_alarm(tmp_path: Path) -> None:
    (tmp_path / "clips").write_text("a file")
    path = bright_clip(tmp_path / "clip.ts", 8, (3, 6))
    _, events, said = watched(str(path), clips=tmp_path / "clips")
    assert len(events.of("alarm_end")) == 1
    assert len(said) == 1
    assert "no clip" in said[0]


def test_the_ring_keeps_whole_groups_of_pictures(tmp_path: Path) -> None:
    path, ring = bright_clip(tmp_path / "long.ts", 20), PacketRing(4.0)
    keys = 0
    with av.open(str(path)) as source:
        begin = source.start_time / av.time_base
        for packet in source.demux():
            if packet.size:
                keys += packet.stream.type == "video" and packet.is_keyframe
                ring.keep(packet, float(packet.dts * packet.time_base) - begin)
    kept, following = ring.take(ring.place_before(18.0), 19.0)
    assert kept[0].key
    assert 16.3 <= kept[0].second <= 17.5
    assert kept[-1].second <= 19.0
    every, _ = ring.take(0, 99.0)
    assert 14.5 <= every[0].second <= 16
    assert keys > 15, "so that there was something to drop"
    again, _ = ring.take(following, 99.0)
    assert kept + again == every[every.index(kept[0]) :]


def test_stamps_rise_whatever_those_of_the_stream_do(tmp_path: Path) -> None:
    with av.open(str(bright_clip(tmp_path / "clip.ts", 2))) as source:
        packets = [packet for packet in source.demux(video=0) if packet.size]
    unit = float(packets[0].time_base)
    packets[10].dts = packets[10].pts = packets[3].dts  # back
    packets[20].dts = packets[20].pts = None
    packets[30].dts = packets[30].pts = packets[30].dts + round(5e5 / unit)  # a leap
    clock = Restamped()
    stamps = [clock.copy(Kept(packet, 0, False, 0.0)).dts * unit for packet in packets]
    assert stamps[0] == 0
    assert all(0 < later - earlier < 0.5 for earlier, later in itertools.pairwise(stamps))


def test_a_clip_whose_packets_are_gone_says_so(tmp_path: Path) -> None:
    path, ring, said = bright_clip(tmp_path / "long.ts", 20), PacketRing(2.0), list[str]()
    with av.open(str(path)) as source:
        for packet in source.demux():
            if packet.size:
                ring.keep(packet, float(packet.dts * packet.time_base) - source.start_time / av.time_base)
        clip = Clip(tmp_path / "clip", source.streams, ring, 1.0, said.append)
        clip.reach(4.0)
        clip.close()
        assert clip.wait(5)
    (line,) = said
    assert "no longer there" in line
    assert not clip.path.exists()


def test_a_clip_has_the_first_packets_however_late_the_watch_takes_up_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Busy(watching.StreamScores):
        def __init__(self, *given: Any) -> None:
            time.sleep(0.5)
            super().__init__(*given)

    monkeypatch.setattr(watching, "StreamScores", Busy)
    path = bright_clip(tmp_path / "clip.ts", 6, (0, 3))
    _, events, _ = watched(str(path), clips=tmp_path / "clips")
    begin, end = bright_seconds(Path(events.of("alarm_end")[0]["clip"]))
    assert begin <= 0.1
    assert end - begin == pytest.approx(3, abs=0.1)


def test_watches_that_begin_in_one_second_put_their_clips_into_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2026, 1, 1, tzinfo=UTC)

    monkeypatch.setattr(watching, "datetime", Stopped)
    path = bright_clip(tmp_path / "clip.ts", 4, (0, 3))
    clips = {watched(str(path), clips=tmp_path / "clips")[1].of("alarm_end")[0]["clip"] for _ in range(2)}
    assert len(clips) == 2
    assert {str(clip) for clip in (tmp_path / "clips").iterdir()} == clips


def test_a_clip_is_whole_where_nobody_reads_the_lines_any_more(tmp_path: Path) -> None:
    class Gone(Events):
        def write(self, event: dict[str, Any]) -> None:
            super().write(event)
            if "alarm" in event:
                raise BrokenPipeError

    events = Gone()
    path = bright_clip(tmp_path / "clip.ts", 6, (1, 4))
    began = time.monotonic()
    with pytest.raises(BrokenPipeError):
        watched(str(path), clips=tmp_path / "clips", events=events)
    assert time.monotonic() - began < 8, "nothing is waited for"
    (clip,) = (tmp_path / "clips").iterdir()
    assert str(clip) == events.of("alarm")[0]["clip"]
    assert bright_seconds(clip)[1] > 1


def test_without_a_limit_a_clip_reaches_back_over_a_whole_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alarm is known when its chunk is full: 64 snippets, 41 seconds after its first one."""
    monkeypatch.setattr("mmvad.live.reading._ROOM", (3, 3))
    path = bright_clip(tmp_path / "long.ts", 44, (2, 5), size=(32, 32))
    extractor = light_extractor(batch=2, audio=False)
    _, events, _ = watched(str(path), look_ahead=None, extractor=extractor, clips=tmp_path / "clips", before=1.0)
    begin, end = bright_seconds(Path(events.of("alarm_end")[0]["clip"]))
    assert begin > 0.5
    assert end - begin == pytest.approx(3, abs=0.1)
