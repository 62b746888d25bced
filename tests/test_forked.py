"""Forked commands are as commands that were started by themselves: streams, exit codes, signals, folder, variables."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.forked import DEVNULL, PIPE, STDOUT

LOOK = """
import json, os, random, signal, sys, threading
import numpy
print(json.dumps({
    "argv": sys.argv, "cwd": os.getcwd(), "path": sys.path[:2], "main": __name__, "MINE": os.environ.get("MINE"),
    "variables": sorted(set(os.environ) - {"LC_CTYPE"}), "threads": threading.active_count(),
    "files": sorted(os.listdir("/proc/self/fd")),
    "interrupts": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "stdin": sys.stdin.read(), "tty": sys.stdout.isatty(), "encoding": sys.stdout.encoding,
}))
"""
pytestmark = pytest.mark.skipif(forked.ADDRESS not in os.environ, reason="no server of processes here: no pidfd_open")


def code(text: str, *words: str) -> list[str]:
    return [sys.executable, "-c", text, *words]


def test_a_process_is_as_one_that_was_started_by_itself(tmp_path: Path) -> None:
    options: dict[str, Any] = {"cwd": tmp_path, "env": os.environ | {"MINE": "1"}, "stdin": DEVNULL}
    options |= {"capture_output": True, "check": True}
    found = json.loads(forked.run(code(LOOK, "a", "b"), **options).stdout)
    wanted = json.loads(subprocess.run(code(LOOK, "a", "b"), text=True, **options).stdout)
    assert found == wanted


def test_what_it_draws_is_its_own() -> None:
    draw = code("import random, numpy; print(random.random(), numpy.random.rand())")
    one, other = (forked.run(draw, capture_output=True, check=True).stdout.split() for _ in range(2))
    assert one[0] != other[0]
    assert one[1] != other[1]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("pass", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('no')", 1),
        ("1 / 0", 1),
        ("import os; os._exit(75)", 75),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("import atexit, os; atexit.register(os._exit, 4)", 4),
        ("raise KeyboardInterrupt", -2),
    ],
)
def test_exit_codes(text: str, wanted: int) -> None:
    done = forked.run(code(text), capture_output=True)
    assert done.returncode == subprocess.run(code(text), capture_output=True).returncode == wanted
    assert ("Traceback" in done.stderr) == (text in {"1 / 0", "raise KeyboardInterrupt"})


def test_streams_of_its_own(tmp_path: Path) -> None:
    both = code("import sys; print(sys.stdin.read()); print('said', file=sys.stderr)")
    process = forked.start(both, stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    assert process.stdin is not None
    process.stdin.write("given")
    process.stdin.close()
    assert sorted((process.communicate()[0] or "").split()) == ["given", "said"]
    with open(tmp_path / "log", "w") as log:
        assert forked.start(code("print('x' * 200_000)"), stdout=log).wait() == 0
    assert (tmp_path / "log").stat().st_size == 200_001


def test_signals_reach_it_and_it_is_not_left_behind() -> None:
    wait = code("import time; print('there', flush=True); time.sleep(60)")
    with pytest.raises(subprocess.TimeoutExpired):
        forked.run(wait, timeout=0.3, stdout=DEVNULL)
    process = forked.start(wait, stdout=PIPE, stderr=DEVNULL, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    assert process.poll() is None
    assert os.getsid(process.pid) == process.pid
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == -signal.SIGINT
    left = forked.start(wait, stdout=PIPE)
    pid = left.pid
    del left
    until = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()


def test_a_copy_of_the_package_is_imported_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "mmvad").mkdir()
    (tmp_path / "mmvad" / "__init__.py").write_text("")
    (tmp_path / "mmvad" / "__main__.py").write_text("import mmvad; print(mmvad.__file__)")
    words, env = [sys.executable, "-m", "mmvad"], os.environ | {"PYTHONPATH": str(tmp_path)}
    done = forked.run(words, env=env, cwd="/", capture_output=True)
    assert done.stdout.strip() == str(tmp_path / "mmvad" / "__init__.py"), done.stderr
    shell = [sys.executable, "-S", "-I", str(Path(forked.__file__).with_name("request.py")), "-m", "mmvad"]
    assert subprocess.run(shell, env=env, cwd="/", capture_output=True, text=True).stdout == done.stdout
