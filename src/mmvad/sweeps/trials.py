"""The study of a search: what it is known by, the next trial, trials that ended without a value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmvad.config.schema import Config
from mmvad.sweeps.cells import Resolver
from mmvad.sweeps.definition import OVERLAY, Sweep, project_file
from mmvad.sweeps.process import Owner
from mmvad.sweeps.record import FAIL, RUNNING, WAITING, Record
from mmvad.sweeps.storage import Database
from mmvad.sweeps.study import Queue

if TYPE_CHECKING:
    import optuna

STARTUP_TRIALS = 5
DIED = "its worker ended; proposed again"
AGAIN = "again"
"""Attribute of a trial that stands in for one that failed: that one's number."""


def study_name(sweep: Sweep, lowest: Config, overrides: Sequence[str], resolver: Resolver) -> str:
    """The name of a search's study: trials are its own only where all that a value rests on is the same.

    That is the method, the ranges, what the command line sets, and the identity of one configuration: base files,
    constants, the bank's content, text weights and precision. `run_cap` and `early_terminate` may change on the way.

    Args:
        lowest: the configuration with every range at its lower end.
    """
    ranges = sweep.ranges()
    given = dict(text.split("=", 1) for text in overrides)
    overlays = ranges[OVERLAY].choices if OVERLAY in ranges else ()
    rests_on = {
        "ranges": {key: repr(drawn) for key, drawn in ranges.items()},
        "overlays": [project_file(str(path), sweep.file).read_text(encoding="utf-8") for path in overlays],
        "set": {key: value for key, value in given.items() if key != "data.bank" and not key.startswith("runtime.")},
        "identity": resolver.identity(lowest),
    }
    digest = hashlib.sha256(json.dumps(rests_on, sort_keys=True).encode()).hexdigest()
    return f"{sweep.name} on {sweep.benchmark}, {sweep.method} {digest[:12]}"


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


def counted(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The study's trials without those in whose place another one stands."""
    trials = study.get_trials(deepcopy=False)
    replaced = {t.user_attrs.get(AGAIN) for t in trials}
    return [t for t in trials if t.user_attrs.get("reason") != DIED and t.number not in replaced]


def given_out(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The counted trials that run or have ended."""
    return [t for t in counted(study) if t.state.name != WAITING]


def propose_failed_again(study: optuna.Study, database: Database) -> None:
    """Every trial that failed waits again, with the same values and in the same place of the count."""
    with database.lock():
        for trial in counted(study):
            if trial.state.name == FAIL:
                study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})


def ask(study: optuna.Study, queue: Queue, target: int, owner: Owner) -> optuna.Trial | None:
    """The next trial, or None where all are given out. Trials of dead workers are proposed again."""
    with queue.database.lock():
        _recover(study, queue)
        if len(given_out(study)) >= target:
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
