"""A worker: a process that takes one cell after the other until none is left."""

from __future__ import annotations

import importlib
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from mmvad.config.identity import run_name
from mmvad.config.schema import Config
from mmvad.errors import UserError
from mmvad.runs import RunFolder, read_json
from mmvad.sweeps.process import Owner, this_process
from mmvad.sweeps.record import RUNNING, WAITING, Record
from mmvad.sweeps.storage import open_database
from mmvad.sweeps.study import BEAT_SECONDS, Queue, headline_value

LOG = logging.getLogger("mmvad")
NOTHING_LEFT, RENEW = 0, 75
POLL_SECONDS = 1.0
HELD = "another process is writing it"
DEFAULT_TRAINER = "mmvad.training.train:train"


@dataclass(frozen=True)
class GridWorker:
    """Trains the cells of a grid. It crosses to the worker process, so it holds plain values only.

    Attributes:
        configs: by identity, in the order in which they are taken; a cell of the database that is not among them is
            another command's.
        trainer: `module:function`, from a Config to its RunFolder.
    """

    url: str
    configs: Mapping[str, Config]
    trainer: str = DEFAULT_TRAINER
    patience: float = 900.0

    def __call__(self) -> int:
        """Works until every cell is finished somewhere; the exit code says whether to send a fresh worker."""
        queue = Queue(open_database(self.url, patience=self.patience))
        owner, order = this_process(), list(self.configs)
        while True:
            record = queue.claim(order, owner)
            if record is not None:
                order.remove(record.identity)  # behind the others, should it be held elsewhere
                order.append(record.identity)
                if not self.run(queue, record, owner):
                    return RENEW
            elif not any(r.state in {WAITING, RUNNING} for r in queue.states(order).values()):
                return NOTHING_LEFT
            else:
                time.sleep(POLL_SECONDS)

    def run(self, queue: Queue, record: Record, owner: Owner) -> bool:
        """Runs a claimed cell and says how it ended. False where the process should not go on after this."""
        config = self.configs[record.identity]
        try:
            with beating(queue, record.trial_id):
                report, manifest = train_cell(config, record.identity, self.trainer)
        except (KeyboardInterrupt, SystemExit):
            queue.release(record, owner)
            raise
        except UserError as error:
            return self._refused(queue, record, owner, error)
        except Exception as error:
            if type(error).__name__ == "SIGTERMException":
                queue.release(record, owner)
                raise KeyboardInterrupt from error
            LOG.error(traceback.format_exc())
            queue.fail(record, f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")
            return False  # what is left of CUDA or of memory is not trusted with the next cell
        queue.complete(record, {"report": report, "manifest": manifest}, headline_value(report))
        return True

    def _refused(self, queue: Queue, record: Record, owner: Owner, error: UserError) -> bool:
        LOG.error(str(error))
        if HELD in str(error):  # `mmvad train` by hand, or a worker that is just ending
            queue.release(record, owner)
            time.sleep(POLL_SECONDS)
        else:
            queue.fail(record, str(error))
        return True


def train_cell(config: Config, identity: str, trainer: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Report and manifest of a cell; trained only where no report is here. Raises UserError for another run's."""
    folder = RunFolder(config.runtime.results / run_name(config, identity))
    if not folder.finished:
        folder = named_function(trainer)(config)
    report = read_json(folder.report)
    if report.get("identity") != identity:
        raise UserError(
            folder.path,
            f"the run's identity is {str(report.get('identity'))[:12]}",
            expected=f"{identity[:12]}, as the sweep was resolved",
            fix="the bank, the text weights or the code changed meanwhile: start the sweep again",
        )
    return report, read_json(folder.manifest) if folder.manifest.is_file() else {}


def modules_of(trainer: str) -> tuple[str, ...]:
    """What a worker with this trainer imports before anything else, so that all workers can share the import."""
    return trainer.partition(":")[0], "optuna"


def named_function(name: str) -> Callable[..., Any]:
    """The function that `module:function` names."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


@contextmanager
def beating(queue: Queue, trial_id: int) -> Iterator[None]:
    """Beats from a thread while the block runs. A beat that the database misses is no harm: the next one comes."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(BEAT_SECONDS):
            with suppress(Exception):
                queue.beat(trial_id)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=5)
