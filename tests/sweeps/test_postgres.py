"""Two machines, played by two commands with results folders of their own, and one PostgreSQL that goes away."""

from __future__ import annotations

import os
import pwd
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmvad.sweeps.pull import pull
from mmvad.sweeps.storage import open_database, storage_url
from tests import forked
from tests.sweeps.postgres import Server, binaries
from tests.sweeps.stub import SECONDS, ledger
from tests.sweeps.test_engine import grid

OUTAGE_SECONDS = 10.0
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg")
    programs = binaries()
    if programs is None:
        assert not os.environ.get("CI"), "CI needs Debian's package postgresql"
        pytest.skip("no PostgreSQL server is installed (apt-get install postgresql)")
    if os.geteuid() == 0 and "postgres" not in {user.pw_name for user in pwd.getpwall()}:
        pytest.skip("PostgreSQL refuses root, and there is no user postgres")
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:  # a socket's path has 107 letters at most
        server = Server(Path(folder), programs)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.mark.slow
def test_two_machines_share_a_sweep_while_the_server_restarts(server: Server, tmp_path: Path) -> None:
    file, folders = grid(tmp_path, seeds="0, 1"), [tmp_path / "one", tmp_path / "two"]
    words = [sys.executable, "-m", "tests.sweeps.stub", str(file)]
    environment = {**os.environ, SECONDS: "0.4"}
    both = [
        forked.start([*words, str(folder), "--workers", "1", "--storage", server.url], cwd=ROOT, env=environment)
        for folder in folders
    ]
    until = time.monotonic() + 60
    while sum(len(ledger(folder)) for folder in folders) < 4 and time.monotonic() < until:
        time.sleep(0.1)
    server.stop()
    time.sleep(OUTAGE_SECONDS)
    server.start()
    assert [process.wait(120) for process in both] == [0, 0]
    runs = [identity for folder in folders for identity in ledger(folder)]
    assert len(runs) == len(set(runs)) == 18
    assert all(ledger(folder) for folder in folders), "both took their share"
    database = open_database(storage_url(server.url, tmp_path))
    for folder in folders:
        assert pull(database, folder) == (18 - len(ledger(folder)), len(ledger(folder)), 0)
        assert pull(database, folder) == (0, 18, 0)
    reports = [{path.parent.name: path.read_bytes() for path in folder.glob("*/report.json")} for folder in folders]
    assert reports[0] == reports[1]
    assert len(reports[0]) == 18
