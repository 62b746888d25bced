"""The `command` of a sweep file: W&B's own code fills it in, `mmvad train` parses it, and the local engine agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.cli.main import _parse
from mmvad.config.load import load_config
from mmvad.config.schema import Config
from mmvad.errors import UserError
from mmvad.sweeps.agents import wandb_text
from mmvad.sweeps.cells import configure
from mmvad.sweeps.definition import read_sweep

HEAD = ["${env}", "${program}", "train"]
PARAMETERS: dict[str, dict[str, Any]] = {
    "seed": {"values": [3, 4]},
    "loss.fine": {"value": False},
    "optim.epochs": {"value": 9},
    "config": {"value": "losses/1_coarse"},
}


def written(tmp_path: Path, command: list[Any] | None, parameters: dict[str, Any] = PARAMETERS) -> Path:
    content = {"program": "mmvad", "method": "grid", "parameters": parameters}
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(content | ({"command": command} if command else {}), sort_keys=False))
    return file


def as_an_agent_runs_it(command: list[Any], values: dict[str, Any]) -> Config:
    """The configuration that W&B's own code and the command line make of a command."""
    utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils")
    words = utils.create_sweep_command(list(command))
    filled = utils.create_sweep_command_args({"args": {key: {"value": value} for key, value in values.items()}})
    filled |= {"env": ["/usr/bin/env"], "interpreter": ["python"], "program": ["mmvad"]}
    run: list[str] = []
    for word in map(str, words):
        run += (filled.get(word[2:-1]) or []) if word.startswith("${") and word.endswith("}") else [word]
    options, overrides = _parse(run[run.index("train") :])
    return load_config(options.config, overrides)


WORDS = st.sampled_from([
    "${args}", "${args}", "${args_no_equals}", "${args_no_boolean_flags}", "${args_no_hyphens}", "${args_json}",
    "--config", "planted", "--config=planted", "--config planted", "experiments/xd_violence.yaml", "--optim.epochs=7",
    "--optim.epochs", "7", 7, "--seed", "--loss.fine=True", "${envvar:EPOCHS}", "--optim.epochs=${envvar:EPOCHS}",
    "--config=${envvar:BASE}", "--seed=${args}", "--print-config", "-x", "--", "${foo}", "${program}", "--config=",
])  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(words=st.lists(WORDS, max_size=5), args=st.booleans())
def test_both_run_the_same_or_the_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, words: list[Any], args: bool
) -> None:
    command = [*HEAD, *words, *(["${args}"] if args else [])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EPOCHS", "5")
        patch.setenv("BASE", "ucf_crime")
        file = written(tmp_path_factory.mktemp("s"), command)
        try:
            sweep = read_sweep(file)
            here = configure(sweep, sweep.cells()[1])
        except UserError:
            return
        assert as_an_agent_runs_it(command, sweep.cells()[1]) == here
        assert as_an_agent_runs_it(yaml.safe_load(wandb_text(sweep, ()))["command"], sweep.cells()[1]) == here


@pytest.mark.parametrize(
    ("command", "problem", "fix"),
    [
        ([*HEAD, "--config=planted"], "${args} is missing: every cell would be the same run", "end it with"),
        ([*HEAD, "--config planted", "${args}"], "'--config planted' is one word", "--config, planted"),
        ([*HEAD, "planted.yaml", "${args}"], "unexpected 'planted.yaml'", "--config=planted.yaml"),
        ([*HEAD, "${args_no_hyphens}"], "gives key=value", "write ${args}"),
        ([*HEAD, "${args_no_boolean_flags}"], "leaves out what is off", "write ${args}"),
        ([*HEAD, "${args_json}"], "one word of JSON", "write ${args}"),
        ([*HEAD, "--config", "${args_json_file}"], "a JSON file of dotted keys", "write ${args}"),
        ([*HEAD, "${arg}"], "${arg} is nothing that W&B knows", "did you mean: ${args}?"),
        ([*HEAD, "${args}", "${args}"], "2 times", "keep one"),
        ([*HEAD, "--seed=${args}"], "inside '--seed=${args}'", "a word of its own"),
        ([*HEAD, "--seed", "${args}"], "--seed has no value", "--seed=VALUE"),
        ([*HEAD, "${args}", "--config=planted"], "laid over the parameter `config`", "before ${args}"),
        ([*HEAD, "--seed=${envvar:NO_SUCH}", "${args}"], "NO_SUCH of", "export NO_SUCH="),
        ([*HEAD, {"--seed": 1}, "${args}"], "is no word", "quote it"),
        ([*HEAD, "--print-config", "${args}"], "trains nothing", "leave it out"),
        (["${env}", "${interpreter}", "${program}", "train", "${args}"], "gives mmvad to Python", "${interpreter} out"),
        (["${env}", "python3.11", "mmvad", "train", "${args}"], "gives mmvad to Python", "python3.11 out"),
        (["${program}", "${args}"], "has no word `train`", "mmvad train"),
        (["${env}", "train", "${args}"], "runs no program", "program: mmvad"),
        (["train.py", "train", "${args}"], "runs train.py", "program: mmvad"),
        (["A=1", "${program}", "train", "${args}"], "A=1 is run as a program", "put ${env} before A=1"),
        ([*HEAD, "${env}", "${args}"], "stands behind `train`", "starts the command"),
    ],
)
def test_what_is_refused_says_why(tmp_path: Path, command: list[Any], problem: str, fix: str) -> None:
    with pytest.raises(UserError) as caught:
        read_sweep(written(tmp_path, command))
    assert problem in str(caught.value)
    assert fix in str(caught.value)
    assert "sweep.yaml: command" in str(caught.value)


@pytest.mark.parametrize(
    "head",
    [
        ["${program}"],
        [],
        ["/opt/venv/bin/mmvad"],
        ["${env}", "WANDB_TAGS=a", "B=2", "mmvad"],
        ["${env}", "${interpreter}", "-m", "mmvad"],
        ["${env}", "uv", "run", "${program}"],
    ],
)
def test_how_mmvad_is_started_decides_nothing(tmp_path: Path, head: list[str]) -> None:
    sweep = read_sweep(written(tmp_path, [*head, "train", "--config", "planted", "--seed", 1, "${args}"]))
    assert sweep.command_values == ("seed=1",)
    assert [path.name for path in sweep.base] == ["planted.yaml"]
    assert sweep.content["command"] == [*(head or HEAD[:2]), "train", "--config=planted", "--seed=1", "${args}"]


def test_what_stands_behind_the_parameters_lies_over_them(tmp_path: Path) -> None:
    sweep = read_sweep(written(tmp_path, [*HEAD, "--optim.epochs=1", "--seed=1", "${args}", "--optim.epochs=2"]))
    assert (sweep.command_values, sweep.late_values) == (("optim.epochs=1", "seed=1"), ("optim.epochs=2",))
    config = configure(sweep, sweep.cells()[0])
    assert (config.optim.epochs, config.seed) == (2, 3)


def test_a_file_that_was_made_for_wandb_runs_the_same_here(tmp_path: Path) -> None:
    """Also one without a command: the benchmark's replacement left it an empty one."""
    for command in (None, [*HEAD, "--config=planted", "${args}"]):
        sweep = read_sweep(written(tmp_path, command), "planted")
        made = tmp_path / "made.yaml"
        made.write_text(wandb_text(sweep, ["optim.epochs=4"]))
        again = read_sweep(made)
        for values in sweep.cells():
            assert configure(again, values) == configure(sweep, values, ["optim.epochs=4"])
            assert as_an_agent_runs_it(again.content["command"], values) == configure(again, values)
