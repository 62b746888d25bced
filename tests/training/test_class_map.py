"""Classes of one benchmark as those of another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.benchmarks.registry import PLANTED, UCF_CRIME, XD_VIOLENCE
from mmvad.errors import UserError
from mmvad.training.class_map import alike_classes, mapped, read_class_map


def test_classes_are_alike_by_key_or_by_prompt() -> None:
    assert alike_classes(PLANTED, PLANTED) == {key: (key,) for key in PLANTED.class_keys}
    found = alike_classes(PLANTED, XD_VIOLENCE)
    assert found["A"] == ("normal",)
    assert (found["B1"], found["B6"], found["G"]) == (("fighting",), ("crash",), ("explosion",))
    assert "Stealing" not in alike_classes(PLANTED, UCF_CRIME)


def test_a_file_maps_and_adds_up(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("Shooting: B2\nFighting: [B1, B4]\n")
    classes = read_class_map(tmp_path / "map.yaml", XD_VIOLENCE, UCF_CRIME)
    assert classes == {"Normal": ("A",), "Fighting": ("B1", "B4"), "Shooting": ("B2",)}
    rows = np.random.default_rng(0).dirichlet(np.ones(7), 5).astype(np.float32)
    found = mapped(rows, classes, XD_VIOLENCE, ("Normal", "Arson", "Fighting", "Shooting"))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, [0, 1, 3]], np.stack([rows[:, 0], 0 * rows[:, 0], rows[:, 2]], axis=1))
    np.testing.assert_allclose(found[:, 2], rows[:, 1] + rows[:, 3])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Figthing: B1", "unknown class 'Figthing'\n.*\n  did you mean: Fighting"),
        ("Fighting: B9", "Fighting: unknown class 'B9'"),
        ("Fighting: B1\nAssault: B1", "B1 stands for two classes"),
        ("- Fighting", "holds a list"),
        ("", "holds a NoneType"),
        ("Fighting: [B1", "map.yaml"),
    ],
)
def test_what_is_no_map(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(UserError, match=said):
        read_class_map(tmp_path / "map.yaml", XD_VIOLENCE, UCF_CRIME)
    with pytest.raises(UserError, match="no such file"):
        read_class_map(tmp_path / "none.yaml", XD_VIOLENCE, UCF_CRIME)
