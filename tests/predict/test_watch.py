"""Which files are whole, and when they are handed on."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from mmvad.errors import UserError
from mmvad.extraction.video_files import claim_name
from mmvad.predict import watch as watching
from mmvad.predict.watch import Arrivals, listed, watch

VIDEO = frozenset({".mp4"})
A, B = Path("a.mp4"), Path("b.mp4")


def test_a_growing_file_is_waited_for() -> None:
    arrivals = Arrivals(settle=3)
    for second in range(10):
        assert arrivals.look({A: (second + 1, second)}, second) == []
    assert arrivals.look({A: (10, 9)}, 11.9) == []
    assert arrivals.look({A: (10, 9)}, 12.0) == [A]
    assert arrivals.look({A: (10, 9)}, 100.0) == []


def test_a_file_whose_time_alone_changes_is_waited_for() -> None:
    arrivals = Arrivals(settle=3)
    assert arrivals.look({A: (5, 1)}, 0) == []
    assert arrivals.look({A: (5, 2)}, 3) == []
    assert arrivals.look({A: (5, 2)}, 6) == [A]


def test_an_empty_file_is_no_video_yet() -> None:
    arrivals = Arrivals(settle=1)
    arrivals.look({A: (0, 1)}, 0)
    assert arrivals.look({A: (0, 1)}, 50) == []


def test_a_file_that_is_replaced_is_handed_on_again() -> None:
    arrivals = Arrivals(settle=1)
    arrivals.look({A: (5, 1), B: (1, 1)}, 0)
    assert arrivals.look({A: (5, 1), B: (1, 1)}, 1) == [A, B]
    assert arrivals.look({A: (7, 2), B: (1, 1)}, 2) == []
    assert arrivals.look({A: (7, 2), B: (1, 1)}, 3) == [A]
    assert arrivals.look({}, 4) == []
    arrivals.look({B: (1, 1)}, 5)
    assert arrivals.look({B: (1, 1)}, 9) == []  # away and back again, as it was


def test_what_is_listed(tmp_path: Path) -> None:
    for name in ("x.MP4", "y.mp4", "z.txt", ".hidden.mp4", "odd # näme.mp4"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.mp4").mkdir()
    assert {path.name for path in listed(tmp_path, VIDEO)} == {"x.MP4", "y.mp4", "odd # näme.mp4"}
    assert listed(tmp_path / "gone", VIDEO) == {}


def test_a_file_that_goes_while_the_folder_is_read_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4", "d.mp4"):
        (tmp_path / name).write_text("x")
    first = next(tmp_path.iterdir())
    plain = Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        found = plain(path, **options)
        if path == first:
            raise FileNotFoundError(path)
        return found

    monkeypatch.setattr(Path, "stat", stat)
    assert set(listed(tmp_path, VIDEO)) == {tmp_path / f"{c}.mp4" for c in "abcd"} - {first}


def test_a_second_file_of_a_name_is_refused_while_the_first_is_there(tmp_path: Path) -> None:
    first, second = tmp_path / "a.mp4", tmp_path / "a.avi"
    for path in (first, second):
        path.write_text("x")
    taken: dict[str, Path] = {}
    claim_name(taken, first)
    claim_name(taken, first)
    with pytest.raises(UserError, match="has the same name as"):
        claim_name(taken, second)
    claim_name(taken, Path(os.path.relpath(first)))
    first.unlink()
    claim_name(taken, second)
    assert taken == {"a": second}


def test_ctrl_c_ends_it_cleanly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are there and one that comes are handed on; an interrupt, even within a video, ends the watch."""
    (tmp_path / "first.mp4").write_text("x")
    handled: list[str] = []

    def handle(path: Path) -> None:
        handled.append(path.name)
        if path.name == "second.mp4":
            raise KeyboardInterrupt

    late = threading.Timer(0.15, lambda: os.replace(_made(tmp_path / "other"), tmp_path / "second.mp4"))
    late.start()
    begin = time.monotonic()
    watch(tmp_path, VIDEO, handle, arrivals=Arrivals(settle=0.05), interval=0.02)
    assert handled == ["first.mp4", "second.mp4"]
    assert time.monotonic() - begin < watching.SETTLED
    late.join()


def _made(path: Path) -> Path:
    path.write_text("y")
    return path
