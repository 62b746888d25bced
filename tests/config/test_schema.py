"""The configuration's tree: keys and values that sweeps and scripts rely on, and combinations without meaning."""

from __future__ import annotations

from typing import Any, get_args, get_origin

import pytest
from pydantic import ValidationError

from mmvad.config.load import leaf_keys
from mmvad.config.schema import Config, Data, Loss

CHOICES: dict[str, set[str]] = {
    "modalities": {"v", "va", "vt", "vat"},
    "model.temporal": {"local_gcn", "local", "global", "gcn", "conv", "none"},
    "model.fusion": {"gated", "concat", "cross_attention", "add", "none"},
    "model.acp": {"pre_post", "pre", "post", "none"},
    "model.weighting": {"score", "logit", "softmax"},
    "loss.fine_form": {"cross_entropy", "bce"},
    "loss.fine_pooling": {"margin", "class"},
    "loss.contrast_pairing": {"within_kind", "foreground"},
    "loss.contrast_select": {"score", "label"},
    "loss.embed_form": {"abs", "hinge"},
    "loss.embed_reduction": {"mean", "sum"},
    "data.audio": {"required", "optional", "none"},
    "select": {"last", "best_val", "best_test"},
}
OTHERS = {
    "seed": 0,
    "model.name": "dual_stream",
    "model.prompt_half": 10,
    "model.text.architecture": "ViT-B-16-quickgelu",
    "model.text.weights": "openai",
    "loss.coarse": True,
    "loss.fine": True,
    "loss.contrast": True,
    "loss.embed": True,
    "loss.lambda_contrast": 0.15,
    "loss.lambda_embed": 2e-4,
    "data.segment_length": 256,
    "data.batch_size": 128,
    "data.test_crop": 0,
    "data.validation_share": 0.0,
    "optim.name": "adam",
    "optim.learning_rate": 1e-5,
    "optim.schedule": "milestones",
    "optim.epochs": 60,
}
DEFAULTS = {
    "model.temporal": "local_gcn",
    "model.fusion": "gated",
    "model.acp": "pre_post",
    "model.weighting": "score",
    "loss.fine_form": "cross_entropy",
    "loss.fine_pooling": "margin",
    "loss.contrast_pairing": "within_kind",
    "loss.contrast_select": "score",
    "loss.embed_form": "abs",
    "loss.embed_reduction": "mean",
    "select": "last",
}


def value(config: Config, key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("key", CHOICES)
def test_keys_with_choices(key: str) -> None:
    field = leaf_keys()[key]
    assert str(get_origin(field.annotation)) == "typing.Literal"
    assert CHOICES[key] <= set(get_args(field.annotation))


@pytest.mark.parametrize("key", [*OTHERS, *DEFAULTS])
def test_defaults_are_the_methods(key: str) -> None:
    assert key in leaf_keys()
    assert value(Config(), key) == (OTHERS | DEFAULTS)[key]


def test_the_keys_without_a_choice_are_there() -> None:
    assert {"data.bank", "runtime.device", "runtime.precision"} <= set(leaf_keys())


def test_every_key_says_what_it_is() -> None:
    for key, field in leaf_keys().items():
        assert field.description, key


def test_sections_do_not_change_after_parsing() -> None:
    with pytest.raises(ValidationError):
        Config().seed = 3  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Config().data.batch_size = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("tree", "named"),
    [
        ({"select": "best_val"}, "data.validation_share"),
        ({"modalities": "va", "data": {"audio": "none"}}, "data.audio"),
        ({"modalities": "vat", "data": {"audio": "none"}}, "modalities"),
        ({"loss": {"coarse": False, "fine": False}}, "loss"),
        ({"modalities": "v", "loss": {"coarse": False}}, "loss"),
        ({"data": {"balanced": True, "batch_size": 7}}, "data.batch_size"),
        ({"data": {"batch_size": 1}}, "batch_size"),
        ({"data": {"validation_share": 1.0}}, "validation_share"),
        ({"optim": {"learning_rate": 0}}, "learning_rate"),
        ({"optim": {"learning_rate": float("nan")}}, "learning_rate"),
        ({"loss": {"lambda_embed": float("inf")}}, "lambda_embed"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"model": {"prompt_half": 33}}, "prompt_half"),
        ({"model": {"dropout": 1.0}}, "dropout"),
        ({"model": {"name": "vadclip"}, "modalities": "vat"}, "modalities"),
        ({"model": {"name": "rtfm"}, "modalities": "v"}, "data.balanced"),
        ({"optim": {"milestones": [1.5]}}, "milestones"),
    ],
)
def test_what_has_no_meaning_is_refused(tree: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Config.model_validate(tree)


def test_what_has_a_meaning_is_not() -> None:
    Config(modalities="vt", data=Data(audio="none"))
    Config(modalities="v", data=Data(audio="none"))
    Config(loss=Loss(coarse=False))
    Config(loss=Loss(fine=False, contrast=False, embed=False))
    Config(select="best_val", data=Data(validation_share=0.1))
    Config(select="best_test")
