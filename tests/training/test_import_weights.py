"""Public checkpoints become run folders: scores are the public ones, and what does not fit is refused by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mmvad.bank.bank import BankWriter
from mmvad.benchmarks.benchmark import Event, Video
from mmvad.cli.main import main
from mmvad.predict.trained import load_run
from mmvad.runs import RunFolder
from mmvad.tables.frame import collect
from mmvad.tables.measured import measured
from mmvad.tables.results import Results
from mmvad.training.module import AnomalyModule
from mmvad.training.train import train
from tests.models.peers.public import Reference
from tests.models.peers.test_public_weights import written
from tests.runs import configured, refusal, report

METHOD = ("model.name=hl_net", "modalities=va", "data.test_span=whole", "optim.epochs=1")


@pytest.fixture(scope="module")
def trained(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(configured(bank, tmp_path_factory.mktemp("trained"), *METHOD))


def weights(folder: RunFolder) -> dict[str, Tensor]:
    """A run's weights under their public names."""
    module = AnomalyModule.load_from_checkpoint(folder.checkpoints / "last.ckpt")
    return dict(written("hl_net", module.model)["weights"])


def config_file(tmp_path: Path, bank: Path, *more: str) -> list[str]:
    """Options of `import-weights` for a method on a small bank."""
    file = tmp_path / "hl_net.yaml"
    file.write_text(
        f"model: {{name: hl_net, text: {{architecture: tiny, weights: random}}}}\nmodalities: va\n"
        f"data: {{bank: {bank}, segment_length: 16, test_span: whole}}\n"
        f"runtime: {{results: {tmp_path / 'runs'}, figures: off, device: cpu}}\n"
    )
    return [f"--config={file}", *more]


def scores_of(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "scores.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_a_checkpoint_is_tested_predicted_and_put_into_tables(trained: RunFolder, bank: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "public.pkl", tmp_path / "runs" / "published"
    torch.save({f"module.{name}": tensor for name, tensor in weights(trained).items()}, file)
    command = ["import-weights", "hl_net", str(file), *config_file(tmp_path, bank, "--out", str(out))]
    assert main(command) == 0
    theirs = scores_of(trained.path)
    assert {name: array.tolist() for name, array in scores_of(out).items()} == {
        n: a.tolist() for n, a in theirs.items()
    }
    assert main(["test", str(out)]) == 0
    run = load_run(out)
    assert run.unfinished is None
    again = AnomalyModule.load_from_checkpoint(out / "checkpoints" / "last.ckpt")
    assert torch.equal(again.model.head.weight, run.module.model.head.weight)
    before = (out / "report.json").stat().st_mtime_ns
    assert main(command) == 0, "the same again is done before"
    assert (out / "report.json").stat().st_mtime_ns == before
    content = report(RunFolder(out))
    assert content["config"]["published_weights"].startswith("sha256:")
    assert content["identity"] != report(trained)["identity"]
    assert content["selected_epoch"] is None


def test_tables_have_a_row_of_published_weights(trained: RunFolder, bank: Path, tmp_path: Path) -> None:
    file = tmp_path / "public.pth"
    torch.save({"state_dict": weights(trained), "epoch": 3}, file)
    assert main(["import-weights", "hl_net", str(file), *config_file(tmp_path, bank)]) == 0
    results = Results(collect([trained.path.parent, tmp_path / "runs"]).frame)
    peers = measured(results, "planted")
    assert [peer.title for peer in peers] == ["HL-Net 2020", "HL-Net 2020 (published weights)"]
    assert not any(peer.rivals for peer in peers)


def test_what_does_not_fit_is_named_and_nothing_is_written(
    trained: RunFolder, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, state = tmp_path / "runs" / "published", weights(trained)
    options = config_file(tmp_path, bank, "--out", str(out))

    def refused(content: Any, *files: str) -> str:
        torch.save(content, tmp_path / "public.pkl")
        return refusal(capsys, ["import-weights", "hl_net", *(files or [str(tmp_path / "public.pkl")]), *options])

    assert "public.pkl: lacks gc3.weight" in refused({k: v for k, v in state.items() if k != "gc3.weight"})
    assert "has more, which" in refused({**state, "more": torch.zeros(2)})
    assert "of shape [512, 9, 1]" in refused({**state, "conv1d1.weight": torch.zeros(512, 9, 1)})
    assert "'epoch' is a int" in refused({**state, "epoch": 3})
    assert "cannot be read as tensors alone" in refused(torch.nn.Linear(2, 2))
    assert "no such file" in refused(state, str(tmp_path / "nowhere.pkl"))
    assert "teacher: no such checkpoint" in refused(state, f"teacher={tmp_path / 'public.pkl'}")
    assert "given twice" in refused(state, "a.pkl", "b.pkl")
    assert "weights: is given twice" in refused(state, "a.pkl", "weights=b.pkl")
    (tmp_path / "public.pkl").write_bytes(b"no tensors")
    assert "cannot be read" in refusal(capsys, ["import-weights", "hl_net", str(tmp_path / "public.pkl"), *options])
    assert not out.exists()


def test_other_misuses_are_refused(
    trained: RunFolder, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "public.pth"
    torch.save(weights(trained), file)
    options = config_file(tmp_path, bank)
    assert "one of peers/rtfm_planted" in refusal(capsys, ["import-weights", "rtfm", str(file)])
    assert "is for hl_net, METHOD is rtfm" in refusal(capsys, ["import-weights", "rtfm", str(file), *options])
    text = refusal(capsys, ["import-weights", "hl_net", str(file), *options, "--out", str(trained.path)])
    assert "holds something else" in text
    assert "are tested, not trained" in refusal(capsys, ["train", *options, "--published_weights=sha256:1"])


def reference_bank(path: Path, videos: list[tuple[np.ndarray, np.ndarray]]) -> Path:
    """A bank whose test videos have these features, picture and sound."""
    with BankWriter(path, "planted", {"made_by": "the tests"}) as writer:
        for split in ("train", "test"):
            for i, (picture, sound) in enumerate(videos):
                events = (Event("fighting", 0, 16),) if split == "test" and i % 2 else ()
                label = "fighting" if i % 2 else "normal"
                video = Video(f"{split}{i}", split, (label,), events, tuple((e.start, e.end) for e in events))  # type: ignore[arg-type]
                writer.add(video, {0: picture}, sound)
    return path


@pytest.mark.parametrize("method", ["hl_net", "macil_sd"])
def test_public_checkpoints_give_the_public_scores(method: str, field_data: Path, tmp_path: Path) -> None:
    file = field_data / "real" / "peers" / f"{method}.npz"
    if not file.is_file():
        pytest.skip(f"what public code gave is not here: {file}")
    reference = Reference(file)
    lengths = reference["own/in/lengths"].tolist()
    features = [reference[f"own/in/{name}"].numpy() for name in ("visual", "audio")]
    videos = [(features[0][i, :n], features[1][i, :n]) for i, n in enumerate(lengths)]
    bank = reference_bank(tmp_path / "bank", videos)
    state = reference.under("state" if method == "hl_net" else "state_av")
    torch.save(state, tmp_path / "public.pkl")
    out = tmp_path / "published"
    options = [f"--data.bank={bank}", "--runtime.figures=off", "--runtime.device=cpu", "--data.test_span=whole"]
    command = ["import-weights", method, str(tmp_path / "public.pkl"), f"--config=peers/{method}_planted"]
    assert main([*command, "--out", str(out), *options]) == 0
    wanted = torch.sigmoid(reference["own/out/offline" if method == "hl_net" else "own/out/av_logits"]).numpy()
    for i, n in enumerate(lengths):
        np.testing.assert_allclose(scores_of(out)[f"test{i}/coarse"], wanted[i, :n], rtol=1e-5, atol=1e-6)
