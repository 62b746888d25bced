"""Streams as they are: over HTTP and RTSP on this machine, lost and back, damaged, changed on the way."""

from __future__ import annotations

import gc
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="the extra `video` is not installed")

import itertools

from tests.extraction.videos import Track, joined, noise, write_video
from tests.live.rtsp import serving_rtsp
from tests.live.streams import (
    RATE,
    Brightness,
    BytesServer,
    Events,
    bright_clip,
    light_extractor,
    watched,
)

SNIPPET = 16 / RATE


def spans(events: Events) -> list[tuple[float, float]]:
    return [(event["start"], event["end"]) for event in events.of("alarm_end")]


def fits(found: list[tuple[float, float]], truth: list[tuple[float, float]]) -> bool:
    """Whether each alarm begins and ends within a snippet of where it should."""
    near = np.abs(np.array(found) - np.array(truth)) if len(found) == len(truth) else np.array(np.inf)
    return bool((near <= SNIPPET + 0.05).all())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of a transport stream, bright from 3 to 6."""
    return bright_clip(tmp_path_factory.mktemp("streams") / "clip.ts", 8, (3, 6))


def test_http_alarms_where_the_truth_is(clip: Path) -> None:
    server = BytesServer(clip.read_bytes(), clip.stat().st_size)
    with server.up():
        watch, events, said = watched(server.url)
    assert fits(spans(events), [(3, 6)])
    assert (said, watch.lost, server.requests) == ([], None, 1)
    assert [event["event"] for event in events.all if "alarm" in event["event"]] == ["alarm", "alarm_end"]
    (start,) = events.of("start")
    assert start["sound"]
    assert len(events.of("score")) == 13


def test_rtsp_alarms_where_the_truth_is_and_no_password_is_printed(tmp_path: Path) -> None:
    clip = bright_clip(tmp_path / "clip.mov", 8, (3, 6))
    with serving_rtsp(clip, pace=8) as url:
        done = lambda watch, events: bool(events.of("alarm_end"))  # noqa: E731
        _, events, said = watched(url, timeout=2, until=done)
    assert fits(spans(events), [(3, 6)])
    assert events.of("start")[0]["sound"]
    assert "secret" not in str(events.all) + str(said)


def test_a_server_that_is_killed_five_times_and_comes_back(clip: Path) -> None:
    """Each connection is a stretch of its own, later than those before; a pause is longer than the one before it."""
    server = BytesServer(clip.read_bytes())

    def come_and_go() -> None:
        for times in range(6):
            with server.up():
                while server.requests <= times:
                    time.sleep(0.005)
            time.sleep(0.3)

    thread = threading.Thread(target=come_and_go, daemon=True)
    thread.start()
    watch, events, said = watched(server.url, until=lambda watch, events: len(events.of("alarm_end")) == 6)
    thread.join(5)
    assert len(spans(events)) == 6
    assert [event["alarm"] for event in events.of("alarm")] == [1, 2, 3, 4, 5, 6]
    offsets = [event["offset"] for event in events.of("start")]
    assert all(later - earlier >= 8 - 1e-6 for earlier, later in itertools.pairwise(offsets))
    assert fits(spans(events), [(offset + 3, offset + 6) for offset in offsets])
    assert sum("back" in line for line in said) == 5
    assert sum("lost (" in line and "sought again in 0.05 s" in line for line in said) >= 5
    assert any("Connection refused; tried again in 0.1 s" in line for line in said)
    assert watch.reader.connections == 6


def test_a_stream_that_has_an_end_and_breaks_off_before_it(clip: Path) -> None:
    content = clip.read_bytes()
    server = BytesServer(content[: len(content) // 2], len(content))
    with server.up():
        watch, events, _ = watched(server.url)
    assert watch.lost == "Input/output error"
    assert len(events.of("start")) == 1


def test_a_picture_that_changes_its_size(tmp_path: Path) -> None:
    small = bright_clip(tmp_path / "small.ts", 4, (2, 4))
    large = bright_clip(tmp_path / "large.ts", 4, (0, 2), size=(128, 96))
    _, events, said = watched(str(joined(tmp_path / "both.ts", small, large)))
    assert fits(spans(events), [(2, 6)]), "and stamps that begin again go on"
    assert said.count("the picture is 128 x 96 from here on; it was 64 x 48") == 1
    assert "picture: time stamps that jump, mended: 1" in said


def test_sound_that_starts_late_and_sound_that_ends(tmp_path: Path) -> None:
    pictures = (np.full((48, 64, 3), 20, dtype=np.uint8) for _ in range(RATE * 12))
    late = Track(noise(3, 16_000), 16_000, codec="mp2", begin=5.0)
    path = write_video(tmp_path / "late.mkv", pictures, RATE, tracks=[late])
    _, events, said = watched(str(path))
    assert len(events.of("score")) == 19
    assert "the sound begins at 5.00 s: silence before" in said
    missing = [float(line.split()[3]) for line in said if line.startswith("no sound since")]
    assert missing == [0, pytest.approx(8, abs=0.2)]


def test_damage_is_counted_and_the_rest_is_scored(clip: Path, tmp_path: Path) -> None:
    content = bytearray(clip.read_bytes())
    rng = np.random.default_rng(0)
    for start in range(20_000, len(content) - 20_000, 15_000):
        content[start : start + 300] = rng.bytes(300)
    path = tmp_path / "damaged.ts"
    path.write_bytes(content)
    _, events, said = watched(str(path))
    assert 1 <= len(said) <= 8
    assert all(line.rpartition(": ")[2].isdigit() or "no sound" in line for line in said), said
    (alarm,) = spans(events)
    assert abs(alarm[0] - 3) < 1
    assert abs(alarm[1] - 6) < 1


def test_a_file_that_grows(clip: Path, tmp_path: Path) -> None:
    path, content = tmp_path / "grows.ts", clip.read_bytes()

    def grow() -> None:
        with open(path, "ab", buffering=0) as file:
            for start in range(0, len(content), len(content) // 8 + 1):
                file.write(content[start : start + len(content) // 8 + 1])
                time.sleep(0.05)

    path.touch()
    thread = threading.Thread(target=grow, daemon=True)
    thread.start()
    _, events, said = watched(str(path), timeout=1.5)
    thread.join(5)
    assert fits(spans(events), [(3, 6)])
    assert len(events.of("score")) == 13
    assert said == []


def test_a_machine_that_is_too_slow_drops_the_oldest_and_says_so(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmvad.live.reading._ROOM", (3, 3))
    monkeypatch.setattr(Brightness, "seconds", 0.1)
    extractor = light_extractor(batch=1)
    watch, events, said = watched(str(clip), extractor=extractor, drop=True)
    scored = len(events.of("score"))
    assert 0 < watch.counts.dropped == 13 - scored
    lines = [line for line in said if line.startswith("the machine is too slow: snippets dropped")]
    assert sum(int(line.rpartition(": ")[2]) for line in lines) == watch.counts.dropped
    monkeypatch.setattr(Brightness, "seconds", 0.0)
    watch, events, said = watched(str(clip), extractor=extractor, drop=False)
    assert (watch.counts.dropped, len(events.of("score"))) == (0, 13)


def test_nothing_grows_with_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four minutes of stream, with clips of its alarms: the objects that there are after half of it, and at its end."""
    monkeypatch.setattr("mmvad.live.reading._ROOM", (3, 3))
    part = bright_clip(tmp_path / "part.ts", 8, (2, 6), size=(32, 32), fps=8)
    path = tmp_path / "long.ts"
    path.write_bytes(30 * part.read_bytes())
    objects: dict[int, int] = {}

    class Counted(Events):
        def write(self, event: dict) -> None:
            place = int(event.get("start", 0) // 8)
            if place in (12, 28) and place not in objects:
                gc.collect()
                objects[place] = len(gc.get_objects())
            self.all = [event] if event["event"] == "alarm_end" else self.all

    _, events, _ = watched(str(path), events=Counted(), extractor=light_extractor(batch=2), clips=tmp_path / "clips")
    assert events.all[0]["alarm"] == 30
    assert len(list((tmp_path / "clips").iterdir())) == 30
    assert objects[28] - objects[12] < 400, "of 1,024 frames, and more packets"


def test_ctrl_c_in_the_midst_of_a_batch_loses_none_of_it(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, encode = list[int](), Brightness.encode

    def interrupted(self: Brightness, pictures: np.ndarray) -> np.ndarray:
        taken.append(len(pictures))
        if len(taken) == 3:
            signal.raise_signal(signal.SIGINT)
        return encode(self, pictures)

    monkeypatch.setattr(Brightness, "encode", interrupted)
    events = Events()
    with pytest.raises(KeyboardInterrupt):
        watched(str(clip), extractor=light_extractor(batch=1, audio=False), events=events)
    numbers = [round(event["start"] / SNIPPET) for event in events.of("score")]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) == len(taken) >= 3
