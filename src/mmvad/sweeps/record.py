"""A trial as the queue reads it, without its configuration and report; and how one is taken, in one transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mmvad.sweeps.process import Owner
from mmvad.sweeps.storage import Database

WAITING, RUNNING, COMPLETE, FAIL, PRUNED = "WAITING", "RUNNING", "COMPLETE", "FAIL", "PRUNED"
RANK = {COMPLETE: 4, RUNNING: 3, WAITING: 2, FAIL: 1}
_RECORDS = """
SELECT t.trial_id, t.study_id, t.state, h.heartbeat, a.key, a.value_json
FROM trials t JOIN trial_user_attributes a ON a.trial_id = t.trial_id
LEFT JOIN trial_heartbeats h ON h.trial_id = t.trial_id
WHERE a.key IN ('identity', 'cell', 'owner', 'reason', 'deaths') ORDER BY t.trial_id
"""
_TAKE = """
UPDATE trials SET state = 'RUNNING', datetime_start = :now WHERE trial_id = :trial AND state = 'WAITING'
"""
_OWN = """
INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (:trial, 'owner', :owner)
ON CONFLICT (trial_id, key) DO UPDATE SET value_json = :owner
"""


@dataclass
class Record:
    """A trial, without its report."""

    trial_id: int
    state: str
    heartbeat: str | None
    attributes: dict[str, Any] = field(default_factory=dict)
    study_id: int = 0

    @property
    def identity(self) -> str:
        return str(self.attributes.get("identity", ""))

    @property
    def cell(self) -> bool:
        """Whether `enqueue` made it; a search's trials are the search's."""
        return bool(self.attributes.get("cell"))

    @property
    def owner(self) -> Owner | None:
        return self.attributes.get("owner")

    @property
    def reason(self) -> str:
        return str(self.attributes.get("reason", ""))

    @property
    def deaths(self) -> int:
        return int(self.attributes.get("deaths", 0))


def read_records(database: Database) -> list[Record]:
    """Every trial that mmvad made, the oldest first, in one query."""
    from sqlalchemy import text

    found: dict[int, Record] = {}
    with database.engine.connect() as connection:
        for trial_id, study_id, state, heartbeat, key, value in connection.execute(text(_RECORDS)):
            new = Record(trial_id, str(state), heartbeat and str(heartbeat), study_id=study_id)
            found.setdefault(trial_id, new).attributes[key] = json.loads(value)
    return list(found.values())


def take_waiting(database: Database, trial_id: int, owner: Owner) -> bool:
    """Whether the trial waited and now runs for the owner.

    State and owner change together: a process that is killed between them would leave a trial that runs for nobody.
    """
    from sqlalchemy import DateTime, bindparam, text

    take = text(_TAKE).bindparams(bindparam("now", type_=DateTime))
    with database.engine.begin() as connection:
        if not connection.execute(take, {"now": datetime.now(), "trial": trial_id}).rowcount:
            return False
        connection.execute(text(_OWN), {"trial": trial_id, "owner": json.dumps(owner)})
    return True
