"""A run's identity: what it must change with, and what it must not."""

from __future__ import annotations

from typing import Any, get_args, get_origin

import pytest

from mmvad.config import identity
from mmvad.config.identity import is_read, recipe, run_identity, run_name
from mmvad.config.load import leaf_keys, load_config, parse, plain
from mmvad.config.schema import Config
from mmvad.models.losses.settings import LAMBDAS
from mmvad.models.peers.registry import PEERS
from mmvad.tables.frame import flat

BASE = ["data.validation_share=0.1", "data.batch_size=64", "select=best_test"]
BEFORE_TPWNG_LEARNED = "7d7e3425233c"
SPECIAL: dict[str, Any] = {"model.text.weights": None, "data.bank": None, "model.name": None}

OWN = {
    "runtime.loggers": "[csv]",
    "benchmark": "ucf_crime",
    "peers.bn_wvad.of_batch": "0.3",
    "peers.anomaly_clip.width": "64",
    "peers.plovad.prompt_half": "8",
}
"""Other values of keys whose bounds or defaults a rule does not meet."""


def identify(*overrides: str, bank: str = "b", text: str | None = "t", precision: str = "32-true") -> str:
    return run_identity(load_config([], [*BASE, *overrides]), bank, text, precision)


def another_value(key: str, field: Any) -> str:
    """A valid value that is not the default, as it is written on the command line."""
    default = field.default
    if key in OWN:
        return OWN[key]
    if key == "peers.pel4vad.concepts":
        return "{normal: [ordinary]}"
    if key == "data.test_span":
        return "segments"  # `whole` needs another temporal unit
    if str(get_origin(field.annotation)) == "typing.Literal":
        return next(f"'{c}'" for c in get_args(field.annotation) if c != default)
    if isinstance(default, bool):
        return str(not default).lower()
    if isinstance(default, int):
        return str(2 * default if default >= 8 else 2 * default + 4)  # a multiple of what the default is one of
    if isinstance(default, float):
        return str(default / 2 + 0.2 if default != 0.4 else 0.3)
    if isinstance(default, tuple):
        return "[0.5]" if default else "[csv]"
    return "other"


def variants(section: str = "") -> list[str]:
    """One override for each key of a section; without one, for each key that is no peer's and not of `runtime`."""
    apart = ("runtime.", "peers.")
    keys = {k: f for k, f in leaf_keys().items() if k.startswith(section or apart) is bool(section)}
    keys = {k: f for k, f in keys.items() if k.removeprefix("loss.weights.") not in LAMBDAS}
    return [f"{key}={another_value(key, field)}" for key, field in keys.items() if key not in SPECIAL]


def as_peer(name: str) -> list[str]:
    """Overrides under which the peer can be run."""
    return [f"model.name={name}", f"modalities={PEERS[name].modalities[0]}", "data.balanced=on"]


@pytest.mark.parametrize("override", variants())
def test_every_key_that_may_change_a_result_changes_it(override: str) -> None:
    assert identify(override) != identify()


def test_variants_cover_the_tree_and_differ_from_one_another() -> None:
    found = [identify(override) for override in variants()]
    assert len(set(found)) == len(found) > 35


@pytest.mark.parametrize("override", variants("runtime."))
def test_no_runtime_key_changes_it(override: str) -> None:
    assert identify(override) == identify()


@pytest.mark.parametrize("override", variants("peers."))
def test_a_peers_key_changes_that_peer_alone(override: str) -> None:
    owner = override.split(".")[1]
    other = "rtfm" if owner != "rtfm" else "sultani"
    assert identify(override) == identify()
    assert identify(*as_peer(owner), override) != identify(*as_peer(owner))
    assert identify(*as_peer(other), override) == identify(*as_peer(other))


@pytest.mark.parametrize("override", variants("loss.") + ["model.window=5"])
def test_our_networks_keys_change_no_peer(override: str) -> None:
    assert identify(*as_peer("rtfm"), override) == identify(*as_peer("rtfm"))


@pytest.mark.parametrize("override", [*variants("model."), *variants("loss."), *variants("peers."), "data.test_crop=3"])
@pytest.mark.parametrize("model", ["dual_stream", "rtfm", "tpwng"])
def test_a_key_is_read_where_it_changes_the_identity(model: str, override: str) -> None:
    key, over = override.partition("=")[0], as_peer(model) if model in PEERS else []
    assert is_read(key, model) == (identify(*over, override) != identify(*over))


@pytest.mark.parametrize("model", ["dual_stream", "rtfm", "tpwng"])
def test_what_a_model_does_not_read_is_left_out(model: str) -> None:
    tree = plain(load_config([], [*BASE, *(as_peer(model) if model in PEERS else [])]))
    left = flat(identity.without_unread(tree))
    assert left == {key: value for key, value in flat(tree).items() if is_read(key, model)}


def test_precision_in_use_changes_it() -> None:
    assert len({identify(precision=p) for p in ("32-true", "bf16-mixed", "16-mixed")}) == 3


def test_the_content_of_the_bank_and_not_its_path() -> None:
    assert identify("data.bank=elsewhere") == identify()
    assert identify(bank="c") != identify()


def test_the_content_of_the_text_weights_and_not_their_name() -> None:
    assert identify("model.text.weights=/a/file.pt") == identify()
    assert identify(text="u") != identify()
    assert identify(text=None) != identify()


def test_the_schema_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identify()
    monkeypatch.setattr(identity, "SCHEMA_VERSION", identity.SCHEMA_VERSION + 1)
    assert identify() != before


def test_how_a_value_is_written_changes_nothing() -> None:
    assert identify("optim.learning_rate=1e-4") == identify("optim.learning_rate=0.0001")
    assert identify("loss.embed=on") == identify("loss.embed=true") == identify()
    assert identify("optim.weight_decay=0") == identify("optim.weight_decay=0.0")


def test_a_default_that_is_written_out_changes_nothing() -> None:
    assert identify("model.fusion=gated", "seed=0") == identify()


def test_a_key_that_came_later_leaves_older_runs_their_identity() -> None:
    """As it was before `data.chunk_overlap` was a key."""
    tree = plain(Config())
    assert "chunk_overlap" not in identity.without_later_keys(tree)["data"]
    assert tree["data"]["chunk_overlap"] == 0
    changed = plain(Config(data={"chunk_overlap": 8}))  # type: ignore[arg-type]
    assert identity.without_later_keys(changed)["data"]["chunk_overlap"] == 8


def test_a_peers_later_keys_leave_its_older_runs_their_identity() -> None:
    """A digest from before `peers.tpwng.scale` and its like were keys."""
    tpwng = {"model": {"name": "tpwng"}, "modalities": "vt", "data": {"balanced": True}}
    found = run_identity(Config(**tpwng), "bank", "text", "32-true")  # type: ignore[arg-type]
    assert found.startswith(BEFORE_TPWNG_LEARNED)
    changed = Config(**tpwng, peers={"tpwng": {"scale": 100.0}})  # type: ignore[arg-type]
    assert run_identity(changed, "bank", "text", "32-true") != found


BEFORE_THEIR_LATER_KEYS = {
    "avadclip": ("vat", "98fc42668813"),
    "macil_sd": ("va", "e0d281aa83a5"),
    "clip_tsa": ("v", "52b20a121015"),
    "vadclip": ("vt", "15712dadea83"),
    "ur_dmu": ("v", "5a516f68fc2a"),
    "pel4vad": ("vt", "7876ae4a3ede"),
}
"""Modalities, and the identity of a run before the method's later keys were there."""


@pytest.mark.parametrize("name", BEFORE_THEIR_LATER_KEYS)
def test_an_older_run_is_read_as_it_was(name: str) -> None:
    """Its configuration lacks keys whose default is another value than what it was trained with."""
    modalities, digest = BEFORE_THEIR_LATER_KEYS[name]
    new = plain(Config(model={"name": name}, modalities=modalities, data={"balanced": True}))  # type: ignore[arg-type]
    old = identity.completed(identity.without_later_keys(new))
    for key in PEERS[name].later_keys:
        old["peers"][name].pop(key)
    completed = identity.completed(old)
    assert {key: completed["peers"][name][key] for key in PEERS[name].later_keys} == PEERS[name].later_keys
    assert run_identity(parse(completed), "bank", "text", "32-true").startswith(digest)


def test_the_folders_name_is_readable_and_ends_with_the_identity() -> None:
    config = Config(benchmark="xd_violence", seed=3)
    assert run_name(config, "0123456789abcdef") == "xd_violence-vat-s3-0123456789ab"
    assert len(identify()) == 64


@pytest.mark.parametrize("override", variants())
def test_a_recipe_changes_with_all_that_changes_an_identity_but_seed_and_fold(override: str) -> None:
    changed, base = (recipe(plain(load_config([], [*BASE, *more]))) for more in ([override], []))
    assert (changed == base) == override.startswith(("seed=", "data.fold="))


def test_a_recipe_knows_no_bank_no_weights_and_no_runtime() -> None:
    elsewhere = ["data.bank=there", "model.text.weights=there.pt", "runtime.threads=3", "seed=9"]
    tree = plain(load_config([], [*BASE, *elsewhere]))
    assert recipe(tree) == recipe(plain(load_config([], BASE)))
    assert tree == plain(load_config([], [*BASE, *elsewhere])), "the tree is not changed"
    reported = {key: value for key, value in tree.items() if key != "runtime"}
    del reported["data"]["bank"], reported["data"]["chunk_overlap"]
    assert recipe(reported) == recipe(tree), "as an older report.json has it"
