"""Reading configurations: shipped files, layers, YAML's traps, and errors that say where and what."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mmvad.config.load import dump, leaf_keys, load_config, parse, plain, spelled
from mmvad.config.schema import Config, Data
from mmvad.errors import UserError
from mmvad.tables.frame import flat

ROOT = Path(__file__).resolve().parents[2]
BASES = ("planted", "ucf_crime", "xd_violence")
SHIPPED = sorted((ROOT / "experiments").rglob("*.yaml"))


def written(folder: Path, text: str, name: str = "run.yaml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def keys_of(tree: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for key, value in tree.items():
        found |= keys_of(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key}
    return found


def refusal(files: list[Path], overrides: list[str] | None = None) -> str:
    with pytest.raises(UserError) as caught:
        load_config(files, overrides or [])
    return str(caught.value)


def base(name: str) -> Path:
    file = ROOT / "experiments" / f"{name}.yaml"
    if not file.is_file():
        pytest.skip(f"{file} is not there yet")
    return file


def layers_of(file: Path) -> list[Path]:
    """The file, over a benchmark's where it is for all of them, or over its method's."""
    if file.stem.endswith("_as_published"):
        method = file.stem.removesuffix("_as_published")
        return [next(f for name in (method, f"{method}_xd") if (f := file.with_stem(name)).is_file()), file]
    alone = {"benchmark", "base"} & set(yaml.safe_load(file.read_text()))
    return [file] if alone else [base("xd_violence"), file]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda f: f.relative_to(ROOT).as_posix())
def test_every_shipped_file_loads(file: Path) -> None:
    load_config(layers_of(file))


@pytest.mark.parametrize("name", BASES)
def test_base_files_are_whole(name: str) -> None:
    """They name every key that changes results, so that a changed default cannot change them silently.

    Weights of terms are the exception: the paper's stand under their own names, and every other term is off. What
    public weights a run has is not for a file to say.
    """
    tree = yaml.safe_load(base(name).read_text())
    apart = ("runtime.", "peers.", "loss.weights.", "published_weights")
    wanted = {key for key in leaf_keys() if not key.startswith(apart)}
    assert {key for key in keys_of(tree) if not key.startswith("runtime.")} == wanted
    assert load_config([base(name)]).benchmark == name


def test_base_files_hold_the_papers_settings() -> None:
    xd, ucf = load_config([base("xd_violence")]), load_config([base("ucf_crime")])
    assert (xd.data.batch_size, xd.optim.epochs, ucf.data.batch_size, ucf.optim.epochs) == (128, 60, 64, 40)
    assert (xd.loss.lambda_contrast, xd.loss.lambda_embed) == (0.15, 2e-4)
    assert (ucf.loss.lambda_contrast, ucf.loss.lambda_embed) == (0.1, 0.1)
    assert (xd.model.prompt_half, ucf.model.prompt_half) == (10, 14)
    assert (xd.model.layers, ucf.model.layers) == (1, 2)
    assert (xd.optim.learning_rate, ucf.optim.learning_rate) == (1e-5, 2e-5)
    assert (xd.data.balanced, ucf.data.balanced) == (False, True)
    assert (xd.data.audio, ucf.data.audio, xd.modalities, ucf.modalities) == ("required", "optional", "vat", "vt")
    assert (xd.data.test_crop, ucf.data.test_crop) == (0, 5)
    assert {c.data.segment_length for c in (xd, ucf)} == {256}
    assert {c.model.temperature for c in (xd, ucf)} == {0.07}


@pytest.mark.parametrize("file", SHIPPED, ids=lambda f: f.name)
def test_dump_and_load_give_the_same(file: Path, tmp_path: Path) -> None:
    config = load_config(layers_of(file))
    assert load_config([written(tmp_path, dump(config))]) == config
    others = {k for k in leaf_keys() if k.startswith("peers.") and k.split(".")[1] != config.model.name}
    others |= {k for k in leaf_keys() if k.startswith("loss.weights.")}
    assert keys_of(yaml.safe_load(dump(config))) == set(leaf_keys()) - others


def test_later_layers_lie_over_earlier_ones(tmp_path: Path) -> None:
    first = written(tmp_path, "model: {temporal: local, layers: 3}\nseed: 4", "first.yaml")
    second = written(tmp_path, "model: {temporal: gcn}", "second.yaml")
    config = load_config([first, second], ["model.layers=2", "data.bank=elsewhere"])
    assert (config.model.temporal, config.model.layers, config.seed) == ("gcn", 2, 4)
    assert config.data.bank == Path("elsewhere")
    assert config.model.fusion == Config().model.fusion


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load_config([written(tmp_path, "# nothing\n")]) == Config() == load_config([])


@pytest.mark.parametrize("text", ["1e-5", "1.0e-5", "0.00001", "1E-5", "'1e-5'"])
def test_small_numbers_may_be_written_in_every_way(text: str, tmp_path: Path) -> None:
    assert load_config([], [f"optim.learning_rate={text}"]).optim.learning_rate == 1e-5
    file = written(tmp_path, f"optim: {{learning_rate: {text}}}")
    assert load_config([file]).optim.learning_rate == 1e-5


@pytest.mark.parametrize(
    ("text", "wanted"), [("on", True), ("off", False), ("yes", True), ("no", False), ("true", True), ("False", False)]
)
def test_switches(text: str, wanted: bool, tmp_path: Path) -> None:
    assert load_config([], [f"loss.embed={text}"]).loss.embed is wanted
    assert load_config([written(tmp_path, f"loss:\n  embed: {text}\n")]).loss.embed is wanted


@pytest.mark.parametrize("key", ["model.temporal", "model.fusion", "model.acp"])
def test_none_is_a_word_and_not_a_missing_value(key: str, tmp_path: Path) -> None:
    section, name = key.split(".")
    for config in (load_config([], [f"{key}=none"]), load_config([written(tmp_path, f"{section}: {{{name}: none}}")])):
        assert plain(config)[section][name] == "none"


@pytest.mark.parametrize("text", ["off", "'off'"])
def test_off_is_a_word_where_words_are_expected(text: str, tmp_path: Path) -> None:
    """YAML reads a bare off as false."""
    assert load_config([], [f"runtime.wandb={text}"]).runtime.wandb == "off"
    assert load_config([written(tmp_path, f"runtime: {{wandb: {text}}}")]).runtime.wandb == "off"


@pytest.mark.parametrize(
    ("override", "nearest"),
    [
        ("model.temporl=gcn", "model.temporal"),
        ("temporal=gcn", "model.temporal"),
        ("learning_rate=1e-4", "optim.learning_rate"),
        ("loss.lambda1=0.2", "loss.lambda_"),
        ("model.text.weight=random", "model.text.weights"),
        ("optim.epoch=3", "optim.epochs"),
        ("optim.lr=3", "optim.learning_rate"),
        ("bs=3", "data.batch_size"),
    ],
)
def test_an_unknown_key_names_the_nearest(override: str, nearest: str, tmp_path: Path) -> None:
    text = refusal([], [override])
    assert "command line" in text
    assert f"unknown key '{override.split('=')[0]}'" in text
    assert f"did you mean: {nearest}" in text
    key, value = override.split("=")
    for part in reversed(key.split(".")):
        value = f"{{{part}: {value}}}"
    file = written(tmp_path, value)
    assert refusal([file]).startswith(f"{file}: unknown key '{key}'")


def test_an_unknown_section_names_the_nearest() -> None:
    text = refusal([], ["modle.temporal=gcn"])
    assert "unknown key 'modle'" in text
    assert "did you mean: model?" in text


def test_a_key_that_nothing_resembles() -> None:
    text = refusal([], ["qqqq.zzzz=1"])
    assert "unknown key 'qqqq'" in text
    assert "mmvad train --help" in text


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optim.epochs=many", "whole number"),
        ("optim.epochs=2.5", "whole number"),
        ("optim.epochs=0", "greater than or equal to 1"),
        ("optim.learning_rate=-1", "greater than 0"),
        ("optim.learning_rate=.nan", "finite"),
        ("data.validation_share=1", "less than 1"),
        ("data.batch_size=1", "greater than or equal to 2"),
        ("model.prompt_half=40", "less than or equal to 32"),
        ("loss.embed=perhaps", "on or off"),
        ("seed=-1", "greater than or equal to 0"),
        ("optim.learning_rate=[1, 2]", "number"),
        ("model=3", "keys below it"),
        ("model.text=tiny", "keys below it"),
        ("optim.epochs=", "whole number"),
        ("optim.epochs=null", "whole number"),
    ],
)
def test_a_bad_value_names_key_value_and_what_was_expected(override: str, said: str) -> None:
    text = refusal([], [override])
    key, value = override.split("=")
    assert key in text.splitlines()[0]
    assert "is not valid" in text.splitlines()[0]
    assert value.strip("[]. ")[:3] in text or value in {"", "null"}
    assert said in text.split("expected:")[1]


def test_a_bad_choice_lists_them_and_names_the_nearest() -> None:
    text = refusal([], ["model.fusion=gate"])
    assert "model.fusion = 'gate'" in text
    assert "one of gated, concat, cross_attention, add, none" in text
    assert "did you mean: gated?" in text


def test_the_error_names_the_layer_that_set_the_key(tmp_path: Path) -> None:
    good = written(tmp_path, "model: {temporal: local, fusion: add}", "good.yaml")
    bad = written(tmp_path, "model: {fusion: gate}", "bad.yaml")
    later = written(tmp_path, "model: {temporal: gcn}", "later.yaml")
    assert refusal([good, bad, later], ["seed=1"]).startswith(f"{bad}: model.fusion = 'gate'")
    assert refusal([bad, good, bad], ["model.window=2"]).startswith(f"{bad}: model.fusion = 'gate'")
    assert refusal([good, later], ["model.layers=0"]).startswith("command line: model.layers = 0")
    text = refusal([written(tmp_path, "optim: {epohcs: 3}", "typo.yaml"), good])
    assert text.startswith(f"{tmp_path / 'typo.yaml'}: unknown key 'optim.epohcs'")


def test_a_combination_without_meaning_says_how_to_mend_it() -> None:
    text = refusal([], ["select=best_val"])
    assert "data.validation_share above 0" in text
    assert "Value error" not in text


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    written(tmp_path, "", "xd_violence.yaml")
    text = refusal([tmp_path / "xd_violense.yaml"])
    assert "no such configuration file" in text
    assert f"did you mean: {tmp_path / 'xd_violence.yaml'}?" in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [1,", "no valid YAML"),
        (b"- 1\n- 2\n", "mapping"),
        (b"just words", "mapping"),
        (b"\xff\xfe\x00bad", "cannot be read"),
        (b"a: !!python/object/apply:os.mkdir [/tmp/never]", "no valid YAML"),
        (b"? [1, 2]\n: 3\n", "no valid YAML"),
        (b"3: 4\n", "unknown key"),
    ],
)
def test_files_that_are_no_configuration(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_bytes(content)
    text = refusal([file])
    assert str(file) in text
    assert said in text
    assert "folder" not in text


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("seed: 1\noptim:\n\tepochs: 3\n", 3, "fix: indent with spaces"),
        ("seed: 1\nmodalities: v\nseed: 2\n", 3, "the key 'seed' stands twice"),
        ("seed: 1\noptim: {epochs: 3\n", 3, "expected ',' or '}'"),
    ],
)
def test_the_line_of_a_file_that_is_no_yaml_is_named(content: str, line: int, said: str, tmp_path: Path) -> None:
    file = written(tmp_path, content)
    text = refusal([file])
    assert text.startswith(f"{file}, line {line}: is no valid YAML: ")
    assert said in text
    assert "unicode string" not in text


def test_a_dotted_key_in_a_file_is_to_be_nested(tmp_path: Path) -> None:
    text = refusal([written(tmp_path, "model.text.weights: random\n")])
    assert "the key 'model.text.weights' has a dot" in text
    assert "`{model: {text: {weights: ...}}}`" in text
    assert "did you mean" not in text


def test_a_folder_is_no_configuration_file(tmp_path: Path) -> None:
    assert "cannot be read" in refusal([tmp_path])


def test_an_override_that_is_no_yaml() -> None:
    assert "--model.fusion: '[1,' is no valid YAML value" in refusal([], ["model.fusion=[1,"])


def test_values_stay_plain(tmp_path: Path) -> None:
    config = Config(data=Data(bank=tmp_path))
    assert plain(config)["data"]["bank"] == str(tmp_path)
    assert all(isinstance(v, str | int | float | bool | list) for v in plain(config)["optim"].values())


@pytest.mark.parametrize("text", ["model: {acp: none}\nmodel: {layers: 2}\n", "model:\n  layers: 1\n  layers: 2\n"])
def test_a_key_that_stands_twice_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"twice\.yaml.*stands twice"):
        load_config([file])


@pytest.mark.parametrize(
    "override", ["data.bank=", "runtime.results=", "data.bank=null", "seed=true", "optim.epochs=on"]
)
def test_empty_paths_and_switches_for_numbers_are_refused(override: str) -> None:
    key = override.partition("=")[0]
    with pytest.raises(UserError, match=f"command line: {key}: "):
        load_config([], [override])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optim=3", "keys below it"),
        ("optim.milestones=0.3", "a list"),
        ("optim.epochs=1.5", "a whole number"),
        ("optim.learning_rate=fast", "a number"),
        ("loss.coarse=maybe", "on or off"),
    ],
)
def test_what_was_expected_is_said_in_plain_words(override: str, words: str) -> None:
    with pytest.raises(UserError, match=f"expected: {words}"):
        load_config([], [override])


def test_a_finding_about_several_keys_names_the_layer_that_set_the_first(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("select: best_val\n")
    with pytest.raises(UserError, match=r"mine\.yaml: select"):
        load_config([file], ["seed=1"])


@pytest.mark.parametrize("over", [["model.temporal=local"], ["model.name=vadclip", "modalities=vt"]])
def test_whole_test_videos_are_refused_where_positions_end(over: list[str]) -> None:
    with pytest.raises(UserError, match=r"data\.test_span: 'whole'"):
        load_config([], ["data.test_span=whole", *over])
    assert load_config([], ["data.test_span=whole", "model.temporal=conv"]).data.test_span == "whole"


@pytest.mark.parametrize(
    "setting",
    [
        {"modalities": "va"},
        {"optim": {"schedule": "cosine"}},
        {"loss": {"contrast": False}},
        {"runtime": {"compile": "off"}},
        {"model": {"text": {"weights": "a file's name: [1, 2].pt"}}},
        {"data": {"batch_size": 12}},
    ],
)
def test_a_value_is_spelled_so_that_it_is_read_back(setting: dict[str, Any]) -> None:
    check_spelled(setting)


@given(st.floats(1e-12, 1e3))
def test_a_number_is_spelled_to_its_last_digit(rate: float) -> None:
    """A search prints its best settings: the line must be a command for the same run."""
    check_spelled({"optim": {"learning_rate": rate}})


def check_spelled(setting: dict[str, Any]) -> None:
    key, value = next(iter(flat(setting).items()))
    (word,) = shlex.split(f"{key}={spelled(value)}")
    assert load_config([], [word]) == parse(setting)
