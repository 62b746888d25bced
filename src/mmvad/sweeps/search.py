"""A search: Optuna's TPE proposes, trials that lag are pruned, the objective is the figure of held-out videos."""

from __future__ import annotations

import csv
import logging
import time
import traceback
from collections.abc import Sequence
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
from mmvad.sweeps.process import Owner, this_process
from mmvad.sweeps.record import PRUNED, RUNNING, Record
from mmvad.sweeps.storage import Database, open_database
from mmvad.sweeps.study import Queue
from mmvad.sweeps.worker import DEFAULT_TRAINER, NOTHING_LEFT, POLL_SECONDS, RENEW, beating, named_function

if TYPE_CHECKING:
    import optuna

LOG = logging.getLogger("mmvad")
DEFAULT_TRIALS = 20
DEFAULT_RESOLVER = "mmvad.sweeps.cells:Resolver"
STARTUP_TRIALS = 5
DIED = "its worker ended; proposed again"


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

    def __call__(self) -> int:
        """Works until no trial is left to ask for."""
        database = open_database(self.url)
        queue, study, owner = Queue(database), open_study(database, self.study_name, self.sweep), this_process()
        resolver: Resolver = named_function(self.resolver)()
        while True:
            trial = database.patiently(lambda: ask(study, queue, self.target, owner))
            if trial is not None:
                if not self.run(queue, study, resolver, trial):
                    return RENEW
            elif not any(t.state.name == RUNNING for t in study.get_trials(deepcopy=False)):
                return NOTHING_LEFT
            else:
                time.sleep(POLL_SECONDS)

    def run(self, queue: Queue, study: optuna.Study, resolver: Resolver, trial: optuna.Trial) -> bool:
        """One trial, told to the study however it ends. False where the process should not go on after this."""
        import optuna

        tell = queue.database.patiently
        try:
            with beating(queue, trial._trial_id):
                value = self.train(resolver, trial)
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

    def train(self, resolver: Resolver, trial: optuna.Trial) -> float:
        """Trains what the trial proposes; gives the validation figure of the checkpoint that `select` names."""
        import optuna

        config = configure(self.sweep, proposed(self.sweep, trial), self.overrides)
        trial.set_user_attr("identity", resolver.identity(config))
        trial.set_user_attr("config", plain(config))

        def watch(epoch: int, figures: dict[str, float]) -> None:
            trial.report(figures[self.sweep.metric], epoch)
            if trial.should_prune():
                raise optuna.TrialPruned(f"epoch {epoch + 1}")

        folder: RunFolder = named_function(self.trainer)(config, watch)
        trial.set_user_attr("report", read_json(folder.report))
        trial.set_user_attr("manifest", read_json(folder.manifest))
        return validation_figure(folder, config, self.sweep.metric)


def proposed(sweep: Sweep, trial: optuna.Trial) -> Values:
    """The constants of the file and the values that Optuna proposes."""
    return sweep.constants() | {key: drawn.suggest(trial, key) for key, drawn in sweep.ranges().items()}


def validation_figure(folder: RunFolder, config: Config, metric: str) -> float:
    """The held-out videos' figure: of the best epoch under `best_val`, else of the last."""
    with open(folder.epochs, newline="", encoding="utf-8") as lines:
        figures = [float(row[metric]) for row in csv.DictReader(lines) if row.get(metric)]
    return max(figures) if config.select == "best_val" else figures[-1]


def open_study(database: Database, name: str, sweep: Sweep) -> optuna.Study:
    """The search's study, made where it is missing."""
    import optuna

    bayes, stop = sweep.method == "bayes", sweep.content.get("early_terminate")
    sampler = optuna.samplers.TPESampler(constant_liar=True) if bayes else optuna.samplers.RandomSampler()
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if stop:
        warmup = int(stop.get("min_iter", 1))
        pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=warmup)
    return database.patiently(
        lambda: optuna.create_study(
            storage=database.optuna,
            study_name=name,
            direction="maximize",
            load_if_exists=True,
            sampler=sampler,
            pruner=pruner,
        )
    )


def ask(study: optuna.Study, queue: Queue, target: int, owner: Owner) -> optuna.Trial | None:
    """The next trial, or None where all are given out. Trials of dead workers are proposed again."""
    with queue.database.lock():
        _recover(study, queue)
        trials = [t for t in study.get_trials(deepcopy=False) if t.user_attrs.get("reason") != DIED]
        waiting = any(t.state.name == "WAITING" for t in trials)
        if not waiting and len(trials) >= target:
            return None
        trial = study.ask()
        trial.set_user_attr("owner", owner)
        queue.beat(trial._trial_id)
        return trial


def give_up(study: optuna.Study, number: int, reason: str) -> None:
    """The trial failed; one whose worker ended is proposed again with the same values, and resumes its run."""
    import optuna

    trial = study.get_trials(deepcopy=False)[number]
    if trial.state.is_finished():
        return
    study._storage.set_trial_user_attr(trial._trial_id, "reason", reason)
    study.tell(number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)
    if reason == DIED and trial.params:
        study.enqueue_trial(trial.params)


def _recover(study: optuna.Study, queue: Queue) -> None:
    records = {record.trial_id: record for record in queue.records()}
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name == RUNNING:
            record = records.get(trial._trial_id, Record(trial._trial_id, RUNNING, None))
            if queue.dead(record):
                give_up(study, trial.number, DIED)


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
    study_name: str,
    sweep: Sweep,
    overrides: Sequence[str],
    database: Database,
    *,
    workers: int = 1,
    limit: int | None = None,
    trainer: str = DEFAULT_TRAINER,
    resolver: str = DEFAULT_RESOLVER,
) -> tuple[Standing, list[Any]]:
    """Runs the search to its `run_cap` (or to `limit` trials more); how it stands, and its trials, the best first."""
    config = check_search(sweep, overrides)
    study = open_study(database, study_name, sweep)
    target = int(sweep.content.get("run_cap", DEFAULT_TRIALS))
    if limit is not None:
        target = min(target, len(counted(study)) + limit)
    job = SearchWorker(database.url, sweep, study_name, tuple(overrides), target, trainer, resolver)
    standing = Engine(job, lambda: _standing(study, database, target), config.runtime.results, workers).run()
    finished = [t for t in counted(study) if t.state.name == "COMPLETE"]
    return standing, sorted(finished, key=lambda t: -float(t.value or 0))


def counted(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The study's trials without those that were proposed again."""
    return [t for t in study.get_trials(deepcopy=False) if t.user_attrs.get("reason") != DIED]


def _standing(study: optuna.Study, database: Database, target: int) -> Standing:
    trials = database.patiently(lambda: counted(study))
    count = [t.state.name for t in trials].count
    best = max((float(t.value) for t in trials if t.state.name == "COMPLETE" and t.value is not None), default=None)
    note = f"{count(PRUNED)} pruned" + ("" if best is None else f", best {best:.4f}")
    return Standing(target, count("COMPLETE") + count(PRUNED), count("FAIL"), count(RUNNING), note)
