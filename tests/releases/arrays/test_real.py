"""Files as people have them: CLIP features of a user's own clips, C3D's rows as text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.releases.arrays.normalise import normalised
from mmvad.releases.arrays.reading import load_rows, read_header


@pytest.fixture
def real(field_data: Path) -> Path:
    if not (field_data / "real").is_dir():
        pytest.skip("the real material is not here")
    return field_data / "real"


def test_a_users_own_clips(real: Path) -> None:
    files = sorted((real / "own_clips" / "features").rglob("*.npy"))
    assert len(files) == 10
    for file in files:
        header = read_header(file)
        assert (header.width, header.dtype) == (512, "float16")
        np.testing.assert_array_equal(load_rows(header), np.load(file))


def test_c3d_as_text(real: Path, tmp_path: Path) -> None:
    rows = np.load(real / "ucf_c3d" / "features.npz")["rows"][:2].astype(np.float32)
    for number, video in enumerate(rows):
        np.savetxt(tmp_path / f"{number}.txt", video, fmt="%.5g")
        header = read_header(tmp_path / f"{number}.txt")
        assert (header.rows, header.width) == (32, 4096)
        found = load_rows(header)
        np.testing.assert_allclose(found, video, rtol=1e-4)
        norms = np.linalg.norm(normalised(found, "l2"), axis=1)
        np.testing.assert_allclose(norms, (video != 0).any(axis=1), atol=1e-5)
