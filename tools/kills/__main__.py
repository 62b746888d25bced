"""python -m tools.kills --seed 0 --kills 100 --terms 100 [--only import,extract,train,sweep]

Small imports, extractions, trainings and sweeps that are ended at random moments by SIGKILL or SIGTERM and given again,
until each is through. Counts what was lost (results that differ from an undisturbed command's), what was doubled (work
that was finished and done again), what was left over, and how the commands said that they were stopped. Exit code 1 if
anything was. Commands run in forked processes that have the libraries already, so that the signal meets their work.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmvad.cli.main import main as mmvad
from tools.kills.jobs import JOBS, Bytes, Job, prepare

KILLS_A_COMMAND = 3
"""So often one command is ended before it is left in peace."""
STOPPED = {128 + signal.SIGTERM, -signal.SIGTERM}
PATIENCE_SECONDS = 300.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Ends as many commands as the command line asks for; 1 where one did not come through whole."""
    options = _options(arguments)
    _load_libraries()
    wanted = {signal.SIGKILL: options.kills, signal.SIGTERM: options.terms}
    with tempfile.TemporaryDirectory(prefix="mmvad-kills-") as folder:
        inputs = Path(folder, "inputs")
        inputs.mkdir()
        prepare(inputs)
        counts: Counter[str] = Counter()
        for number, name in enumerate(options.only):
            share = {kind: len(range(number, count, len(options.only))) for kind, count in wanted.items()}
            counts += _disturb(name, inputs, Path(folder, name), share, random.Random(f"{options.seed} {name}"))
    bad = {what: count for what, count in counts.items() if what.startswith(("lost", "doubled", "left", "wrong"))}
    print(", ".join(f"{counts[kind]} {kind}" for kind in ("SIGKILL", "SIGTERM", "commands")), end=": ")
    print(", ".join(f"{counts[what]} {what}" for what in ("lost", "doubled", "left over")), end=", ")
    print("all results equal to an undisturbed command's" if not bad else f"NOT AS IT MUST BE: {bad}")
    return int(bool(bad))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.kills", description=__doc__.partition("\n\n")[2])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=8, metavar="N", help="by SIGKILL (default: %(default)s)")
    parser.add_argument("--terms", type=int, default=8, metavar="N", help="by SIGTERM (default: %(default)s)")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(JOBS), metavar="JOB,..")
    return parser.parse_args(arguments)


def _load_libraries() -> None:
    """Imported once, before the commands are forked."""
    import av
    import open_clip
    import resampy
    import torchvggish

    import mmvad.extraction.extractor
    import mmvad.extraction.vggish
    import mmvad.sweeps.grid
    import mmvad.training.train  # noqa: F401

    del av, open_clip, resampy, torchvggish


def _disturb(name: str, inputs: Path, folder: Path, share: dict[signal.Signals, int], chance: random.Random) -> Counter:
    """What came of a job that is ended as often as `share` says."""
    job = JOBS[name]
    begun = time.monotonic()
    known = _undisturbed(job, inputs, folder / "whole")
    seconds = time.monotonic() - begun
    left = [kind for kind, count in share.items() for _ in range(count)]
    chance.shuffle(left)
    counts: Counter[str] = Counter()
    number = 0
    while left:
        out = folder / str(number)
        number += 1
        counts += _one_command(job, inputs, out, left, seconds, known, chance)
    print(f"{name} ({seconds:.1f} s undisturbed): " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
    return counts


def _undisturbed(job: Job, inputs: Path, out: Path) -> Bytes:
    code = _wait(_start(job, inputs, out), PATIENCE_SECONDS)
    if code != 0:
        raise SystemExit(f"the undisturbed command ended with {code}: {_printed(out)}")
    return job.results(out)


def _one_command(
    job: Job, inputs: Path, out: Path, left: list[signal.Signals], seconds: float, known: Bytes, chance: random.Random
) -> Counter[str]:
    """One command, ended a few times and then left in peace; `left` loses the signals that met it."""
    counts, finished = Counter({"commands": 1}), dict[str, object]()
    for _ in range(min(KILLS_A_COMMAND, len(left))):
        process = _start(job, inputs, out)
        code = _wait(process, chance.uniform(0, seconds))
        if code is not None:  # it was faster
            counts["wrong exit code"] += code != 0
            break
        kind = left.pop()
        _end(process, kind, whole_group=kind == signal.SIGKILL and chance.random() < 0.5)
        counts[kind.name] += 1
        code = _wait(process, PATIENCE_SECONDS)
        counts["wrong code after SIGTERM"] += kind == signal.SIGTERM and code not in {*STOPPED, 0}
        finished = _still_finished(job, out, finished, counts)
    code = _wait(_start(job, inputs, out), PATIENCE_SECONDS)
    counts["wrong exit code"] += code != 0
    _still_finished(job, out, finished, counts)
    counts["lost"] += code != 0 or job.results(out) != known
    counts["left over"] += len(job.left(out))
    if +Counter({what: n for what, n in counts.items() if what.startswith(("lost", "doubled", "left", "wrong"))}):
        print(f"{out}: {dict(+counts)}\n{_printed(out)}", flush=True)
    return +counts


def _still_finished(job: Job, out: Path, before: dict[str, object], counts: Counter[str]) -> dict[str, object]:
    """What is finished now; counts what was finished before and is not the same any more."""
    now = dict(job.finished(out))
    counts["doubled"] += sum(now.get(name) != mark for name, mark in before.items())
    return now


def _start(job: Job, inputs: Path, out: Path) -> int:
    """The process of a forked command: a group of its own, its words in a file beside its results."""
    out.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    gc.freeze()  # what the parent has lying about is not the child's to take apart: its threads are not there
    process = os.fork()
    if process:
        gc.unfreeze()
        return process
    code = 70
    try:
        os.setsid()
        os.chdir(out.parent)
        log = os.open(f"{out}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = mmvad(job.words(inputs, out))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(process: int, seconds: float) -> int | None:
    """The exit code, negative for a signal; None for a process that is still there after so many seconds."""
    until = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return None
        time.sleep(0.002)


def _end(process: int, kind: signal.Signals, whole_group: bool) -> None:
    try:
        (os.killpg if whole_group else os.kill)(process, kind)
    except ProcessLookupError:
        os.kill(process, kind)  # it was forked this very moment, and has no group yet


def _printed(out: Path) -> str:
    log = Path(f"{out}.log")
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.is_file() else ""


if __name__ == "__main__":
    sys.exit(main())
