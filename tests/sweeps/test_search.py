"""Searches: the objective is the held-out figure, lagging trials are pruned, dead workers' trials come again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmvad.cli import main
from mmvad.errors import UserError
from mmvad.sweeps.definition import Sweep, read_sweep
from mmvad.sweeps.engine import Standing
from mmvad.sweeps.process import this_process
from mmvad.sweeps.search import ask, check_search, counted, open_study, run_search
from mmvad.sweeps.storage import Database, open_database, storage_url
from mmvad.sweeps.study import Queue
from tests.runs import SMALL
from tests.small import write_bank
from tests.sweeps.stub import ledger
from tests.sweeps.test_study import ended_process

SEARCH = """
program: mmvad
command: ["${env}", "${program}", train, --config=experiments/planted.yaml, "${args}"]
method: bayes
metric: {name: val/ap, goal: maximize}
run_cap: 12
early_terminate: {type: hyperband, min_iter: 2}
parameters:
  benchmark: {value: planted}
  data.validation_share: {value: 0.3}
  select: {value: best_val}
  optim.epochs: {value: 6}
  optim.learning_rate: {distribution: log_uniform_values, min: 0.000001, max: 0.1}
  model.dropout: {min: 0.0, max: 0.5}
  model.prompt_half: {min: 2, max: 4}
"""
STUB = {"trainer": "tests.sweeps.stub:climb", "resolver": "tests.sweeps.stub:StubResolver"}


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    file = tmp_path / "search.yaml"
    file.write_text(SEARCH)
    return read_sweep(file)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(storage_url(None, tmp_path / "runs"))


def searched(sweep: Sweep, database: Database, results: Path, **options: Any) -> tuple[Standing, list[Any]]:
    return run_search("search", sweep, [f"runtime.results={results}"], database, workers=2, **options, **STUB)


@pytest.mark.slow
def test_a_search_to_its_cap_and_the_same_again(sweep: Sweep, database: Database, tmp_path: Path) -> None:
    results = tmp_path / "runs"
    standing, best = searched(sweep, database, results, limit=6)
    assert (standing.total, standing.done, standing.failed) == (6, 6, 0)
    laggard = {"optim.learning_rate": 1e-6, "model.dropout": 0.5, "model.prompt_half": 2}
    open_study(database, "search", sweep).enqueue_trial(laggard)
    standing, best = searched(sweep, database, results)
    assert (standing.total, standing.done, standing.failed) == (12, 12, 0)
    assert best[0].value == max(trial.value for trial in best)
    trials = counted(open_study(database, "search", sweep))
    pruned = [trial for trial in trials if trial.state.name == "PRUNED"]
    assert len(trials) == len(pruned) + len(best) == 12
    assert laggard in [trial.params for trial in pruned]
    assert len(ledger(results)) == len(best), "a pruned run leaves no report"
    for trial in best:
        assert trial.value < 1.0, "the test figure of every stub is 1"
        assert trial.user_attrs["config"]["optim"]["learning_rate"] == trial.params["optim.learning_rate"]
    searched(sweep, database, results)
    assert len(ledger(results)) == len(best)


def test_a_dead_workers_trial_comes_again_with_its_values(sweep: Sweep, database: Database) -> None:
    study, queue = open_study(database, "search", sweep), Queue(database)
    trial = ask(study, queue, 1, {**this_process(), "pid": ended_process(), "started": "before"})
    assert trial is not None
    values = [drawn.suggest(trial, key) for key, drawn in sweep.ranges().items()]
    again = ask(study, queue, 1, this_process())
    assert again is not None, "the first one does not count"
    assert [drawn.suggest(again, key) for key, drawn in sweep.ranges().items()] == values
    assert ask(study, queue, 1, this_process()) is None
    assert len(counted(study)) == 1


@pytest.mark.parametrize(
    "override", ["data.validation_share=0", "select=best_test", "benchmark=ucf_crime"], ids=["share", "test", "metric"]
)
def test_a_search_that_would_look_at_the_test_set_is_refused(override: str, sweep: Sweep) -> None:
    with pytest.raises(UserError, match=r"search\.yaml|best_val"):
        check_search(sweep, [override])


@pytest.mark.slow
def test_a_real_search(sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank, results = write_bank(tmp_path / "bank"), tmp_path / "runs"
    quick = [word for word in SMALL if not word.startswith(("optim", "model.dropout", "model.prompt"))]
    given = [*quick, "optim.epochs=2", f"data.bank={bank}"]
    arguments = ["sweep", "run", str(sweep.file), "--results", str(results), "--limit", "2", "--set", *given]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "2 of 2 cells, 0 failed" in text
    assert "--optim.learning_rate=" in text
    assert len(list(results.glob("*/report.json"))) == 2
    assert main([*arguments, "--dry-run"]) == 0
    assert "12 trials" in capsys.readouterr().out
