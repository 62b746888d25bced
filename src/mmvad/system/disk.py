"""Writing to disk so that it fails in the user's terms: a full disk, no permission, a second writer."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mmvad.errors import UserError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_FOLDER = {errno.ENOTDIR, errno.EEXIST}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


class DiskFullError(UserError):
    """The disk, the quota or the allowed file size is used up."""


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns the OSErrors of writing to `path` into UserErrors."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            reason = f"no space left to write ({error.strerror})"
            fix = "free space or choose another disk; what was half written is removed"
            raise DiskFullError(path, reason, expected="room for the whole file", fix=fix) from error
        if error.errno in _FORBIDDEN:
            fix = f"choose another place, or give yourself write permission on {path.parent}"
            raise UserError(path, f"no permission to write ({error.strerror})", fix=fix) from error
        in_the_way = next((place for place in (path, *path.parents) if place.is_file()), None)
        if error.errno in _NO_FOLDER and in_the_way:
            problem = f"cannot be written: {in_the_way} is a file, where a folder must be"
            raise UserError(path, problem, fix="choose another place") from error
        raise UserError(path, f"cannot be written: {error.strerror or error}") from error


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Holds the only right to write `path`, against other processes too, until the block ends or the process dies.

    Raises UserError at once if another process holds it.
    """
    lock = path.with_name(f".{path.name}.lock")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _locked(lock, path)
    try:
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
        file.close()


def _locked(lock: Path, path: Path) -> BinaryIO:
    """The lock file, open and locked. A lock that its holder removed in the meantime is taken anew."""
    while True:
        file = open(lock, "a+b")  # noqa: SIM115 - the lock is held while it is open
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().decode(errors="replace").strip() or "unknown"
            file.close()
            fix = "wait until it has finished, or write to another place"
            raise UserError(path, f"another process is writing it (process {holder})", fix=fix) from error
        with suppress(FileNotFoundError):
            if os.stat(lock).st_ino == os.fstat(file.fileno()).st_ino:
                with suppress(OSError):  # the number is a courtesy: a full disk shows soon enough
                    os.ftruncate(file.fileno(), 0)
                    os.write(file.fileno(), str(os.getpid()).encode())
                return file
        file.close()


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Writes every byte to an unbuffered file: the system may take them in parts."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file that is there either whole or not at all, even after a power cut."""
    partial = path.with_name(path.name + ".partial")
    with disk_errors(path):
        try:
            with open(partial, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


@contextmanager
def whole_set(folder: Path, last: str) -> Iterator[Path]:
    """Gives an empty folder; what the block writes there comes to `folder` together, in place of what lies there.

    The file `last` goes first and comes last: while it is there, all files are of one writing. An error in the block
    leaves `folder` as it was. Raises UserError where another process writes it, or it cannot be written.
    """
    with sole_writer(folder.resolve()):
        fresh = folder / ".new"
        shutil.rmtree(fresh, ignore_errors=True)  # of one that was killed
        with disk_errors(folder):
            fresh.mkdir(parents=True)
        try:
            yield fresh
            with disk_errors(folder):
                (folder / last).unlink(missing_ok=True)
                for file in sorted(fresh.iterdir(), key=lambda file: (file.name == last, file.name)):
                    os.replace(file, folder / file.name)
            sync_folder(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def sync_folder(path: Path) -> None:
    """Makes renames in the folder last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
