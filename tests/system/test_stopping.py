"""What asks to end ends a command as Ctrl-C does, and the same command goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from mmvad.bank.writer import BankWriter
from mmvad.cli.main import main
from mmvad.releases.importing import import_release
from mmvad.system.stopping import EXIT_CTRL_C, interrupted_code, interruptible, interrupts_wait
from tests.releases.by_hand import snapshot, write_xd

CODES = [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, EXIT_CTRL_C)]


@pytest.mark.parametrize(("number", "code"), CODES)
def test_each_signal_has_its_code_and_handlers_come_back(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), number)
    assert interrupted_code() == code
    assert signal.getsignal(number) is before


def test_what_is_ignored_stays_so() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("number", "code"), CODES)
def test_what_must_not_be_cut_is_ended_first(number: signal.Signals, code: int) -> None:
    """Also where other threads would take the signal."""
    done = []

    def work() -> None:
        with interruptible(), interrupts_wait():
            os.kill(os.getpid(), number)
            time.sleep(0.05)
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done
    assert interrupted_code() == code


def test_other_threads_leave_signals_alone() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with interruptible():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize(("number", "code"), CODES)
def test_an_import_goes_on_where_it_was(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    code: int,
) -> None:
    source = write_xd(tmp_path / "release")
    whole = import_release("xd_violence", source.root, tmp_path / "whole", subset=True)
    plain, seen = BankWriter.add, list[int]()

    def add(writer: BankWriter, *rows: object, **more: object) -> object:
        seen.append(1)
        if len(seen) == 3:
            os.kill(os.getpid(), number)
        return plain(writer, *rows, **more)  # type: ignore[arg-type]

    command = ["data", "import", "xd_violence", str(source.root), "--out", str(tmp_path / "bank"), "--subset"]
    with monkeypatch.context() as patch:
        patch.setattr(BankWriter, "add", add)
        assert main(command) == code
    assert "stopped; the same command goes on from here" in capsys.readouterr().err
    assert not (tmp_path / "bank").exists()
    assert main(command) == 0
    assert "goes on behind 2 finished videos" in capsys.readouterr().out
    assert snapshot(tmp_path / "bank") == snapshot(whole)
