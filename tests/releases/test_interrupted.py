"""Imports that are killed, that run twice at once, that may not write or have no room: in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmvad.bank.bank import open_bank, verify_bank
from mmvad.bank.writer import partial_of
from mmvad.errors import UserError
from mmvad.releases.importing import import_release
from tests.releases.by_hand import Hand, snapshot, write_xd

NAMES = tuple(f"v={i}__#1_label_{'A' if i % 2 else 'B1-0-0'}" for i in range(8))

IMPORT = """
import os, resource, signal, sys
from mmvad.errors import UserError
from mmvad.bank import rows as bank_rows, writer as bank_writer
from mmvad.releases import importing
{before}
try:
    importing.import_release("xd_violence", {source!r}, {out!r}, subset=True)
except UserError as error:
    sys.exit(str(error))
"""

# kills before the n-th video, in the middle of the n-th write of rows, before the last rename
BEFORE_VIDEO = """
old, seen = bank_writer.BankWriter.add, []
def add(self, *a):
    seen.append(1)
    return os.kill(os.getpid(), signal.SIGKILL) if len(seen) == {n} else old(self, *a)
bank_writer.BankWriter.add = add
"""
IN_WRITE = """
old, seen = bank_rows.write_all, []
def write_all(file, data):
    seen.append(1)
    if len(seen) == {n}:
        old(file, memoryview(data)[:1000])
        os.kill(os.getpid(), signal.SIGKILL)
    old(file, data)
bank_rows.write_all = write_all
"""
IN_FINISH = """
old, seen = bank_rows.RowFile.finish, []
def finish(self):
    old(self)
    seen.append(1)
    len(seen) == {n} and os.kill(os.getpid(), signal.SIGKILL)
bank_rows.RowFile.finish = finish
"""
BEFORE_RENAME = """
bank_writer.BankWriter._move_into_place = lambda self: os.kill(os.getpid(), signal.SIGKILL)
"""
KILLS = [BEFORE_VIDEO.format(n=1), BEFORE_VIDEO.format(n=6), IN_WRITE.format(n=1), IN_WRITE.format(n=2)]
KILLS += [IN_WRITE.format(n=9), IN_WRITE.format(n=20), IN_FINISH.format(n=1), IN_FINISH.format(n=4), BEFORE_RENAME]


def run_import(source: Path, out: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    script = IMPORT.format(before=before, source=str(source), out=str(out))
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)


def as_another_user(*folders: Path) -> str:
    """Code by which root becomes a user without rights, once all that it imports is loaded; opens the folders to it."""
    if os.geteuid() != 0:
        return ""
    for folder in folders:
        for part in [folder, *folder.parents]:
            if part.name.startswith("pytest-") or "pytest-of" in str(part.parent):
                part.chmod(0o755)
    return "'x'.encode('utf-8-sig'); import mmvad.system.progress; os.seteuid(65534)"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Hand:
    return write_xd(tmp_path_factory.mktemp("interrupted") / "release", train=NAMES)


@pytest.fixture(scope="module")
def undisturbed(source: Hand) -> Path:
    return import_release("xd_violence", source.root, source.root.parent / "undisturbed", subset=True)


@pytest.mark.parametrize("before", KILLS)
def test_killed_and_started_again_it_is_as_undisturbed(
    source: Hand, undisturbed: Path, tmp_path: Path, before: str
) -> None:
    out = tmp_path / "bank"
    killed = run_import(source.root, out, before)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not out.exists()
    with pytest.raises(UserError, match="the bank is not finished"):
        open_bank(out)
    import_release("xd_violence", source.root, out, subset=True)
    assert verify_bank(out) == open_bank(undisturbed).content_hash
    assert snapshot(out) == snapshot(undisturbed)
    assert [path.name for path in tmp_path.iterdir()] == ["bank"]


def test_it_goes_on_where_it_was(source: Hand, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_import(source.root, tmp_path / "bank", BEFORE_VIDEO.format(n=6))
    import_release("xd_violence", source.root, tmp_path / "bank", subset=True)
    assert "goes on behind 5 finished videos" in capsys.readouterr().out


def test_it_is_killed_several_times(source: Hand, undisturbed: Path, tmp_path: Path) -> None:
    for n in (3, 4, 2):
        assert run_import(source.root, tmp_path / "bank", BEFORE_VIDEO.format(n=n)).returncode < 0
    import_release("xd_violence", source.root, tmp_path / "bank", subset=True)
    assert snapshot(tmp_path / "bank") == snapshot(undisturbed)


def test_rows_that_were_lost_are_written_again(source: Hand, undisturbed: Path, tmp_path: Path) -> None:
    run_import(source.root, tmp_path / "bank", BEFORE_VIDEO.format(n=6))
    rows = partial_of(tmp_path / "bank") / "train" / "visual.npy"
    data = bytearray(rows.read_bytes())
    data[30_000:40_000] = bytes(10_000)  # as a power cut leaves them: the size is there, the content is not
    rows.write_bytes(data)
    import_release("xd_violence", source.root, tmp_path / "bank", subset=True)
    assert snapshot(tmp_path / "bank") == snapshot(undisturbed)


def test_a_changed_release_starts_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hand = write_xd(tmp_path / "release", train=NAMES)
    run_import(hand.root, tmp_path / "bank", BEFORE_VIDEO.format(n=6))
    os.utime(hand.visual(NAMES[0]), (1, 1))
    import_release("xd_violence", hand.root, tmp_path / "bank", subset=True)
    assert "goes on" not in capsys.readouterr().out
    verify_bank(tmp_path / "bank")


def test_an_overwrite_that_is_killed_leaves_the_old_bank(source: Hand, undisturbed: Path, tmp_path: Path) -> None:
    out = import_release("xd_violence", source.root, tmp_path / "bank", subset=True)
    overwrite = BEFORE_VIDEO.format(n=6) + "\nimport functools\n"
    overwrite += (
        "importing.import_release = functools.partial(importing.import_release, dtype='float16', overwrite=True)"
    )
    assert run_import(source.root, out, overwrite).returncode == -signal.SIGKILL
    assert verify_bank(out) == open_bank(undisturbed).content_hash


def test_two_imports_to_one_place(source: Hand, tmp_path: Path) -> None:
    waiting = """
old = bank_writer.BankWriter.add
def add(self, *a):
    print("writing", flush=True)
    sys.stdin.readline()
    return old(self, *a)
bank_writer.BankWriter.add = add
"""
    script = IMPORT.format(before=waiting, source=str(source.root), out=str(tmp_path / "bank"))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as first:  # type: ignore[call-overload]
        assert any("writing" in line for line in first.stdout)
        with pytest.raises(UserError, match=rf"another process is writing it \(process {first.pid}\)"):
            import_release("xd_violence", source.root, tmp_path / "bank", subset=True)
        first.communicate("\n" * 50)
    assert first.returncode == 0
    verify_bank(tmp_path / "bank")


@pytest.mark.parametrize("limit", [1, 2000, 40_000, 100_000])
def test_no_room_leaves_nothing(source: Hand, tmp_path: Path, limit: int) -> None:
    before = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    result = run_import(source.root, tmp_path / "bank", before)
    assert result.returncode == 1
    assert "no space left to write" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_permission_to_write(source: Hand, tmp_path: Path) -> None:
    position = tmp_path / "locked"
    position.mkdir()
    position.chmod(0o555)
    result = run_import(source.root, position / "bank", as_another_user(source.root, tmp_path))
    assert result.returncode == 1
    assert f"{position / 'bank'}: no permission to write" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(position.iterdir()) == []


def test_no_permission_to_read(source: Hand, tmp_path: Path) -> None:
    hand = write_xd(tmp_path / "release")
    folder = hand.root / "XDTestClipFeatures"
    folder.chmod(0o000)
    result = run_import(hand.root, tmp_path / "bank", as_another_user(hand.root, tmp_path))
    folder.chmod(0o755)
    assert f"{folder}: cannot be read: Permission denied" in result.stderr
    assert "Traceback" not in result.stderr
