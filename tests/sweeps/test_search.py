"""Searches: the objective is the held-out figure, lagging trials are pruned, dead workers' trials come again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmvad.cli.main import main
from mmvad.errors import UserError
from mmvad.runs import RunFolder
from mmvad.sweeps.cells import Resolver
from mmvad.sweeps.definition import Sweep, read_sweep
from mmvad.sweeps.engine import Standing
from mmvad.sweeps.process import this_process
from mmvad.sweeps.search import SearchWorker, check_search, run_search, validation_figure, when_free
from mmvad.sweeps.storage import Database, open_database, storage_url
from mmvad.sweeps.study import Queue
from mmvad.sweeps.trials import ask, counted, give_up, open_study, propose_failed_again, study_name
from mmvad.sweeps.worker import HELD
from tests.runs import SMALL
from tests.small import write_bank
from tests.sweeps.stub import SECONDS, StubResolver, ledger
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
    given = [f"runtime.results={results}", *options.pop("given", [])]
    return run_search(sweep, given, database, workers=2, **options, **STUB)


def name_of(sweep: Sweep, *given: str, resolver: Resolver | None = None) -> str:
    return study_name(sweep, check_search(sweep, given), given, resolver or StubResolver())


@pytest.mark.slow
def test_a_search_to_its_cap_and_the_same_again(sweep: Sweep, database: Database, tmp_path: Path) -> None:
    results = tmp_path / "runs"
    standing, best = searched(sweep, database, results, limit=6)
    assert (standing.total, standing.done, standing.failed) == (6, 6, 0)
    laggard = {"optim.learning_rate": 1e-6, "model.dropout": 0.5, "model.prompt_half": 2}
    name = name_of(sweep, f"runtime.results={results}")
    open_study(database, name, sweep).enqueue_trial(laggard)
    standing, best = searched(sweep, database, results)
    assert (standing.total, standing.done, standing.failed) == (12, 12, 0)
    assert best[0].value == max(trial.value for trial in best)
    trials = counted(open_study(database, name, sweep))
    pruned = [trial for trial in trials if trial.state.name == "PRUNED"]
    assert len(trials) == len(pruned) + len(best) == 12
    assert laggard in [trial.params for trial in pruned]
    assert len(ledger(results)) == len(best), "a pruned run leaves no report"
    for trial in best:
        assert trial.value < 1.0, "the test figure of every stub is 1"
        assert trial.user_attrs["config"]["optim"]["learning_rate"] == trial.params["optim.learning_rate"]
    searched(sweep, database, results)
    assert len(ledger(results)) == len(best)
    standing, others = searched(sweep, database, results, given=["model.acp=none"], limit=1)
    assert (standing.total, standing.done, len(others)) == (1, 1, 1)
    assert others[0].user_attrs["config"]["model"]["acp"] == "none", "another search's figures are not this one's"


def test_a_trial_waits_for_the_run_that_another_process_is_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmvad.sweeps.search.POLL_SECONDS", 0.0)
    answers: list[Any] = [UserError("run", HELD), UserError("run", HELD), RunFolder(tmp_path)]

    def train() -> RunFolder:
        answer = answers.pop(0)
        if isinstance(answer, UserError):
            raise answer
        return answer

    assert when_free(train).path == tmp_path
    answers = [UserError("loss", "the training loss is nan")]
    with pytest.raises(UserError, match="nan"):
        when_free(train)


def test_a_pulled_run_has_no_figure_of_held_out_videos(sweep: Sweep, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)without epochs.csv.*--retry-failed"):
        validation_figure(RunFolder(tmp_path), check_search(sweep, []), "val/ap")


def test_a_search_is_known_by_all_that_its_figures_rest_on(sweep: Sweep) -> None:
    name = name_of(sweep)
    assert name == name_of(sweep, "runtime.results=elsewhere", "runtime.threads=1")
    for given in ("model.acp=none", "seed=7", "model.dropout=0.0", "data.validation_share=0.2"):
        assert name_of(sweep, given) != name, given
    for old, new in (("max: 0.5", "max: 0.6"), ("bayes", "random"), ("epochs: {value: 6}", "epochs: {value: 7}")):
        sweep.file.write_text(SEARCH.replace(old, new))
        assert name_of(read_sweep(sweep.file)) != name, new
    sweep.file.write_text(SEARCH.replace("run_cap: 12", "run_cap: 20"))
    assert name_of(read_sweep(sweep.file)) == name, "a search may go on for longer"


def test_a_search_is_known_by_its_banks_content(sweep: Sweep, tmp_path: Path) -> None:
    shifts = {"one": 3.0, "moved": 3.0, "two": 1.0}
    banks = [write_bank(tmp_path / name, train=2, test=2, shift=shift) for name, shift in shifts.items()]
    small = [word for word in SMALL if word.partition("=")[0] not in sweep.swept]
    names = [name_of(sweep, *small, f"data.bank={bank}", resolver=Resolver()) for bank in banks]
    assert names[0] == names[1] != names[2]


def test_a_grid_of_the_same_name_is_not_the_searchs(sweep: Sweep, database: Database) -> None:
    queue, report = Queue(database), {"headline": {"score": "combined", "metric": "ap"}}
    figures = {"report": {**report, "scores": {"combined": {"ap": 0.99}}}}
    queue.enqueue(f"{sweep.name} on planted", {"a": {}, "b": {}}, {"a": figures})
    study = open_study(database, name_of(sweep), sweep)
    assert counted(study) == []
    trial = ask(study, queue, 12, this_process())
    assert trial is not None
    assert "identity" not in trial.user_attrs


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


def test_failed_trials_are_run_again_where_asked(sweep: Sweep, database: Database) -> None:
    study, queue = open_study(database, "search", sweep), Queue(database)
    first, second = (ask(study, queue, 2, this_process()) for _ in range(2))
    assert first is not None
    assert second is not None
    values = [drawn.suggest(first, key) for key, drawn in sweep.ranges().items()]
    give_up(study, first.number, "no memory")
    study.tell(second, 0.5)
    assert ask(study, queue, 2, this_process()) is None, "a failed trial keeps its place"
    for _ in range(2):
        propose_failed_again(study, database)
    again = ask(study, queue, 2, this_process())
    assert again is not None
    assert [drawn.suggest(again, key) for key, drawn in sweep.ranges().items()] == values
    assert ask(study, queue, 2, this_process()) is None
    assert len(counted(study)) == 2


@pytest.mark.slow
def test_a_search_that_failed_is_mended(sweep: Sweep, database: Database, tmp_path: Path) -> None:
    results = tmp_path / "runs"
    (results / "broken").touch()
    standing, _ = searched(sweep, database, results, limit=2)
    assert (standing.total, standing.done, standing.failed) == (2, 0, 2)
    (results / "broken").unlink()
    standing, best = searched(sweep, database, results, limit=2, retry_failed=True)
    assert (standing.total, standing.done, standing.failed) == (2, 2, 0)
    assert len(ledger(results)) == len(best) == 2


def test_a_trial_outlives_a_database_that_does_not_answer(
    sweep: Sweep, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that a trial asks of the database, or tells it, breaks off once while the trial runs."""
    from optuna.exceptions import StorageInternalError

    monkeypatch.setenv(SECONDS, "0")
    study, queue, broken = open_study(database, "search", sweep), Queue(database), set[str]()
    trial = ask(study, queue, 1, this_process())
    assert trial is not None

    def break_once(method: str) -> None:
        whole = getattr(study._storage, method)

        def once(*words: Any, **options: Any) -> Any:
            if method not in broken:
                broken.add(method)
                raise StorageInternalError("the server restarts")
            return whole(*words, **options)

        monkeypatch.setattr(study._storage, method, once)

    methods = {"set_trial_param", "get_trial", "set_trial_user_attr", "set_trial_intermediate_value", "get_all_trials"}
    for method in methods | {"set_trial_state_values"}:
        break_once(method)
    worker = SearchWorker(database.url, sweep, "search", (f"runtime.results={tmp_path}",), 1, **STUB)
    assert worker.run(queue, study, StubResolver(), trial)
    assert methods < broken
    (ended,) = study.get_trials()
    assert (ended.state.name, sorted(ended.intermediate_values)) == ("COMPLETE", list(range(6)))
    assert ended.user_attrs.keys() >= {"identity", "config", "report", "manifest"}


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
    assert main([*arguments, "--dry-run"]) == 0
    assert "12 trials" in (text := capsys.readouterr().out)
    assert text.endswith("not begun\n")
    assert not results.exists()
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "2 of 2 cells, 0 failed" in text
    assert "--optim.learning_rate=" in text
    assert len(list(results.glob("*/report.json"))) == 2
    assert main([*arguments, "--dry-run"]) == 0
    assert "\n2 of 12 cells, 0 failed, 0 running" in capsys.readouterr().out
    (bank / "manifest.json").unlink()
    assert main([*arguments, "--dry-run"]) == 0
    assert "how many are done cannot be said" in capsys.readouterr().out
