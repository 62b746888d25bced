"""An exported model against the run that it came from, and what is refused; no test starts a process with torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import Bank, open_bank
from mmvad.data.look_ahead import Span
from mmvad.errors import UserError
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.predict.exported import load_model
from mmvad.predict.online import scored_rows
from mmvad.predict.scorer import SILENT
from mmvad.predict.torch_network import torch_network
from mmvad.predict.trained import load_run
from mmvad.runs import RunFolder
from tests.predict.test_trained import source
from tests.predict.trained import small_run
from tests.runs import refusal

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")

WHOLE = ("modalities=vt", "model.temporal=conv", "model.acp=none", "data.test_span=whole", "optim.epochs=1")
"""A network of whole videos, whose texts do not depend on them."""


@pytest.fixture(scope="module")
def bank(trained: RunFolder) -> Bank:
    return open_bank(trained.path.parents[1] / "bank")


@pytest.fixture(scope="session")
def exported(trained: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained run's model: chunks of 16, sound, a context prompt, so with the text tower inside."""
    from mmvad.predict.export import export_run

    out = tmp_path_factory.mktemp("exported") / "model"
    export_run(trained.path, out)
    return out


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "model"))


def changed(model: Path, *keys: str, to: object) -> Path:
    """The model with one key of its `model.json` changed."""
    content = json.loads((model / "model.json").read_text())
    *sections, last = keys
    inner = content
    for key in sections:
        inner = inner[key]
    inner[last] = to
    (model / "model.json").write_text(json.dumps(content))
    return model


def test_scores_are_the_runs(exported: Path, bank: Bank, tested: dict[str, ScoredVideo]) -> None:
    model = load_model(exported)
    assert max(len(v.coarse) for v in tested.values() if v.coarse is not None) > 32  # several chunks
    for name, wanted in tested.items():  # one of them without sound
        found = model.score(source(bank, name))
        np.testing.assert_allclose(found.coarse, wanted.coarse, atol=1e-5)
        np.testing.assert_allclose(found.class_probabilities, wanted.class_probabilities, atol=1e-5)
    assert model.note(source(bank, "test03")) == (SILENT,)


def test_random_videos_of_any_length(exported: Path, trained: RunFolder) -> None:
    draw, model, run = np.random.default_rng(0), load_model(exported), load_run(trained.path)
    networks, span = (model.network, torch_network(run)), model.file.chunks.span
    for length in (1, 2, 7, 31, 200):
        visual = draw.normal(size=(length, run.widths.visual)).astype(np.float32)
        audio = draw.normal(size=(length, run.widths.audio)).astype(np.float32)
        for sound in (audio, None):
            found, wanted = (scored_rows(network, span, visual, sound) for network in networks)
            np.testing.assert_allclose(found.coarse, wanted.coarse, atol=1e-5)
            np.testing.assert_allclose(found.classes, wanted.classes, atol=1e-5)


def test_its_look_ahead_is_the_runs(copy: Path, trained: RunFolder, bank: Bank) -> None:
    model, run = load_model(changed(copy, "chunks", "look_ahead", to=1)), load_run(trained.path)
    video = source(bank, "test02")
    wanted = scored_rows(torch_network(run), model.file.chunks.span, video.crops[0], video.audio)
    np.testing.assert_allclose(model.score(video).coarse, wanted.coarse, atol=1e-5)
    assert not np.allclose(wanted.coarse, run.score(video).coarse, atol=1e-5)


def test_whole_videos_and_texts_as_vectors(trained: RunFolder, bank: Bank, tmp_path: Path) -> None:
    from mmvad.predict.export import export_run

    run = small_run(trained.path.parents[1], *WHOLE)
    told = export_run(run.path, tmp_path / "model")
    assert told.texts is not None
    assert (told.chunks.length, told.texts.inside, told.thresholds) == (None, False, {})
    assert told.card is not None
    assert (tmp_path / "model" / "card.md").read_bytes() == run.card.read_bytes()
    model = load_model(tmp_path / "model")
    with np.load(run.scores) as scores:
        for video in bank.test.videos:
            found = model.score(source(bank, video.name))
            np.testing.assert_allclose(found.coarse, scores[f"{video.name}/coarse"], atol=1e-5)
            np.testing.assert_allclose(found.class_probabilities, scores[f"{video.name}/classes"], atol=1e-5)


def test_the_example_without_mmvad(
    exported: Path, bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "DEPLOY.md").read_text()
    example = text.split("```python\n")[1].split("```")[0]
    assert example.startswith("import json")
    shutil.copytree(exported, tmp_path / "model")
    video = source(bank, "test02", audio=None)
    rows = video.crops[0][:16]
    np.save(tmp_path / "video__0.npy", rows)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "DEPLOY.md", "exec"), {})
    wanted = scored_rows(load_model(exported).network, Span(16), rows, None)
    assert wanted.coarse is not None
    assert wanted.classes is not None
    peak = wanted.coarse.argmax()
    named = load_model(exported).benchmark.class_keys[wanted.classes[peak].argmax()]
    assert capsys.readouterr().out.splitlines() == [f"{wanted.coarse[peak]:.4f} at row {peak}", named]


WITHOUT_TORCH = """
import sys
for name in ("torch", "lightning", "open_clip", "onnx", "onnxscript"):
    sys.modules[name] = None  # whoever imports it fails
from mmvad.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_features_are_predicted_without_torch(
    exported: Path, bank: Bank, tested: dict[str, ScoredVideo], tmp_path: Path
) -> None:
    for name, rows in (
        ("test02__0", source(bank, "test02").crops[0]),
        ("test02__vggish", source(bank, "test02").audio),
    ):
        np.save(tmp_path / f"{name}.npy", rows)
    words = ["predict", "--model", exported, "--features", tmp_path / "test02__0.npy", "--audio", tmp_path]
    words += ["--out", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *map(str, words)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out" / "test02" / "prediction.json").read_text())
    found = [snippet["coarse"] for snippet in result["snippets"]]
    np.testing.assert_allclose(found, tested["test02"].coarse, atol=1e-5)
    assert result["model"]["checkpoint"].startswith("model.onnx ")


def refused(capsys: pytest.CaptureFixture[str], model: Path, features: Path, *more: object) -> str:
    return refusal(capsys, ["predict", "--model", str(model), "--features", str(features), *map(str, more)])


def test_what_is_no_model_is_refused(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tmp_path / "a.npy"
    np.save(rows, np.zeros((3, 16), np.float32))
    monkeypatch.chdir(tmp_path)
    assert "model.json is missing" in refused(capsys, tmp_path, rows)
    assert "there is no such folder" in refused(capsys, tmp_path / "gone", rows)
    assert f"did you mean: {copy}?" in refused(capsys, copy / "model.onnx", rows)
    (tmp_path / "config.yaml").write_text("")
    assert f"--checkpoint {tmp_path}" in refused(capsys, tmp_path, rows)
    assert f"{rows}: is a file" in refused(capsys, copy, rows, "--out", rows)
    kept = (copy / "model.json").read_text()
    for content, told in (
        (kept[:100], "cannot be read as JSON"),
        ("[]", "the file: Input should be a valid dictionary"),
        (kept.replace('"format": 1', '"format": 2'), "format 2"),
        (kept.replace('"look_ahead": -1', '"look_ahead": "far"'), "chunks.look_ahead: "),
        (kept.replace('"normal": "normal"', '"normal": 3'), "model.json"),
    ):
        (copy / "model.json").write_text(content)
        assert told in refused(capsys, copy, rows)
    (copy / "model.json").write_text(kept)
    assert "--runtime.device" not in refused(capsys, copy, rows, "--data.crops=rows")
    assert "scored on the CPU" in refused(capsys, copy, rows, "--device", "cuda")
    assert "not allowed with" in _usage(capsys, copy, rows, "--checkpoint", "run")
    with open(copy / "model.onnx", "r+b") as file:
        file.truncate(5000)
    assert "is not the file that was exported" in refused(capsys, copy, rows)
    (copy / "model.onnx").unlink()
    assert "no such file" in refused(capsys, copy, rows)
    assert not (tmp_path / "predictions").exists()


def _usage(capsys: pytest.CaptureFixture[str], model: Path, features: Path, *more: str) -> str:
    from mmvad.cli.main import main

    with pytest.raises(SystemExit, match="2"):
        main(["predict", "--model", str(model), "--features", str(features), *more])
    return capsys.readouterr().err


def test_features_of_another_width_fail_by_name(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mmvad.cli.main import main

    np.save(tmp_path / "a.npy", np.zeros((3, 20), np.float32))
    assert (
        main(["predict", "--model", str(exported), "--features", str(tmp_path / "a.npy"), "--out", str(tmp_path)]) == 1
    )
    assert "visual features of width 20" in capsys.readouterr().err


def test_without_onnxruntime_it_says_what_to_install(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="needs onnxruntime"):
        load_model(exported)


def test_what_cannot_be_exported_is_refused(
    trained: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(run: Path, out: Path) -> str:
        return refusal(capsys, ["export", str(run), "--out", str(out)])

    assert "is no run folder" in told(tmp_path / "nowhere", tmp_path / "model")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.md").write_text("")
    assert "holds something else" in told(trained.path, tmp_path / "taken")
    bare = tmp_path / "bare"
    shutil.copytree(trained.path, bare, ignore=shutil.ignore_patterns("checkpoints"))
    assert "no such checkpoint" in told(bare, tmp_path / "model")
    from mmvad.predict import export

    monkeypatch.setattr(export, "PACKAGES", ("onnx", "onnx_of_tomorrow"))
    assert "not installed: onnx_of_tomorrow" in told(trained.path, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_network_that_differs_from_torchs_is_not_written(
    exported: Path, trained: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmvad.predict import export
    from mmvad.predict.exported import onnx_network
    from mmvad.predict.onnx_graph import Graph

    file = load_model(exported).file.network
    graph = Graph((exported / "model.onnx").read_bytes(), file.inputs, file.outputs, text_tower=True)
    monkeypatch.setattr(export, "export_graph", lambda *_: graph)

    def off(*given: object) -> object:
        network = onnx_network(*given)  # type: ignore[arg-type]
        return lambda chunks: [(coarse + 1e-3 * (len(coarse) == 7), classes) for coarse, classes in network(chunks)]

    monkeypatch.setattr(export, "onnx_network", off)
    with pytest.raises(UserError, match=r"scores of 7 rows are 0\.001 away"):
        export.export_run(trained.path, tmp_path / "model")
    assert not (tmp_path / "model").exists()
