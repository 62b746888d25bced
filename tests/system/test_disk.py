"""What is written is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmvad.errors import UserError
from mmvad.system.disk import sole_writer, whole_set


def test_a_set_of_files_is_there_whole_while_its_last_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between two renames, a set lacks the file that comes last; the next writing puts all in order."""
    folder, names = tmp_path / "set", ("a.txt", "b.txt", "last.json")

    def write(content: str) -> None:
        with whole_set(folder, last=names[-1]) as fresh:
            assert not any(fresh.iterdir())
            for name in names:
                (fresh / name).write_text(content)

    write("old")
    moved: list[str] = []

    def killed(source: Path, target: Path) -> None:
        if moved:
            raise KeyboardInterrupt
        moved.append(target.name)
        os.rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write("new")
    assert [(name, (folder / name).read_text()) for name in ("a.txt", "b.txt")] == [("a.txt", "new"), ("b.txt", "old")]
    assert not (folder / "last.json").exists()
    (folder / ".new").mkdir()
    (folder / ".new" / "of one that was killed").touch()
    write("newest")
    assert {file.name: file.read_text() for file in folder.iterdir()} == dict.fromkeys(names, "newest")


def test_a_file_where_a_folder_must_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "a"):
        with pytest.raises(UserError, match=r"file is a file, where a folder must be"), sole_writer(place / "b"):
            pass
