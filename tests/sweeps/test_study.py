"""The queue: one live trial an identity, claims, deaths, failures."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy

from mmvad.errors import UserError
from mmvad.sweeps import storage as storage_module
from mmvad.sweeps import study as study_module
from mmvad.sweeps.process import gone, parent_lives, this_process
from mmvad.sweeps.record import COMPLETE, FAIL, RUNNING, WAITING
from mmvad.sweeps.storage import Database, open_database, storage_url
from mmvad.sweeps.study import MOST_DEATHS, Queue

ME = this_process()
CONFIGS = {"a": {"seed": 0}, "b": {"seed": 1}}
REPORT = {"headline": {"score": "combined", "metric": "ap"}, "scores": {"combined": {"ap": 0.5}}}
ELSEWHERE = {**ME, "host": "another machine"}


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    queue = Queue(open_database(storage_url(None, tmp_path)))
    queue.enqueue("first", CONFIGS)
    return queue


def states(queue: Queue) -> dict[str, str]:
    return {identity: record.state for identity, record in queue.states(CONFIGS).items()}


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_cell_is_enqueued_once_whatever_the_study(queue: Queue) -> None:
    queue.enqueue("first", CONFIGS)
    queue.enqueue("renamed", CONFIGS)
    assert len(queue.records()) == 2
    assert states(queue) == {"a": WAITING, "b": WAITING}


def test_a_cell_from_claim_to_report(queue: Queue) -> None:
    record = queue.claim(["b", "a"], ME)
    assert record is not None
    assert record.identity == "b"
    queue.complete(record, {"report": REPORT, "manifest": {}}, 0.5)
    queue.complete(record, {"report": {}}, 0.1)  # too late, and no harm
    assert states(queue) == {"a": WAITING, "b": COMPLETE}
    assert queue.attributes(record.trial_id)["report"] == REPORT
    queue.enqueue("again", CONFIGS, retry_failed=True)
    assert len(queue.records()) == 2


def test_two_claims_are_two_cells_and_cells_of_others_are_left(queue: Queue) -> None:
    other = {**ME, "pid": 1, "started": "x", "host": "another machine"}
    first, second = queue.claim(["a", "b"], ME), queue.claim(["a", "b"], other)
    assert first is not None
    assert second is not None
    assert (first.identity, second.identity) == ("a", "b")
    assert queue.claim(["a", "b"], {**other, "pid": 2}) is None
    queue.enqueue("more", {"c": {}})
    assert queue.claim(["a", "b"], {**other, "pid": 2}) is None


def test_a_claim_whose_answer_was_lost_is_given_again(queue: Queue) -> None:
    first, again = queue.claim(["a", "b"], ME), queue.claim(["a", "b"], ME)
    assert first is not None
    assert again is not None
    assert first.trial_id == again.trial_id


def test_a_released_cell_waits_and_another_owners_does_not(queue: Queue) -> None:
    record = queue.claim(["a"], ME)
    assert record is not None
    queue.release(record, {**ME, "pid": 1})
    assert states(queue)["a"] == RUNNING
    queue.release(record, ME)
    assert states(queue)["a"] == WAITING


def test_who_lost_a_cell_to_another_machine_does_not_fail_it(queue: Queue) -> None:
    """A machine falls silent, another takes its cell; the first one comes back, with an error or with a report."""
    silent = queue.claim(["a"], ELSEWHERE)
    assert silent is not None
    queue.release(silent, ELSEWHERE)  # what another's `recover` does after the silence
    queue.fail(silent, "CUDA error")
    assert states(queue)["a"] == WAITING
    taken = queue.claim(["a"], ME)
    assert taken is not None
    queue.fail(silent, "CUDA error")
    assert states(queue)["a"] == RUNNING
    queue.fail(taken, "no memory")
    assert states(queue)["a"] == FAIL
    for _ in range(2):
        queue.complete(silent, {"report": REPORT, "manifest": {}}, 0.5)
    assert states(queue)["a"] == COMPLETE
    assert len(queue.records()) == 3, "the failure, its successor, and b"
    done = queue.attributes(queue.states(["a"])["a"].trial_id)
    assert (done["report"], done["config"]) == (REPORT, CONFIGS["a"])


def test_a_trial_that_runs_or_ended_is_not_taken(queue: Queue) -> None:
    mine, stale = queue.claim(["a"], ME), queue.states(["a"])["a"]
    assert mine is not None
    assert not queue._take(stale, ELSEWHERE)
    assert queue.states(["a"])["a"].owner == ME
    queue.fail(mine, "no memory")
    assert not queue._take(stale, ELSEWHERE)
    assert queue.states(["a"])["a"].owner == ME


def test_a_failed_cell_waits_again_only_where_asked(queue: Queue) -> None:
    record = queue.claim(["a"], ME)
    assert record is not None
    queue.fail(record, "no memory")
    queue.enqueue("first", CONFIGS)
    assert queue.states(CONFIGS)["a"].reason == "no memory"
    assert states(queue)["a"] == FAIL
    queue.enqueue("first", CONFIGS, retry_failed=True)
    assert states(queue)["a"] == WAITING


def test_a_report_that_is_here_needs_no_run(queue: Queue) -> None:
    here = {"a": {"report": REPORT, "manifest": {}}, "c": {"report": REPORT, "manifest": {}}}
    queue.enqueue("first", {**CONFIGS, "c": {}}, here)
    found = queue.states(["a", "b", "c"])
    assert [found[identity].state for identity in "abc"] == [COMPLETE, WAITING, COMPLETE]
    assert queue.attributes(found["c"].trial_id)["report"] == REPORT


def test_a_dead_worker_of_this_machine_is_seen_at_once(queue: Queue) -> None:
    dead = {**ME, "pid": ended_process(), "started": "before"}
    assert gone(dead)
    assert not gone(ME)
    assert not gone({**dead, "host": "another machine"})
    assert gone({**ME, "started": "before"}), "the number was given to another process"
    assert queue.claim(["a"], dead) is not None
    record = queue.claim(["a"], ME)
    assert record is not None
    assert record.owner == ME


def test_a_cell_that_kills_its_workers_fails_in_the_end(queue: Queue) -> None:
    dead = {**ME, "pid": ended_process(), "started": "before"}
    assert parent_lives(dead)
    for _ in range(MOST_DEATHS):
        assert queue.claim(["a"], dead) is not None
        with queue.database.lock():
            queue.recover(queue.states(CONFIGS).values())
    assert queue.claim(["a"], ME) is None
    assert "out of memory?" in queue.states(CONFIGS)["a"].reason


def test_a_killed_command_is_not_its_cells_fault(queue: Queue) -> None:
    dead = {**ME, "pid": ended_process(), "started": "before", "parent_started": "before"}
    for _ in range(MOST_DEATHS + 1):
        assert queue.claim(["a"], dead) is not None
        with queue.database.lock():
            queue.recover(queue.states(CONFIGS).values())
    assert queue.states(CONFIGS)["a"].deaths == 0


def test_silence_counts_as_death_on_another_machine_only_while_the_database_answers(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(study_module.time, "monotonic", lambda: now[0])
    queue = Queue(queue.database, grace=90)
    assert queue.claim(["a"], ELSEWHERE) is not None
    record = queue.states(["a"])["a"]
    for now[0] in range(0, 90, 10):
        assert not queue.dead(record)
    now[0] = 500  # nobody looked for a while: the worker gets its time again
    assert not queue.dead(record)
    for now[0] in range(510, 600, 10):
        assert not queue.dead(record)
    record.heartbeat = "later"
    assert not queue.dead(record)
    for now[0] in range(600, 690, 10):
        assert not queue.dead(record)
    now[0] = 700
    assert queue.dead(record)


def test_a_search_that_gave_a_configuration_up_does_not_finish_a_cell(queue: Queue) -> None:
    import optuna

    study = optuna.create_study(storage=queue.database.optuna, study_name="search")
    trial = study.ask()
    trial.set_user_attr("identity", "c")
    study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    assert queue.states(["c"]) == {}


def test_a_searchs_trial_of_the_same_run_is_left_to_the_search(queue: Queue) -> None:
    """A grid that ended it would hand its test figure to the search as an objective."""
    import optuna

    study = optuna.create_study(storage=queue.database.optuna, study_name="search", direction="maximize")
    trials = [study.ask() for _ in range(2)]
    for trial in trials:
        trial.set_user_attr("identity", "c")
        trial.set_user_attr("owner", {**ME, "pid": ended_process(), "started": "before"})
    queue.enqueue("first", {"c": {}})
    record = queue.claim(["c"], ME)
    assert record is not None
    assert record.trial_id not in {trial._trial_id for trial in trials}
    queue.fail(record, "no memory")
    queue.complete(record, {"report": REPORT}, 0.99)
    assert {trial.state.name for trial in study.trials} == {RUNNING}


def test_a_searchs_report_serves_a_grid(queue: Queue) -> None:
    import optuna

    trial = optuna.create_study(storage=queue.database.optuna, study_name="search").ask()
    trial.set_user_attr("identity", "c")
    trial.set_user_attr("report", REPORT)
    trial.study.tell(trial, 0.3)
    queue.enqueue("first", {"c": {}})
    assert queue.states(["c"])["c"].state == COMPLETE
    assert queue.claim(["c"], ME) is None


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("postgresql://me:word@there/db", "postgresql+psycopg://me:word@there/db"),
        ("postgres://there/db", "postgresql+psycopg://there/db"),
        ("sqlite:////x/y.db", "sqlite:////x/y.db"),
        ("/x/y.db", "sqlite:////x/y.db"),
        (None, "sqlite:////runs/sweeps.db"),
    ],
)
def test_the_databases_url(written: str | None, url: str) -> None:
    assert storage_url(written, Path("/runs")) == url


def test_a_database_that_another_process_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(storage_module, "SAID_SECONDS", 0.1)
    monkeypatch.setattr(storage_module, "BUSY_SECONDS", 0.3)
    path = tmp_path / "held.db"
    with closing(sqlite3.connect(path)) as holder:
        holder.execute("CREATE TABLE t (a)")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UserError, match=r"held\.db: another process holds the database") as error:
            open_database(storage_url(str(path), tmp_path))
        assert "the same command goes on from there" in str(error.value)
        assert "waiting for it" in caplog.text
        holder.rollback()
    open_database(storage_url(str(path), tmp_path))


def test_waiting_for_a_database_is_said_at_once(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    def slow() -> None:
        time.sleep(1.1)
        raise sqlalchemy.exc.OperationalError("", {}, Exception("database is locked"))

    with pytest.raises(UserError, match="does not answer"):
        Database(storage_url(None, tmp_path), patience=2.0).patiently(slow)
    assert re.search("does not answer .*database is locked.*; waiting for it", caplog.text)


def test_databases_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mysql://"):
        storage_url("mysql://there", tmp_path)
    with pytest.raises(UserError, match="no sweep has been run here"):
        open_database(storage_url(None, tmp_path), must_exist=True)
    (tmp_path / "text.db").write_text("this is no database, and long enough to be taken for one" * 20)
    with pytest.raises(UserError, match=r"text\.db: is no SQLite database"):
        open_database(storage_url(str(tmp_path / "text.db"), tmp_path))


def test_a_password_is_not_shown() -> None:
    assert Database("postgresql+psycopg://me:word@there/db").shown == "postgresql+psycopg://me@there/db"


def test_a_database_that_never_answers_is_an_error(tmp_path: Path) -> None:
    from sqlalchemy.exc import OperationalError

    def work() -> None:
        raise OperationalError("", {}, Exception("server closed the connection"))

    with pytest.raises(UserError, match="does not answer"):
        Database("sqlite:///x", patience=0.2).patiently(work)
