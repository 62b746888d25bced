"""A search: Optuna's TPE proposes, trials that lag are pruned, the objective is the figure of held-out videos."""

from __future__ import annotations

import csv
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.config.load import plain
from mmvad.config.schema import Config
from mmvad.errors import UserError
from mmvad.runs import RunFolder, read_json
from mmvad.sweeps.cells import Resolver, configure
from mmvad.sweeps.definition import Sweep, Values
from mmvad.sweeps.engine import Engine, Standing
from mmvad.sweeps.process import this_process
from mmvad.sweeps.record import PRUNED, RUNNING
from mmvad.sweeps.storage import PATIENCE_SECONDS, Database, open_database
from mmvad.sweeps.study import Queue
from mmvad.sweeps.trials import DIED, ask, counted, give_up, given_out, open_study, propose_failed_again, study_name
from mmvad.sweeps.worker import (
    DEFAULT_TRAINER,
    HELD,
    NOTHING_LEFT,
    POLL_SECONDS,
    RENEW,
    beating,
    modules_of,
    named_function,
)

if TYPE_CHECKING:
    import optuna

LOG = logging.getLogger("mmvad")
DEFAULT_TRIALS = 20
DEFAULT_RESOLVER = "mmvad.sweeps.cells:Resolver"


@dataclass(frozen=True)
class SearchWorker:
    """Runs trials of a search until there are `target` of them; crosses to the worker process."""

    url: str
    sweep: Sweep
    study_name: str
    overrides: tuple[str, ...]
    target: int
    trainer: str = DEFAULT_TRAINER
    resolver: str = DEFAULT_RESOLVER
    patience: float = PATIENCE_SECONDS

    def __call__(self) -> int:
        """Works until no trial is left to ask for."""
        database = open_database(self.url, patience=self.patience)
        queue, study, owner = Queue(database), open_study(database, self.study_name, self.sweep), this_process()
        resolver: Resolver = named_function(self.resolver)()
        while True:
            trial = database.patiently(lambda: ask(study, queue, self.target, owner))
            if trial is not None:
                if not self.run(queue, study, resolver, trial):
                    return RENEW
            elif not any(t.state.name == RUNNING for t in database.patiently(lambda: counted(study))):
                return NOTHING_LEFT
            else:
                time.sleep(POLL_SECONDS)

    def run(self, queue: Queue, study: optuna.Study, resolver: Resolver, trial: optuna.Trial) -> bool:
        """One trial, told to the study however it ends. False where the process should not go on after this."""
        import optuna

        tell = queue.database.patiently
        try:
            with beating(queue, trial._trial_id):
                value = self.train(queue.database, resolver, trial)
        except optuna.TrialPruned:
            tell(lambda: study.tell(trial, state=optuna.trial.TrialState.PRUNED, skip_if_finished=True))
        except (KeyboardInterrupt, SystemExit):
            tell(lambda: give_up(study, trial.number, DIED))
            raise
        except Exception as error:
            LOG.error(str(error) if isinstance(error, UserError) else traceback.format_exc())
            reason = f"{type(error).__name__}: {error}"
            tell(lambda: give_up(study, trial.number, reason))
            return isinstance(error, UserError)
        else:
            tell(lambda: study.tell(trial, value, skip_if_finished=True))
        return True

    def train(self, database: Database, resolver: Resolver, trial: optuna.Trial) -> float:
        """Trains what the trial proposes; gives the validation figure of the checkpoint that `select` names."""
        import optuna

        def keep(key: str, content: Any) -> None:
            database.patiently(lambda: trial.set_user_attr(key, content))

        def watch(epoch: int, figures: dict[str, float]) -> None:
            database.patiently(lambda: trial.report(figures[self.sweep.metric], epoch))
            if database.patiently(trial.should_prune):
                raise optuna.TrialPruned(f"epoch {epoch + 1}")

        config = configure(self.sweep, database.patiently(lambda: proposed(self.sweep, trial)), self.overrides)
        keep("identity", resolver.identity(config))
        keep("config", plain(config))
        folder = when_free(lambda: named_function(self.trainer)(config, watch))
        keep("report", read_json(folder.report))
        keep("manifest", read_json(folder.manifest))
        return validation_figure(folder, config, self.sweep.metric)


def when_free(train: Callable[[], RunFolder]) -> RunFolder:
    """Trains, as soon as no other process has the run: a trial may propose what another one is at."""
    while True:
        try:
            return train()
        except UserError as error:
            if HELD not in str(error):
                raise
        time.sleep(POLL_SECONDS)


def proposed(sweep: Sweep, trial: optuna.Trial) -> Values:
    """The constants of the file and the values that Optuna proposes, as the database has them.

    Where its answer to one was lost, and the value was drawn again, the first one stands there.
    """
    for key, drawn in sweep.ranges().items():
        drawn.suggest(trial, key)
    return sweep.constants() | trial.study._storage.get_trial(trial._trial_id).params


def validation_figure(folder: RunFolder, config: Config, metric: str) -> float:
    """The held-out videos' figure: of the best epoch under `best_val`, else of the last.

    Raises UserError where the run has no record of its epochs: `mmvad sweep pull` fetches reports alone.
    """
    if not folder.epochs.is_file():
        raise UserError(
            folder.path,
            "holds a report without epochs.csv, so it has no figure of held-out videos",
            expected="a run that was trained on this machine",
            fix="move the folder away, and say --retry-failed",
        )
    with open(folder.epochs, newline="", encoding="utf-8") as lines:
        figures = [float(row[metric]) for row in csv.DictReader(lines) if row.get(metric)]
    return max(figures) if config.select == "best_val" else figures[-1]


def run_cap(sweep: Sweep) -> int:
    """How many trials a search has."""
    return int(sweep.content.get("run_cap", DEFAULT_TRIALS))


def standing_of(sweep: Sweep, name: str, database: Database) -> Standing | None:
    """How the search of this study's name stands; None where it has not begun."""
    import optuna

    try:
        study = database.patiently(lambda: optuna.load_study(study_name=name, storage=database.optuna))
    except KeyError:
        return None
    return _standing(study, database, run_cap(sweep))


def check_search(sweep: Sweep, overrides: Sequence[str]) -> Config:
    """The configuration with every range at its lower end. Raises UserError where there is nothing to validate on."""
    lowest = {key: (r.choices[0] if r.choices else r.low) for key, r in sweep.ranges().items()}
    whole = {key: int(v) if sweep.ranges()[key].whole else v for key, v in lowest.items()}
    config = configure(sweep, sweep.constants() | whole, overrides)
    wanted = f"val/{benchmark_named(config.benchmark).headline}"
    if sweep.metric != wanted:
        raise UserError(f"{sweep.file}: metric.name", f"{sweep.metric!r} is not measured", expected=wanted)
    if not config.data.validation_share or config.select == "best_test":
        raise UserError(
            sweep.file,
            "a search needs held-out training videos, and never the test set",
            expected="data.validation_share above 0, and select best_val or last",
        )
    return config


def run_search(
    sweep: Sweep,
    overrides: Sequence[str],
    database: Database,
    *,
    workers: int = 1,
    limit: int | None = None,
    retry_failed: bool = False,
    trainer: str = DEFAULT_TRAINER,
    resolver: str = DEFAULT_RESOLVER,
) -> tuple[Standing, list[Any]]:
    """Runs the search to its `run_cap` (or to `limit` trials more); how it stands, and its trials, the best first.

    Args:
        retry_failed: trials that failed are run again, in their own places of the `run_cap`.
    """
    config = check_search(sweep, overrides)
    name = study_name(sweep, config, overrides, named_function(resolver)())
    study = open_study(database, name, sweep)
    if retry_failed:
        database.patiently(lambda: propose_failed_again(study, database))
    target = run_cap(sweep)
    if limit is not None:
        target = min(target, len(database.patiently(lambda: given_out(study))) + limit)
    job = SearchWorker(database.url, sweep, name, tuple(overrides), target, trainer, resolver, database.patience)
    results, modules = config.runtime.results, modules_of(trainer)
    standing = Engine(job, lambda: _standing(study, database, target), results, workers, modules).run()
    finished = [t for t in database.patiently(lambda: counted(study)) if t.state.name == "COMPLETE"]
    return standing, sorted(finished, key=lambda t: -float(t.value or 0))


def _standing(study: optuna.Study, database: Database, target: int) -> Standing:
    trials = database.patiently(lambda: counted(study))
    count = [t.state.name for t in trials].count
    best = max((float(t.value) for t in trials if t.state.name == "COMPLETE" and t.value is not None), default=None)
    note = f"{count(PRUNED)} pruned" + ("" if best is None else f", best {best:.4f}")
    return Standing(target, count("COMPLETE") + count(PRUNED), count("FAIL"), count(RUNNING), note)
