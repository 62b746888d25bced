"""Weights by name: the paper's under both their names, those that cannot be used, what is written out."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.config.identity import run_identity, with_later_keys
from mmvad.config.load import dump, load_config, plain
from mmvad.errors import UserError
from mmvad.models.losses.settings import TERMS
from mmvad.models.registry import found


def identity(*overrides: str) -> str:
    return run_identity(load_config([], overrides), "bank", "text", "32-true")


def refused(*overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        load_config([], overrides)
    return str(caught.value)


def test_every_term_names_a_function_and_is_explained() -> None:
    for name, term in TERMS.items():
        assert found(term.function).__doc__.startswith(f"The term `{name}`")
        assert term.meaning


@pytest.mark.parametrize("name", ["contrast", "embed"])
def test_both_names_of_a_weight_are_one(name: str) -> None:
    config = load_config([], [f"loss.weights.{name}=0.3"])
    assert config == load_config([], [f"loss.lambda_{name}=0.3"])
    assert identity(f"loss.weights.{name}=0.3") == identity(f"loss.lambda_{name}=0.3") != identity()
    assert "weights" not in plain(config)["loss"]


def test_the_later_layer_wins_whichever_name_it_takes(tmp_path: Path) -> None:
    file = tmp_path / "base.yaml"
    for below, above in (("lambda_embed: 1", "loss.weights.embed=2"), ("weights: {embed: 1}", "loss.lambda_embed=2")):
        file.write_text(f"loss: {{{below}}}")
        assert load_config([file], [above]).loss.lambda_embed == 2


def test_two_names_with_two_values_in_one_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text("loss: {lambda_embed: 1, weights: {embed: 2}}")
    with pytest.raises(UserError, match=r"two\.yaml: loss\.lambda_embed: 1, but loss\.weights\.embed"):
        load_config([file])


def test_weights_that_are_the_default_are_not_written_and_change_no_run() -> None:
    assert identity("loss.weights.coarse=1") == identity() != identity("loss.weights.coarse=0.5")
    assert "weights" not in plain(load_config([], ["loss.weights.fine=1.0"]))["loss"]
    weighted = load_config([], ["loss.weights.fine=0.5"])
    assert plain(weighted)["loss"]["weights"] == {"fine": 0.5}
    assert with_later_keys({})["loss.weights.fine"] == 1.0


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    config = load_config([], ["loss.weights.fine=0.5", "loss.weights.contrast=0.2"])
    file = tmp_path / "config.yaml"
    file.write_text(dump(config))
    assert load_config([file]) == config


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["loss.weights.fin=1"], ("unknown key 'loss.weights.fin'", "did you mean: loss.weights.fine?")),
        (["loss.weights.coarse=-1"], ("loss.weights.coarse = -1",)),
        (["loss.weights.coarse=0"], ("loss.weights.coarse = 0",)),
        (["loss.weights.embed=-1"], ("loss.lambda_embed = -1",)),
        (["loss.weights.embed=.nan"], ("loss.lambda_embed = nan",)),
        (["loss.weights.coarse=2", "loss.coarse=off"], ("loss.weights.coarse: the term is off", "set loss.coarse")),
        (["loss.weights.fine=2", "modalities=va"], ("loss.weights.fine: the term reads text", "modalities to vat")),
    ],
)
def test_refused(overrides: list[str], words: tuple[str, ...]) -> None:
    message = refused(*overrides)
    assert all(word in message for word in words), message
