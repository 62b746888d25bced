"""The bank that a configuration names, held against what the benchmark's file says by now."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.bank.bank import open_bank
from mmvad.config.load import load_config
from mmvad.data.opening import bank_of, bank_path
from mmvad.errors import UserError
from mmvad.releases.importing import import_release
from tests.own import change, write_folds, write_own


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("theft: somebody steals", "theft: somebody steals, arson: fire", "had the classes calm, brawl, theft"),
        ("row: 8", "row: 16", "had rows of 8 frames\n  expected: 16 frames"),
        ("row: 8", "row: {video: 4}", "expected: 1/4 of the video"),
        ("row: 8", "row: {seconds: 0.32}", "expected: 0.32 seconds"),
    ],
)
def test_a_file_that_changed_since_the_bank_was_made(old: str, new: str, message: str, tmp_path: Path) -> None:
    file, bank = write_own(tmp_path), tmp_path / "bank"
    import_release(file, None, bank, progress=False)
    change(file, old, new)
    with pytest.raises(UserError, match=message) as caught:
        bank_of(load_config([Path("small")], [f"benchmark={file}", f"data.bank={bank}"]))
    assert f"--out {bank} --overwrite" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [("theft: somebody steals", "theft: somebody steals, arson: fire"), ("row: 8", "row: {seconds: 0.32}")],
)
def test_importing_again_mends_it_where_the_rows_are_the_same(old: str, new: str, tmp_path: Path) -> None:
    """A class that no video has, or a row said in another way, leaves the bank's content as it was."""
    file, bank = write_own(tmp_path), tmp_path / "bank"
    import_release(file, None, bank, progress=False)
    before = open_bank(bank)
    change(file, old, new)
    change(file, "name: Tower", "name: Other tower")
    import_release(file, None, bank, overwrite=True, progress=False)
    after = bank_of(load_config([Path("small")], [f"benchmark={file}", f"data.bank={bank}"]))
    assert after.content_hash == before.content_hash
    assert after.manifest["created"] == before.manifest["created"], "it is the same bank"
    assert (before.features, after.features) == ("Tower", "Other tower")


def test_a_bank_of_test_videos_alone_trains_nothing(tmp_path: Path) -> None:
    file, bank = write_own(tmp_path), tmp_path / "bank"
    table = tmp_path / "videos.csv"
    table.write_text("".join(line for line in table.read_text().splitlines(True) if ",train," not in line))
    import_release(file, None, bank, progress=False)
    with pytest.raises(UserError, match=r"has no training video(.|\n)*mmvad test RUN --bank"):
        bank_of(load_config([Path("small")], [f"benchmark={file}", f"data.bank={bank}"]))


def test_a_fold_is_a_name_also_where_it_looks_like_a_number(tmp_path: Path) -> None:
    """`wandb agent` gives a sweep's value 01 without its quotes."""
    file = write_folds(tmp_path, ("0", "01"))
    change(file, "folds: [0, 01]", "folds: ['0', '01']")
    for fold in ("0", "01"):
        config = load_config([Path("small")], [f"benchmark={file}", f"data.fold={fold}", "data.bank=banks"])
        assert bank_path(config) == Path("banks") / fold
