"""Sweep files: what is read, how a grid unfolds, and what is refused with which words."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from mmvad.errors import UserError
from mmvad.metrics.evaluate import SCORES
from mmvad.metrics.measures import MEASURES
from mmvad.sweeps.cells import configure, expand, title
from mmvad.sweeps.definition import MEASURED, read_sweep
from mmvad.sweeps.space import Range
from mmvad.training.run_report import report_figures

GRID = """
program: mmvad
command: ["${env}", "${program}", train, --config=experiments/planted.yaml, --optim.epochs=7, "${args}"]
method: grid
metric: {name: test/ap, goal: maximize}
parameters:
  benchmark: {value: planted}
  seed: {values: [0, 1]}
  config: {values: [experiments/losses/1_coarse.yaml, experiments/losses/2_fine.yaml]}
  model.acp: {values: [none, pre]}
"""
SEARCH = """
program: mmvad
method: bayes
metric: {name: val/ap, goal: maximize}
parameters:
  optim.learning_rate: {distribution: log_uniform_values, min: 0.0001, max: 0.01}
  model.prompt_half: {min: 2, max: 6}
  model.acp: {values: [none, pre]}
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, name: str = "sweep.yaml") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    return write


def test_a_grid_unfolds_in_the_files_order(write) -> None:
    sweep = read_sweep(write(GRID))
    cells = sweep.cells()
    assert len(cells) == 8
    assert [c["seed"] for c in cells] == [0] * 4 + [1] * 4
    assert [c["model.acp"] for c in cells] == ["none", "pre"] * 4
    assert sweep.swept == ("seed", "config", "model.acp")
    assert title(sweep, cells[1]) == "seed 0, config 1_coarse, acp pre"


def test_a_cell_is_base_overlay_values_and_overrides_in_that_order(write) -> None:
    sweep = read_sweep(write(GRID))
    (first, config), *_ = expand(sweep, ["seed=5"])
    assert (config.seed, config.optim.epochs, config.loss.coarse, config.loss.fine) == (5, 7, True, False)
    assert config.model.acp == "none"
    assert config.data.segment_length == 64  # the base's
    assert configure(sweep, {**first, "loss.fine": True}).loss.fine


def test_a_key_and_its_value_may_be_two_words_of_the_command(write) -> None:
    old, new = "--config=experiments/planted.yaml, --optim.epochs=7", "--config, planted, --optim.epochs, 7"
    apart, sweep = read_sweep(write(GRID.replace(old, new))), read_sweep(write(GRID))
    assert [path.resolve() for path in apart.base] == [path.resolve() for path in sweep.base]
    assert apart.command_values == sweep.command_values == ("optim.epochs=7",)
    assert read_sweep(write(GRID.replace(old, new)), "xd_violence").base[0].name == "xd_violence.yaml"


def test_benchmark_and_seeds_are_replaced(write) -> None:
    file = write(GRID)
    sweep = read_sweep(file, "ucf_crime", (7,))
    assert sweep.benchmark == "ucf_crime"
    assert sweep.metric == "test/auc"
    assert {config.benchmark for _, config in expand(sweep)} == {"ucf_crime"}
    assert {config.seed for _, config in expand(sweep)} == {7}
    own = write(GRID.replace("[none, pre]", "[post]"), "ucf_crime/sweep.yaml")
    assert read_sweep(file, "ucf_crime").file == own
    assert len(read_sweep(file, "ucf_crime").cells()) == 4
    assert len(read_sweep(file, "planted").cells()) == 8


def test_the_ranges_of_a_search(write) -> None:
    ranges = read_sweep(write(SEARCH)).ranges()
    assert ranges["optim.learning_rate"] == Range(low=1e-4, high=1e-2, log=True)
    assert ranges["model.prompt_half"] == Range(low=2, high=6, whole=True)
    assert ranges["model.acp"] == Range(choices=("none", "pre"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("method: grid", "methods: grid", ["unknown key 'methods'", "did you mean: method?"]),
        ("method: grid", "method: gird", ["'gird'", "did you mean: grid?"]),
        ("method: grid", "method: grid\nfrobnicate: 1", ["unknown key 'frobnicate'"]),
        ("method: grid", "method: grid\n3: 1", ["unknown key 3"]),
        ("model.acp", "3", ["unknown key '3'"]),
        ("model.acp", "model.apc", ["unknown key 'model.apc'", "did you mean: model.acp?"]),
        ("model.acp", "acp", ["did you mean: model.acp?"]),
        ("{values: [none, pre]}", "{values: [none, null]}", ["model.acp", "null"]),
        ("{values: [none, pre]}", "{values: []}", ["model.acp", "at least one"]),
        ("{values: [none, pre]}", "{values: [pre, pre]}", ["twice"]),
        ("{values: [none, pre]}", "{value: [none]}", ["nested value"]),
        ("{values: [none, pre]}", "{parameters: {a: {value: 1}}}", ["dotted name"]),
        ("{values: [none, pre]}", "{valeus: [none]}", ["did you mean: values?"]),
        ("{values: [none, pre]}", "{min: 0, max: 1}", ["a range in a grid"]),
        ("{values: [none, pre]}", "pre", ["'pre' is not valid"]),
        ("goal: maximize", "goal: minimize", ["metric.goal"]),
        ("name: test/ap", "name: tset/ap", ["metric.name = 'tset/ap'", "did you mean: test/ap?"]),
        ("name: test/ap", "name: test/coarse/map", ["did you mean: test/coarse/ap?"]),
        ("{value: planted}", "{values: [planted, ucf_crime]}", ["the benchmark is swept"]),
        ("parameters:", "parameters: [1]\nx:", ["unknown key 'x'"]),
    ],
)
def test_what_is_refused(old: str, new: str, words: list[str], write) -> None:
    assert old in GRID
    with pytest.raises(UserError) as error:
        read_sweep(write(GRID.replace(old, new)))
    assert all(word in str(error.value) for word in ["sweep.yaml", *words]), error.value


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("name: val/ap", "name: test/ap", ["never looks at the test set"]),
        ("min: 2, max: 6", "min: 6, max: 2", ["model.prompt_half", "min < max"]),
        ("min: 2, max: 6", "min: 2, max: 6.0", ["model.prompt_half", "both bounds whole or neither"]),
        ("min: 0.0001,", "min: 0.0,", ["above 0"]),
        ("log_uniform_values", "log_uniform_value", ["did you mean: log_uniform_values?"]),
    ],
)
def test_what_is_refused_in_a_search(old: str, new: str, words: list[str], write) -> None:
    with pytest.raises(UserError) as error:
        read_sweep(write(SEARCH.replace(old, new)))
    assert all(word in str(error.value) for word in words), error.value


def test_files_that_are_none(write, tmp_path: Path) -> None:
    write(GRID, "modalities.yaml")
    with pytest.raises(UserError, match=r"did you mean: .*modalities\.yaml"):
        read_sweep(tmp_path / "modalites.yaml")
    with pytest.raises(UserError, match="is no valid YAML"):
        read_sweep(write("a: [", "broken.yaml"))
    with pytest.raises(UserError, match="'method' stands twice"):
        read_sweep(write(GRID + "\nmethod: random\n", "double.yaml"))
    with pytest.raises(UserError, match="holds a list"):
        read_sweep(write("[1]", "list.yaml"))


def test_a_faulty_value_names_key_and_choices(write) -> None:
    sweep = read_sweep(write(GRID.replace("[none, pre]", "[none, prepost]")))
    with pytest.raises(UserError, match=r"model\.acp = 'prepost'") as error:
        expand(sweep)
    assert "did you mean: pre_post?" in str(error.value)


def test_paths_are_looked_for_beside_the_sweeps_folder_too(write, tmp_path: Path, monkeypatch) -> None:
    write("loss: {fine: off}", "experiments/mine.yaml")
    file = write(
        "{program: mmvad, method: grid, parameters: {config: {values: [experiments/mine.yaml]}}}", "sweeps/s.yaml"
    )
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    assert not expand(read_sweep(file))[0][1].loss.fine


def test_a_grid_may_name_every_figure_of_a_report() -> None:
    scores = dict.fromkeys(SCORES, dict.fromkeys(("ap", "auc", "ano_auc", "ano_ap"), 0.5))
    use = dict.fromkeys(SCORES, dict.fromkeys((*(m.name for m in MEASURES), "held_out_threshold"), 0.5))
    figures = report_figures({"headline": {"score": "combined"}, "scores": scores, "use": use})
    assert {*figures, "val/ap", "val/auc"} == set(MEASURED)


def test_bounds_are_read_as_lists_are(tmp_path: Path) -> None:
    """YAML 1.1 takes 1e-5 for a word, and in a list of values the configuration reads it all the same."""
    file = tmp_path / "mine.yaml"
    file.write_text(
        "{program: mmvad, method: bayes, metric: {name: val/ap}, command: [train, --config=planted, '${args}'], "
        "parameters: {optim.learning_rate: {min: 1e-5, max: 1e-3, distribution: log_uniform_values}}}"
    )
    sweep = read_sweep(file)
    drawn = sweep.ranges()["optim.learning_rate"]
    assert (drawn.low, drawn.high, drawn.log) == (1e-5, 1e-3, True)
    assert sweep.content["parameters"]["optim.learning_rate"]["min"] == 1e-5, "so that W&B gets a number too"
    file.write_text(file.read_text().replace("1e-3", "much"))
    with pytest.raises(UserError, match="numbers min < max"):
        read_sweep(file)
