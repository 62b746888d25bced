"""A method of one's own, outside of the package: under every verb, with settings of its own; what is wrong is said."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from mmvad.cli.main import main
from mmvad.config.identity import is_read, run_identity, run_name
from mmvad.config.load import dump, load_config, plain
from mmvad.models import outside
from mmvad.runs import RunFolder, read_json
from tests.runs import overrides
from tests.small import WIDTH

MODULE = "methods_of_mine"
NAME = f"{MODULE}:TwoLayers"
CODE = '''"""Methods of one's own."""

from torch import Tensor, nn

from mmvad.models.method import Method
from mmvad.models.model import Batch, Model, Scores
from mmvad.models.setting import Setting
from mmvad.models.losses.mil import coarse_loss
from mmvad.sections import Count, Section


class TwoLayers(Model[Tensor]):
    """Logits [B, L] from the picture."""

    facts = Method(title="Two layers", modalities=("v",))

    class Settings(Section):
        width: Count = 8
        """of the hidden layer"""

    def __init__(self, setting: Setting, settings: Settings) -> None:
        super().__init__()
        self.hidden, self.score = nn.Linear(setting.visual_width, settings.width), nn.Linear(settings.width, 1)

    def forward(self, batch: Batch) -> Tensor:
        return self.score(self.hidden(batch.visual).relu()).squeeze(-1)

    def losses(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        return {"total": coarse_loss(output.float().sigmoid(), batch.mask, batch.abnormal)}

    def scores(self, output: Tensor) -> Scores:
        return Scores(coarse=output.float().sigmoid(), classes=None)


class Plain(TwoLayers):
    """Without settings, of all modalities."""

    facts = Method("Plain")
    Settings = None

    def __init__(self, setting: Setting, settings: None) -> None:
        super().__init__(setting, TwoLayers.Settings(width=2))


class Unfinished(TwoLayers):
    """A setting without a default."""

    class Settings(Section):
        width: Count


class Odd(TwoLayers):
    facts = "odd"


class Turned(TwoLayers):
    facts = Method("Turned", modalities=("tav",))


class NoTotal(TwoLayers):
    def losses(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        return {"bag": super().losses(output, batch)["total"]}


class Short(TwoLayers):
    def scores(self, output: Tensor) -> Scores:
        return Scores(coarse=output[:, :1].float().sigmoid(), classes=None)
'''


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the module in it; nothing of it is remembered."""
    (tmp_path / f"{MODULE}.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    outside.outside.cache_clear()
    outside._entry_points.cache_clear()
    return tmp_path


def words(bank: Path, *more: str) -> list[str]:
    given = [*overrides(bank, Path("runs"), "modalities=v", "optim.epochs=1", f"model.name={NAME}"), *more]
    return [f"--{word}" for word in given]


def only(results: Path) -> RunFolder:
    (report,) = results.glob("*/report.json")
    return RunFolder(report.parent)


def test_it_is_trained_tested_predicted_and_reported(
    elsewhere: Path, bank: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["train", *words(bank, "method.width=4")]) == 0
    folder = only(elsewhere / "runs")
    assert folder.path.name.startswith("planted-two_layers-v-s0-")
    assert yaml.safe_load(folder.config.read_text())["method"] == {"width": 4}
    assert read_json(folder.report)["trainable_parameters"] == 4 * (WIDTH + 1) + 5
    assert read_json(folder.manifest)["code"]["module"] == MODULE
    assert main(["test", str(folder.path)]) == 0
    assert "equal to the report" in caplog.text
    assert "has changed" not in caplog.text
    np.save("video__0.npy", np.ones((5, WIDTH), dtype=np.float32))
    assert main(["predict", "--checkpoint", str(folder.path), "--out", "out", "--features", "video__0.npy"]) == 0
    assert any((elsewhere / "out").glob("video*"))
    (elsewhere / f"{MODULE}.py").unlink()
    sys.modules.pop(MODULE)
    outside.outside.cache_clear()
    assert main(["report", "runs", "--resamples", "0"]) == 0, "tables need no code"
    assert "Two layers" in capsys.readouterr().out


def test_help_lists_its_settings(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", f"--model.name={NAME}", "--help"])
    assert "--method.width=int  (default: 8)\n      of the hidden layer" in capsys.readouterr().out


def test_changed_code_is_said(elsewhere: Path, bank: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["train", *words(bank)]) == 0
    with (elsewhere / f"{MODULE}.py").open("a") as file:
        file.write("# more\n")
    for again in (["test", str(only(elsewhere / "runs").path)], ["train", *words(bank)]):
        caplog.clear()
        assert main(again) == 0
        assert f"{MODULE}.py has changed since the run was made" in caplog.text


@pytest.mark.slow
def test_its_settings_are_swept(elsewhere: Path, bank: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = {
        "program": "mmvad",
        "method": "grid",
        "command": ["${env}", "${program}", "train", "${args}"],
        "parameters": {
            "benchmark": {"value": "planted"},
            "model.name": {"value": NAME},
            "seed": {"value": 0},
            "method.width": {"values": [2, 4]},
        },
    }
    (elsewhere / "widths.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    values = overrides(bank, Path("runs"), "modalities=v", "optim.epochs=1")
    given = [word for word in values if not word.startswith("runtime.results")]
    assert main(["sweep", "run", "widths.yaml", "--results", "runs", "--workers", "1", "--set", *given]) == 0
    assert "2 of 2 cells finished" in capsys.readouterr().out
    found = [read_json(report)["config"]["method"]["width"] for report in (elsewhere / "runs").glob("*/report.json")]
    assert sorted(found) == [2, 4]


def test_name_and_settings_make_the_identity_and_nothing_of_ours_does(elsewhere: Path) -> None:
    def identity(*more: str) -> str:
        return run_identity(load_config([], ["modalities=v", *more]), "bank", None, "32-true")

    own = [f"model.name={NAME}"]
    apart = {identity(), identity(*own), identity(*own, "method.width=4"), identity(f"model.name={MODULE}:Plain")}
    assert len(apart) == 4
    assert identity(*own, "method.width=8") == identity(*own)
    for unread in ("loss.lambda_embed=1", "model.window=5", "peers.rtfm.margin=3"):
        assert identity(*own, unread) == identity(*own)
    assert is_read("method.width", NAME)
    assert not is_read("method.width", "dual_stream")
    assert not is_read("method.width", "rtfm")


def test_the_configuration_is_written_and_read_again(elsewhere: Path) -> None:
    config = load_config([], ["modalities=v", f"model.name={NAME}", "method.width=3"])
    (elsewhere / "config.yaml").write_text(dump(config))
    assert load_config([elsewhere / "config.yaml"]) == config
    assert "method" not in plain(load_config([]))
    assert "method" not in plain(load_config([], [f"model.name={MODULE}:Plain"]))


def test_an_entry_point_names_it(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = elsewhere / "mine-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[mmvad.models]\ntwo-layers = {NAME}\n")
    monkeypatch.syspath_prepend(elsewhere)
    config = load_config([], ["modalities=v", "model.name=two-layers", "method.width=3"])
    assert plain(config)["method"] == {"width": 3}
    assert run_name(config, "0" * 64) == "planted-two_layers-v-s0-000000000000"
    outside._entry_points.cache_clear()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["model.name=method_of_mine:TwoLayers"], ["there is no module", "current folder", f"did you mean: {NAME}?"]),
        ([f"model.name={MODULE}:TwoLayer"], ["has no class 'TwoLayer'", f"did you mean: {NAME}?"]),
        ([f"model.name={MODULE}:Setting"], ["Setting is no model", "subclass of mmvad.models.model.Model"]),
        ([f"model.name={MODULE}:Odd"], ["its facts are a str"]),
        ([f"model.name={MODULE}"], ["MODULE:CLASS"]),
        ([f"model.name={NAME}", "modalities=va"], ["Two layers cannot be run with 'va'"]),
        ([f"model.name={NAME}", "method.widht=2"], ["unknown key 'method.widht'", "did you mean: method.width?"]),
        ([f"model.name={NAME}", "method.width=0"], ["method.width = 0 is not valid"]),
        ([f"model.name={MODULE}:Unfinished"], ["method.width is not given"]),
        ([f"model.name={MODULE}:Plain", "method.width=2"], ["the model has no such settings"]),
        (["method.width=2"], ["the model has no such settings"]),
        (["model.name=broken:Model"], ["broken cannot be imported", "SyntaxError"]),
        (["model.name=ends:Model"], ["ends cannot be imported", "SystemExit"]),
        ([f"model.name={MODULE}:Turned"], ["its facts name the modalities ('tav',)", "vat, va, vt, v"]),
        ([f"model.name={MODULE}:NoTotal"], ["NoTotal: losses gives bag", "`total`"]),
        ([f"model.name={MODULE}:Short"], ["Short: scores gives `coarse` of shape", "videos, segments"]),
    ],
)
def test_what_is_wrong_is_said(
    elsewhere: Path, bank: Path, capsys: pytest.CaptureFixture[str], given: list[str], wanted: list[str]
) -> None:
    (elsewhere / "broken.py").write_text("class\n")
    (elsewhere / "ends.py").write_text("raise SystemExit(0)\n")
    assert main(["train", f"--data.bank={bank}", "--modalities=v", "--optim.epochs=1", *map("--{}".format, given)]) == 2
    text = capsys.readouterr().err
    for part in wanted:
        assert part in text


def test_facts_that_a_run_noted_are_taken_as_far_as_they_are_known() -> None:
    told = outside.method_told(NAME, {"title": "Mine", "classes": True, "strange": 3})
    assert told
    assert (told.title, told.classes) == ("Mine", True)
    assert outside.method_told(NAME, {}).title == "TwoLayers"  # type: ignore[union-attr]
    assert outside.method_told("dual_stream", {}) is None
