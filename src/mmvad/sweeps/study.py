"""The queue: cells as trials of Optuna studies. One live trial an identity in the whole database, whatever the study.

A trial waits, is claimed by a worker, beats while it runs, and ends complete (with the report as an attribute) or
failed (with the reason). What a dead worker leaves behind waits again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmvad.sweeps.process import Owner, gone, parent_lives, same
from mmvad.sweeps.record import COMPLETE, FAIL, RANK, RUNNING, WAITING, Record, read_records, take_waiting
from mmvad.sweeps.storage import Database

BEAT_SECONDS = 10.0
GRACE_SECONDS = 90.0
MOST_DEATHS = 8
Payload = Mapping[str, Any]


class Queue:
    """Cells of all sweeps in one database.

    Args:
        grace: seconds without a heartbeat after which another machine's worker counts as dead.
    """

    def __init__(self, database: Database, grace: float = GRACE_SECONDS) -> None:
        self.database, self.grace = database, grace
        self._seen: dict[int, tuple[str | None, float]] = {}
        self._last_look = time.monotonic()

    def records(self) -> list[Record]:
        """Every trial that mmvad made, the oldest first."""
        return self.database.patiently(lambda: read_records(self.database))

    def states(self, identities: Iterable[str]) -> dict[str, Record]:
        """The trial that says how each cell stands; a cell that is in no study is missing.

        Of a search's trials only finished ones count: their reports serve a grid too, their deaths are not its affair.
        """
        wanted, found = set(identities), dict[str, Record]()
        for record in self.records():
            rank = RANK.get(record.state, 0) if record.cell or record.state == COMPLETE else 0
            if record.identity in wanted and rank:
                known = found.get(record.identity)
                if known is None or rank >= RANK[known.state]:
                    found[record.identity] = record
        return found

    def enqueue(
        self,
        study_name: str,
        configs: Mapping[str, Any],
        finished: Mapping[str, Payload] | None = None,
        *,
        retry_failed: bool = False,
    ) -> None:
        """Adds what is not in the database. Two that do so at once add each cell once.

        Args:
            configs: by identity, the plain configuration that is kept with the trial.
            finished: by identity, what `complete` takes, for cells whose report lies here already.
            retry_failed: cells that failed wait again.
        """
        self.database.patiently(lambda: self._enqueue(study_name, configs, finished or {}, retry_failed))

    def claim(self, identities: Sequence[str], owner: Owner) -> Record | None:
        """The first cell that waits, now this worker's; None where none waits. Dead workers' cells wait again first."""
        return self.database.patiently(lambda: self._claim(identities, owner))

    def beat(self, trial_id: int) -> None:
        """Says that the trial's worker lives. Raises what the database raises: the next beat is soon enough."""
        self.database.optuna.record_heartbeat(trial_id)

    def complete(self, record: Record, payload: Payload, value: float | None) -> None:
        """The cell is done; `payload` (report, manifest) stays with it, also where another worker had failed on it."""
        self.database.patiently(lambda: self._complete(record.identity, payload, value))

    def fail(self, record: Record, reason: str) -> None:
        """The trial failed, for a reason that is kept; nothing happens where another worker has it meanwhile."""
        self.database.patiently(lambda: self._fail(record, reason))

    def release(self, record: Record, owner: Owner) -> None:
        """The trial waits again; nothing happens where it is no longer the owner's."""
        self.database.patiently(lambda: self._release(record.trial_id, owner))

    def attributes(self, trial_id: int) -> dict[str, Any]:
        """All that was kept with a trial: identity, config, report, manifest, reason."""
        return self.database.patiently(lambda: self.database.optuna.get_trial_user_attrs(trial_id))

    def _enqueue(
        self, study_name: str, configs: Mapping[str, Any], finished: Mapping[str, Payload], retry_failed: bool
    ) -> None:
        import optuna
        from optuna.trial import TrialState, create_trial

        storage = self.database.optuna
        with self.database.lock():
            study = optuna.create_study(
                storage=storage, study_name=study_name, direction="maximize", load_if_exists=True
            )
            known = self.states(configs)
            for identity, config in configs.items():
                record, attributes = known.get(identity), {"identity": identity, "config": config, "cell": True}
                state = record.state if record else None
                if identity in finished and state in {None, FAIL}:
                    value = headline_value(finished[identity].get("report", {}))
                    whole = {**attributes, **finished[identity]}
                    if value is not None:
                        study.add_trial(create_trial(state=TrialState.COMPLETE, value=value, user_attrs=whole))
                        continue
                if record is not None and state == WAITING and identity in finished:
                    self._finish(record.trial_id, COMPLETE, finished[identity], None)
                elif state is None or (state == FAIL and retry_failed):
                    study.add_trial(create_trial(state=TrialState.WAITING, user_attrs=attributes))

    def _claim(self, identities: Sequence[str], owner: Owner) -> Record | None:
        with self.database.lock():
            states = self.states(identities)
            for record in states.values():
                if record.state == RUNNING and record.owner and same(record.owner, owner):
                    return record  # claimed before, but the database's answer was lost
            self.recover(states.values())
            for identity in identities:
                claimed = states.get(identity)
                if claimed is not None and claimed.state == WAITING and self._take(claimed, owner):
                    return claimed
        return None

    def _take(self, record: Record, owner: Owner) -> bool:
        """Whether the waiting trial is now the owner's. A server that restarts loses the lock: the state decides."""
        if not take_waiting(self.database, record.trial_id, owner):
            return False
        self.database.optuna.record_heartbeat(record.trial_id)
        record.attributes["owner"], record.state = owner, RUNNING
        return True

    def recover(self, records: Iterable[Record]) -> None:
        """Under the lock: what dead workers ran waits again, or fails where it has ended its worker too often."""
        from optuna.trial import TrialState

        storage = self.database.optuna
        for record in records:
            if record.state != RUNNING or not self.dead(record):
                continue
            # a worker whose command lives was ended by its cell (out of memory?) or by hand; else all were stopped
            deaths = record.deaths + int(record.owner is not None and parent_lives(record.owner))
            storage.set_trial_user_attr(record.trial_id, "deaths", deaths)
            if deaths >= MOST_DEATHS:
                reason = f"its worker was killed {deaths} times (out of memory?)"
                self._finish(record.trial_id, FAIL, {"reason": reason}, None)
                record.state = FAIL
            else:
                storage.set_trial_state_values(record.trial_id, TrialState.WAITING)
                record.state = WAITING

    def dead(self, record: Record) -> bool:
        """Whether the worker of a running trial ended: seen at once on this machine, by silence on another.

        Silence is measured by this machine's clock, and only while the database answered.
        """
        if record.owner is not None and gone(record.owner):
            return True
        now = time.monotonic()
        if now - self._last_look > self.grace / 3:
            self._seen.clear()
        self._last_look = now
        heartbeat, since = self._seen.get(record.trial_id, (None, 0.0))
        if record.trial_id not in self._seen or heartbeat != record.heartbeat:
            self._seen[record.trial_id] = (record.heartbeat, now)
            return False
        return now - since > self.grace

    def _complete(self, identity: str, payload: Payload, value: float | None) -> None:
        with self.database.lock():
            record = self.states([identity]).get(identity)
            if record is None or record.state == COMPLETE:
                return
            trial_id = self._successor(record) if record.state == FAIL else record.trial_id
            self._finish(trial_id, COMPLETE, payload, value)

    def _successor(self, failed: Record) -> int:
        """A new trial of the same cell: Optuna's trials cannot change once they have ended."""
        from optuna.trial import TrialState, create_trial

        storage = self.database.optuna
        config = storage.get_trial_user_attrs(failed.trial_id).get("config")
        attributes = {"identity": failed.identity, "config": config, "cell": True}
        template = create_trial(state=TrialState.WAITING, user_attrs=attributes)
        return storage.create_new_trial(failed.study_id, template)

    def _fail(self, record: Record, reason: str) -> None:
        with self.database.lock():
            if self._runs(record.trial_id, record.owner or {}):
                self._finish(record.trial_id, FAIL, {"reason": reason}, None)

    def _release(self, trial_id: int, owner: Owner) -> None:
        from optuna.trial import TrialState

        with self.database.lock():
            if self._runs(trial_id, owner):
                self.database.optuna.set_trial_state_values(trial_id, TrialState.WAITING)

    def _runs(self, trial_id: int, owner: Owner) -> bool:
        trial = self.database.optuna.get_trial(trial_id)
        return trial.state.name == RUNNING and same(trial.user_attrs.get("owner", {}), owner)

    def _finish(self, trial_id: int, state: str, attributes: Payload, value: float | None) -> None:
        """Under the lock: ends a trial that has not ended."""
        from optuna.trial import TrialState

        storage = self.database.optuna
        if storage.get_trial(trial_id).state.is_finished():
            return
        for key, content in attributes.items():
            storage.set_trial_user_attr(trial_id, key, content)
        storage.set_trial_state_values(trial_id, TrialState[state], None if value is None else [value])


def headline_value(report: Payload) -> float | None:
    """The figure that a report names as its headline."""
    headline = report.get("headline", {})
    value = report.get("scores", {}).get(headline.get("score"), {}).get(headline.get("metric"))
    return None if value is None else float(value)
