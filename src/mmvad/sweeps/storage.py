"""The database of a sweep: where it lies, one lock for all its users, patience while it does not answer.

SQLite serves every process of one machine, PostgreSQL any number of machines. The tables are Optuna's own.
"""

from __future__ import annotations

import fcntl
import logging
import random
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mmvad.errors import UserError
from mmvad.system.disk import disk_errors

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import Engine

LOG = logging.getLogger("mmvad")
SQLITE, POSTGRES = "sqlite:///", "postgresql+psycopg://"
BUSY_SECONDS = 60.0
SAID_SECONDS = 2.0
LOCK_SECONDS = 300.0
PATIENCE_SECONDS = 900.0
ADVISORY_LOCK = 0x6D6D766164
Result = TypeVar("Result")


def storage_url(written: str | None, results: Path) -> str:
    """The database's URL: by default `sweeps.db` in the results folder. Raises UserError for another kind."""
    if written is None:
        return f"{SQLITE}{(results / 'sweeps.db').resolve()}"
    for prefix in ("postgresql+psycopg://", "postgresql://", "postgres://"):
        if written.startswith(prefix):
            return POSTGRES + written.removeprefix(prefix)
    if written.startswith(SQLITE):
        return f"{SQLITE}{Path(written.removeprefix(SQLITE)).resolve()}"
    if "://" not in written:
        return f"{SQLITE}{Path(written).resolve()}"
    raise UserError(
        "--storage",
        f"{written.partition('://')[0]}:// is no database that mmvad knows",
        expected="postgresql://USER@HOST/NAME, or sqlite:///FILE",
    )


@dataclass(frozen=True)
class Database:
    """An open database. Everything that reads before it writes does so under `lock`."""

    url: str
    patience: float = PATIENCE_SECONDS

    @cached_property
    def optuna(self) -> RDBStorage:
        """Optuna's storage; its tables are made where they are missing."""
        return self.patiently(lambda: _open(self.url))

    @property
    def engine(self) -> Engine:
        return self.optuna.engine

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database."""
        return Path(self.url.removeprefix(SQLITE)) if self.url.startswith(SQLITE) else None

    @property
    def shown(self) -> str:
        """The URL without a password."""
        scheme, _, rest = self.url.partition("://")
        login, at, host = rest.rpartition("@")
        return f"{scheme}://{login.partition(':')[0]}{at}{host}"

    def patiently(self, work: Callable[[], Result]) -> Result:
        """Does `work`, again and again while the database does not answer. Work that was half done is done anew.

        Raises UserError when it has not answered for `patience` seconds.
        """
        import optuna
        from sqlalchemy.exc import SQLAlchemyError

        began, announced, pause = time.monotonic(), False, 0.1
        while True:
            try:
                return work()
            except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
                reason = " ".join(str(error.__cause__ or error).split())[:200]
                waited = time.monotonic() - began
                if waited > self.patience:
                    raise UserError(self.shown, f"the database does not answer: {reason}", fix=_fix(self.url)) from None
                if not announced and waited > 1:
                    LOG.warning(f"{self.shown}: the database does not answer ({reason}); waiting for it")
                    announced = True
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, 5.0)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """The only right to read and change the queue, against every process and machine; ends with its holder."""
        if self.path is None:
            with self._advisory_lock():
                yield
        else:
            with _file_lock(self.path.with_name(self.path.name + ".lock")):
                yield

    @contextmanager
    def _advisory_lock(self) -> Iterator[None]:
        from sqlalchemy import text

        with self.engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{int(LOCK_SECONDS)}s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            yield


def open_database(url: str, *, must_exist: bool = False, patience: float = PATIENCE_SECONDS) -> Database:
    """The database at a URL of `storage_url`. Raises UserError where it cannot be opened or a driver is missing."""
    database = Database(url, patience)
    if database.path is not None:
        _prepare_file(database.path, must_exist)
    else:
        _require_driver()
        Database(url, patience=10.0).optuna  # noqa: B018 - at the start nobody wants to wait a quarter of an hour
    return database


def _prepare_file(path: Path, must_exist: bool) -> None:
    if must_exist and not path.is_file():
        raise UserError(path, "no sweep has been run here", fix="`mmvad sweep run FILE` makes the database")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _file_lock(path.with_name(path.name + ".lock")):
            _let_read_and_write(path)
            Database(f"{SQLITE}{path}", patience=BUSY_SECONDS).optuna  # noqa: B018 - makes its tables
    except sqlite3.DatabaseError as error:
        if _is_locked(error):
            raise UserError(path, f"another process holds the database: {error}", fix=_fix(f"{SQLITE}{path}")) from None
        raise UserError(
            path, f"is no SQLite database that can be used: {error}", fix="choose another --storage"
        ) from None


def _let_read_and_write(path: Path) -> None:
    """Readers and the writer do not wait for each other; Optuna's own mode would make them."""
    for seconds in (SAID_SECONDS, BUSY_SECONDS):
        with closing(sqlite3.connect(path, timeout=seconds)) as connection:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if not _is_locked(error) or seconds == BUSY_SECONDS:
                    raise
        LOG.warning(f"{path}: another process holds the database; waiting for it")


def _is_locked(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _open(url: str) -> RDBStorage:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith(SQLITE):
        options["connect_args"] = {"timeout": BUSY_SECONDS}
    return optuna.storages.RDBStorage(url, engine_kwargs=options)


def _require_driver() -> None:
    try:
        import psycopg  # noqa: F401
    except ImportError:
        fix = "pip install 'mmvad[postgres]'"
        raise UserError("--storage", "PostgreSQL needs the package psycopg, which is not installed", fix=fix) from None


def _fix(url: str) -> str:
    if url.startswith(SQLITE):
        return "end what holds it, or free space on its disk; the same command goes on from there"
    return "start the server or mend the URL; the same command goes on from there"


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    with disk_errors(path):
        file = open(path, "a+b")  # noqa: SIM115 - closed below
    try:
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise UserError(path, f"has been held for {LOCK_SECONDS:.0f} s", fix="end what hangs") from None
                time.sleep(random.uniform(0.005, 0.03))
        yield
    finally:
        file.close()
