"""Features from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.errors import UserError
from mmvad.predict.sources import audio_file, feature_name, from_files


def saved(path: Path, rows: np.ndarray) -> Path:
    np.save(path, rows)
    return path


def test_files_of_the_public_layout(tmp_path: Path) -> None:
    visual = saved(tmp_path / "v=x__#1_label_B1-0-0__5.npy", np.ones((7, 4), dtype=np.float16))
    audio = saved(tmp_path / "v=x__#1_label_B1-0-0__vggish.npy", np.arange(18.0).reshape(6, 3))
    assert feature_name(visual) == "v=x__#1_label_B1-0-0"
    assert audio_file(tmp_path, feature_name(visual)) == audio
    source = from_files(visual, audio, 30.0, None)
    assert source.crops[0].dtype == np.float32
    assert source.audio is not None
    np.testing.assert_array_equal(source.audio[-2:], [[15, 16, 17]] * 2)  # one row short: the last again
    np.testing.assert_allclose(source.edges, np.arange(8) * 16 / 30)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    visual, audio = saved(tmp_path / "a.npy", np.ones((9, 4))), saved(tmp_path / "b.npy", np.ones((3, 4)))
    with pytest.raises(UserError, match=r"b\.npy: 3 rows of sound"):
        from_files(visual, audio, 24, None)
    with pytest.raises(UserError, match="nan in row 1"):
        from_files(saved(tmp_path / "c.npy", np.array([[1.0], [np.nan]])), None, 24, None)
    (tmp_path / "d.npy").write_text("no array")
    with pytest.raises(UserError, match=r"no \.npy file"):
        from_files(tmp_path / "d.npy", None, 24, None)
    assert audio_file(tmp_path, "nothing") is None
    with pytest.raises(UserError, match="no such file or folder"):
        audio_file(tmp_path / "nowhere", "a")
