"""Features from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.benchmarks.definition import RowSpan
from mmvad.errors import UserError
from mmvad.predict.sources import audio_file, by_video, from_files, from_video


def saved(path: Path, rows: np.ndarray) -> Path:
    np.save(path, rows)
    return path


def test_files_of_the_public_layout(tmp_path: Path) -> None:
    visual = saved(tmp_path / "v=x__#1_label_B1-0-0__5.npy", np.ones((7, 4), dtype=np.float16))
    audio = saved(tmp_path / "v=x__#1_label_B1-0-0__vggish.npy", np.arange(18.0).reshape(6, 3))
    assert by_video([visual]) == {"v=x__#1_label_B1-0-0": {5: visual}}
    assert audio_file(tmp_path, "v=x__#1_label_B1-0-0") == audio
    source = from_files("x", {5: visual}, audio, None, 30.0)
    assert source.crops[5].dtype == np.float32
    assert source.audio is not None
    np.testing.assert_array_equal(source.audio[-2:], [[15, 16, 17]] * 2)  # one row short: the last again
    np.testing.assert_allclose(source.edges, np.arange(8) * 16 / 30)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    visual, audio = saved(tmp_path / "a.npy", np.ones((9, 4))), saved(tmp_path / "b.npy", np.ones((3, 4)))
    with pytest.raises(UserError, match=r"b\.npy: 3 rows of sound"):
        from_files("a", {0: visual}, audio, None, 24)
    with pytest.raises(UserError, match="nan in row 1"):
        from_files("c", {0: saved(tmp_path / "c.npy", np.array([[1.0], [np.nan]]))}, None, None, 24)
    (tmp_path / "d.npy").write_text("no array")
    with pytest.raises(UserError, match=r"no \.npy file"):
        from_files("d", {0: tmp_path / "d.npy"}, None, None, 24)
    assert audio_file(tmp_path, "nothing") is None
    with pytest.raises(UserError, match="no such file or folder"):
        audio_file(tmp_path / "nowhere", "a")


def test_crops_of_one_video_belong_together(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"x__{crop}.npy", np.full((7, 4), float(crop))) for crop in (0, 1, 10)]
    other = saved(tmp_path / "y.npy", np.ones((3, 4)))
    videos = by_video([*paths, other])
    assert videos == {"x": dict(zip((0, 1, 10), paths)), "y": {0: other}}
    source = from_files("x", videos["x"], None, None, 24)
    assert {crop: rows[0, 0] for crop, rows in source.crops.items()} == {0: 0, 1: 1, 10: 10}
    short = saved(tmp_path / "x__2.npy", np.ones((6, 4)))
    with pytest.raises(UserError, match=r"x__2\.npy: 6 snippets\n.*7, as crop 0 has"):
        from_files("x", {**videos["x"], 2: short}, None, None, 24)
    with pytest.raises(UserError, match="is crop 0 of y"):
        by_video([other, tmp_path / "y__0.npy"])


def test_a_dot_in_a_name_is_no_suffix() -> None:
    class Found:
        visual, audio, starts, warnings = {}, None, np.arange(2.0), ()

        def extract(self, path: Path) -> Found:
            return self

    names = [from_video(Path(name), Found()).name for name in ("clip.v1", "clip.v2", "clip.mp4")]  # type: ignore[arg-type]
    assert names == ["clip.v1", "clip.v2", "clip"]


def test_times_follow_the_video_that_is_at_hand(tmp_path: Path) -> None:
    """25 frames a second of a benchmark of 24: after ten minutes the events would lie 24 s beside the picture."""
    pytest.importorskip("av", reason="the extra `video` is not installed")
    from tests.extraction.videos import moving_pictures, write_video

    film = write_video(tmp_path / "x.mp4", moving_pictures(500), 25)
    visual = {0: saved(tmp_path / "x__0.npy", np.ones((32, 4)))}
    own = from_files("x", visual, None, film, 15)
    np.testing.assert_allclose(own.edges, np.arange(33) * 16 / 25)
    assert own.notes == ("times are those of the video's own 25 frames/s, not of the benchmark's 15",)
    given = from_files("x", visual, None, film, 15, 30)
    assert given.edges[1] == 16 / 30
    assert given.notes == ("32 snippets at 30 frames/s last 17.1 s, the video 20.0 s: times may be wrong (--fps)",)
    assert from_files("x", visual, None, film, 25).notes == ()
    few = from_files("x", {0: saved(tmp_path / "y.npy", np.ones((9, 4)))}, None, film, 24)
    assert "times may be wrong" in few.notes[0]


def test_rows_that_share_a_video_need_it_for_their_times(tmp_path: Path) -> None:
    visual = {0: saved(tmp_path / "x__0.npy", np.zeros((8, 4)))}
    source = from_files("x", visual, None, None, 25, row=RowSpan(video=8))
    assert source.edges[-1] == pytest.approx(8 * 16 / 25)
    assert "a row is 1/8 of the video, whose length is not known" in source.notes[0]
    assert from_files("x", visual, None, None, 25, row=RowSpan(frames=8)).notes == ()
