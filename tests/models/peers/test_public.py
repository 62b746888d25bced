"""Every method whose public code was run against what it gave: scores, losses, gradients, whole videos in one batch.

With the switches of the public code on. What departs from it for good is compared in its public form, which stands
here. `pytest -s` prints the largest differences.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from open_clip.transformer import TextTransformer
from torch import Tensor
from torch.nn import functional as F

from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.models.model import Model
from mmvad.models.peers.avadclip import network as avadclip
from mmvad.models.peers.avadclip.settings import AvadClipSettings
from mmvad.models.peers.clip_tsa import network as clip_tsa
from mmvad.models.peers.clip_tsa.settings import ClipTsaSettings
from mmvad.models.peers.hl_net import network as hl_net
from mmvad.models.peers.hl_net.settings import HlNetSettings
from mmvad.models.peers.macil_sd import network as macil_sd
from mmvad.models.peers.macil_sd.settings import MacilSdSettings
from mmvad.models.peers.magnitude import chosen_features
from mmvad.models.peers.mgfn import network as mgfn
from mmvad.models.peers.mgfn.settings import MgfnSettings
from mmvad.models.peers.pel4vad import network as pel4vad
from mmvad.models.peers.pel4vad.settings import Pel4VadSettings
from mmvad.models.peers.public_weights import importable, public_weights
from mmvad.models.peers.rtfm import network as rtfm
from mmvad.models.peers.rtfm.settings import RtfmSettings
from mmvad.models.peers.s3r import network as s3r
from mmvad.models.peers.s3r.settings import S3rSettings
from mmvad.models.peers.sultani import network as sultani
from mmvad.models.peers.sultani.settings import SultaniSettings
from mmvad.models.peers.ur_dmu import network as ur_dmu
from mmvad.models.peers.ur_dmu.settings import UrDmuSettings
from mmvad.models.peers.vadclip import network as vadclip
from mmvad.models.peers.vadclip.settings import VadClipSettings
from mmvad.models.setting import Setting
from mmvad.models.text_encoder import QuickGELU, TextEncoder, tokenize
from tests.models.peers.public import (
    Compared,
    Reference,
    backward,
    compare_whole_videos,
    crops_together,
    drawn,
    videos,
    with_weights,
    without_dropout,
)
from tests.small import tiny_encoder

TAGS = pytest.mark.parametrize("tag", ["own", "equal"])
"""Videos of several lengths, which public code saw one by one, and a batch of one length, as it trains."""
SMOOTH = 8e-4


@pytest.fixture(scope="module")
def folder(field_data: Path) -> Path:
    folder = field_data / "real" / "peers"
    if not folder.is_dir():
        pytest.skip(f"what public code gave is not here: {folder}")
    return folder


@pytest.fixture(scope="module")
def table() -> Iterator[dict[tuple[str, str], float]]:
    found: dict[tuple[str, str], float] = {}
    yield found
    print(f"\n\n{'method':12} {'quantity':28} largest difference")
    for (method, quantity), away in sorted(found.items()):
        print(f"{method:12} {quantity:28} {away:.1e}")


@pytest.fixture
def compared(request: pytest.FixtureRequest, table: dict[tuple[str, str], float]) -> Compared:
    return Compared(request.function.__name__.removeprefix("test_"), table)


def two_kinds(reference: Reference, tag: str) -> Tensor:
    abnormal = reference[f"{tag}/in/abnormal"]
    return torch.stack([1 - abnormal, abnormal], dim=1)


def state(reference: Reference) -> dict[str, dict[str, Tensor]]:
    return {"weights": reference.under("state")}


@TAGS
def test_hl_net(tag: str, folder: Path, compared: Compared) -> None:
    reference = Reference(folder / "hl_net.npz")
    model = with_weights("hl_net", hl_net.build(Setting(16, 8, 64, (), None), HlNetSettings()), state(reference)).eval()
    batch = videos(reference, tag, two_kinds(reference, tag))
    output = model(batch)
    compared.scores(output.offline, reference[f"{tag}/out/offline"], batch.mask, "offline logits")
    compared.scores(output.online, reference[f"{tag}/out/online"], batch.mask, "online logits")
    losses = model.losses(output, batch)
    compared.losses(losses, reference.under(f"{tag}/loss"))
    backward(model, losses["total"])
    sources = public_weights("hl_net")["weights"].sources(model)
    compared.gradients(model, sources, reference.under(f"{tag}/grad"))


@TAGS
@pytest.mark.parametrize("way", ["swapped", "paper"])
def test_macil_sd(tag: str, way: str, folder: Path, compared: Compared) -> None:
    reference = Reference(folder / "macil_sd.npz")
    settings = MacilSdSettings(swapped=way == "swapped")
    model = macil_sd.build(Setting(1024, 128, 64, (), None), settings).eval()
    with_weights("macil_sd", model, {"both": reference.under("state_av"), "alone": reference.under("state_v")})
    batch = videos(reference, tag, two_kinds(reference, tag))
    output, out = model(batch), reference.under(f"{tag}/out")
    for name, ours in (("v_out", output.visual), ("a_out", output.audio)):
        compared.near("representations", ours[batch.mask], out[name][batch.mask])
    for name, ours in (
        ("av_logits", output.logits),
        ("alone_logits", output.alone_logits),
        ("visual_scores", output.visual_logits.sigmoid()),
        ("audio_scores", output.audio_logits.sigmoid()),
    ):
        compared.scores(ours, out[name], batch.mask, name)
    model.weight.fill_(0.7)
    losses, public = model.losses(output, batch), reference.under(f"{tag}/loss_{way}")
    compared.losses(losses, {name: public[name] for name in ("bag", "contrast", "alone")})
    compared.near("loss total", losses["total"], public["total_at_weight_0_7"])
    backward(model, losses["total"])
    sources = public_weights("macil_sd")["both"].sources(model)
    compared.gradients(model, sources, reference.under(f"{tag}/grad_{way}"))


@TAGS
@pytest.mark.parametrize("benchmark", ["xd", "ucf"])
def test_pel4vad(tag: str, benchmark: str, folder: Path, compared: Compared) -> None:
    reference = Reference(folder / f"pel4vad_{benchmark}.npz")
    setting, texts = reference.under("setting"), reference["texts/features"]
    assert int(setting["window"]) == 2 * pel4vad.REACH + 1
    settings = Pel4VadSettings(
        norm="time" if setting["norm_time"] else "none",
        kernel=int(setting["kernel"]),
    )
    prompts = tuple(f"class {i}" for i in range(len(texts)))
    model = pel4vad.build(Setting(32, None, 64, prompts, tiny_encoder()), settings).eval()
    with_weights("pel4vad", model, state(reference))
    model.texts.copy_(texts)
    batch = videos(reference, tag, torch.eye(len(texts))[reference[f"{tag}/in/kind"]])
    output = model(batch)
    compared.scores(output.logits.sigmoid(), reference[f"{tag}/out/scores"], batch.mask)
    compared.near("features", output.features[batch.mask], reference[f"{tag}/out/features"][batch.mask])
    losses = model.losses(output, batch)
    compared.losses(losses, reference.under(f"{tag}/loss"))
    backward(model, losses["total"])
    sources = public_weights("pel4vad")["weights"].sources(model)
    compared.gradients(model, sources, reference.under(f"{tag}/grad"))


def text_setting(reference: Reference, audio: int | None) -> Setting:
    """The reference's own text tower, and XD-Violence's classes."""
    tower: Any = TextTransformer(context_length=77, width=32, heads=2, layers=2, output_dim=32, act_layer=QuickGELU)
    left = tower.load_state_dict(reference.under("tower"), strict=False)
    assert (left.missing_keys, left.unexpected_keys) == (["token_embedding.weight"], [])
    with torch.no_grad():
        tower.token_embedding.weight[reference["tower_tokens/ids"]] = reference["tower_tokens/rows"]
    prompts = tuple(c.prompt for c in benchmark_named("xd_violence").classes)
    assert torch.equal(tokenize(list(prompts)), reference["tower_tokens/prompts"])
    return Setting(32, audio, 64, prompts, TextEncoder(tower))


def compare_branches(compared: Compared, output: Any, public: dict[str, Tensor], mask: Tensor) -> None:
    compared.near("texts", output.text[0], public["text"])
    compared.scores(output.logits, public["logits1"], mask, "coarse logits")
    compared.near("alignment", output.alignment[mask], public["logits2"][mask])


@TAGS
def test_vadclip(tag: str, folder: Path, compared: Compared) -> None:
    reference = Reference(folder / "vadclip.npz")
    settings = VadClipSettings(layers=2, window=8, prompt_half=10, weighting="logit", lambda_embed=0.1)
    model = with_weights("vadclip", vadclip.build(text_setting(reference, None), settings), state(reference)).eval()
    batch = videos(reference, tag, reference[f"{tag}/in/labels"])
    output = model(batch)
    compare_branches(compared, output, reference.under(f"{tag}/out"), batch.mask)
    losses, public = model.losses(output, batch), reference.under(f"{tag}/loss")
    compared.near("loss total", losses["total"], public.pop("total_lambda_0_1"))
    compared.losses(losses, public)
    backward(model, losses["total"])
    sources = public_weights("vadclip")["weights"].sources(model)
    compared.gradients(model, sources, reference.under(f"{tag}/grad"))


@TAGS
@pytest.mark.parametrize("network", ["teacher", "student"])
def test_avadclip(tag: str, network: str, folder: Path, compared: Compared) -> None:
    reference = Reference(folder / "avadclip.npz")
    settings = AvadClipSettings(network=network, learned_focus=True)
    model = avadclip.build(text_setting(reference, 32), settings)
    states = {"teacher": reference.under("state_t"), "student": reference.under("state_s")}
    with_weights("avadclip", model, {name: states[name] for name in ("teacher", network)})
    model.start_epoch(1, 2)
    without_dropout(model)
    batch, public = videos(reference, tag, reference[f"{tag}/in/labels"]), reference.under(f"{tag}/{network}")
    output = model(batch)
    out = {name.removeprefix("out/"): value for name, value in public.items() if name.startswith("out/")}
    compare_branches(compared, output, out, batch.mask)
    compared.near("features", output.features[batch.mask], out["features"][batch.mask])
    if network == "student":
        compared.near("theta", output.log_variance[batch.mask], out["theta"][batch.mask])
    losses = model.losses(output, batch)
    losses["fine_and_focal_half"] = (losses["fine"] + losses["focal"]) / 2
    compared.losses(losses, {n.removeprefix("loss/"): v for n, v in public.items() if n.startswith("loss/")})
    backward(model, losses["total"])
    sources = public_weights("avadclip")[network].sources(model)
    compared.gradients(model, sources, {n.removeprefix("grad/"): v for n, v in public.items() if n.startswith("grad/")})


def compare_norm_lineage(compared: Compared, model: Model[Any], reference: Reference, method: str) -> None:
    """RTFM and its followers, with the public smoothness, which also counts the steps across videos' borders.

    Gradients are of the total without those.
    """
    batch = crops_together(reference["train/x"])
    output = without_dropout(model)(batch)
    scores, losses = model.scores(output).coarse, model.losses(output, batch)
    assert scores is not None
    compared.near("scores in training", scores, reference["train/scores"])
    public, cross = reference.under("train/loss"), across_borders(scores, batch.abnormal[:: batch.crops])
    compared.near("loss smooth", losses["smooth"] + cross, public.pop("smooth"))
    compared.near("loss cross", cross, public.pop("cross"), 1e-4)  # differences of nearly equal scores
    compared.near("loss total", losses["total"] + SMOOTH * cross, public.pop("total"))
    compared.losses(losses, public)
    backward(model, losses["total"])
    sources = public_weights(method)["weights"].sources(model)
    compared.gradients(model, sources, reference.under("train/grad"), leave_out="hard_attention")
    compare_statistics(compared, model, reference, method)
    compare_whole_videos(compared, model, reference)


def all_states(reference: Reference) -> dict[str, dict[str, Tensor]]:
    dictionary = {"dictionary": {"dictionary": reference["dictionary"]}} if "dictionary" in reference.arrays else {}
    return state(reference) | dictionary


def across_borders(scores: Tensor, abnormal: Tensor) -> Tensor:
    """The squared steps from a video's last to the next one's first score: [V, L], bool [V] -> scalar."""
    own = scores[abnormal]
    return (own[1:, 0] - own[:-1, -1]).square().sum()


def compare_statistics(compared: Compared, model: Model[Any], reference: Reference, method: str) -> None:
    """Running means and variances after one step."""
    after, seen = reference.under("after"), 0
    for name, source in public_weights(method)["weights"].sources(model).items():
        if source.names[0] in after:
            compared.near("running statistics", model.get_buffer(name), after[source.names[0]])
            seen += 1
    assert seen == len(after)


def test_rtfm(folder: Path, compared: Compared) -> None:
    reference = Reference(folder / "rtfm.npz")
    model = rtfm.build(Setting(64, None, 32, (), None), RtfmSettings(dropout=0))
    compare_norm_lineage(compared, with_weights("rtfm", model, all_states(reference)), reference, "rtfm")


def test_clip_tsa(folder: Path, compared: Compared) -> None:
    """With the public noise; the gate's own gradients are another estimator of the same and are left out."""
    reference = Reference(folder / "clip_tsa.npz")
    model = clip_tsa.build(Setting(64, None, 32, (), None), ClipTsaSettings(dropout=0, kept=0.95, samples=100))
    with_weights("clip_tsa", model, all_states(reference))
    for name in [name for name in reference.arrays if "_without_noise" in name]:
        reference.arrays[name.replace("_without_noise", "")] = reference[name]
    with drawn("randn", reference["train/noise"].permute(1, 0, 2)):
        compare_norm_lineage(compared, model, reference, "clip_tsa")


def test_s3r(folder: Path, compared: Compared) -> None:
    reference = Reference(folder / "s3r.npz")
    model = with_weights(
        "s3r", s3r.build(Setting(64, None, 32, (), None), S3rSettings(dropout=0)), all_states(reference)
    )
    compare_norm_lineage(compared, model, reference, "s3r")


@pytest.mark.parametrize(("case", "empty"), [("0", 9), ("2", 0)])
def test_s3r_dictionary(case: str, empty: int, folder: Path, compared: Compared) -> None:
    """Equal to scikit-learn's since 1.1; the 0.24.2 that the public code names leaves atoms empty."""
    pytest.importorskip("sklearn")
    reference = Reference(folder / "s3r_dictionary.npz")
    public, older = (reference[f"{case}/dictionary_sklearn_{version}"] for version in ("1.2.2_float64", "0.24.2"))
    learned = torch.from_numpy(s3r.learn_dictionary(reference[f"{case}/videos"].numpy(), len(public)))
    compared.near("dictionary", learned, public)
    assert int((~older.any(dim=1)).sum()) == empty
    assert learned.any(dim=1).all()


def public_near(norms: Tensor) -> Tensor:
    """Crops of one video, the first half against the second: [V, N, K] -> scalar. torch adds 1e-6 to a difference."""
    half = norms.shape[1] // 2
    return F.pairwise_distance(norms[:, half:], norms[:, :half]).square().mean()


def test_mgfn(folder: Path, compared: Compared) -> None:
    """`near` between crops of a video and `sparse` on normal videos are public; ours are of other videos, abnormal."""
    reference = Reference(folder / "mgfn.npz")
    settings = MgfnSettings(width=4, dropout=0)
    model = with_weights("mgfn", mgfn.build(Setting(32, None, 32, (), None), settings), state(reference))
    batch = crops_together(reference["train/x"])
    output = without_dropout(model)(batch)
    losses, public = model.losses(output, batch), reference.under("train/loss")
    norms, normal = chosen_features(output).abs().sum(dim=-1), ~batch.abnormal[:: batch.crops]
    compared.near("scores in training", output.scores, reference["train/scores"])
    compared.near("norms", norms[normal], reference["train/norms_normal"])
    compared.near("norms", norms[~normal], reference["train/norms_abnormal"])
    compared.near("loss near (ours)", losses["near"], public.pop("near_other_videos"))
    losses |= {"near": public_near(norms[normal]) + public_near(norms[~normal]), "sparse": output.scores[normal].norm()}
    weights = {"bag": 1.0, "far": 1e-6, "near": 1e-3, "smooth": SMOOTH, "sparse": 8e-3}
    losses["total"] = torch.stack([weight * losses[name] for name, weight in weights.items()]).sum()
    compared.losses(losses, public)
    backward(model, losses["total"])
    sources = public_weights("mgfn")["weights"].sources(model)
    compared.gradients(model, sources, reference.under("train/grad"))
    compare_whole_videos(compared, model, reference)


def test_ur_dmu(folder: Path, compared: Compared) -> None:
    """With the public noise."""
    reference = Reference(folder / "ur_dmu.npz")
    settings = UrDmuSettings(width=32, dropout=0, distance="columns")
    model = with_weights("ur_dmu", ur_dmu.build(Setting(48, None, 200, (), None), settings), state(reference))
    batch, noise = crops_together(reference["train/x"].unsqueeze(1)), reference["train/epsilon"]
    with drawn("randn_like", torch.cat([noise, torch.zeros_like(noise)])):
        output = without_dropout(model)(batch)
    abnormal, losses, public = batch.abnormal, model.losses(output, batch), reference.under("train/loss")
    compared.near("scores in training", output.logits.sigmoid(), reference["train/frame"])
    for ours, theirs in (
        (output.abnormal[abnormal], "A_att"),
        (output.normal[~abnormal], "N_att"),
        (output.abnormal[~abnormal], "A_Natt"),
        (output.normal[abnormal], "N_Aatt"),
    ):
        compared.near("answers of the memories", ours, reference[f"train/{theirs}"])
    losses["kl"] = losses["kl"] * ur_dmu.SUMMED / 32
    compared.losses(losses, {name: value for name, value in public.items() if not name.startswith("part_")})
    backward(model, losses["total"])
    sources = public_weights("ur_dmu")["weights"].sources(model)
    compared.gradients(model, sources, reference.under("train/grad"))
    compare_whole_videos(compared, model, reference, "frame")


def test_sultani(folder: Path, compared: Compared) -> None:
    """The original's objective, Keras's; the paired, averaged one of a PyTorch code is another."""
    reference = Reference(folder / "sultani.npz")
    model = with_weights("sultani", sultani.build(Setting(64, None, 32, (), None), SultaniSettings()), state(reference))
    batch = crops_together(reference["train/x"].unsqueeze(1), first_normal=False)
    output = without_dropout(model)(batch)
    losses = model.losses(output, batch)
    compared.near("scores in training", output, reference["train/scores"])
    compared.near("loss total", losses["total"], reference["train/loss/total"])
    backward(model, losses["total"])
    sources = public_weights("sultani")["weights"].sources(model)
    compared.gradients(model, sources, reference.under("train/grad"))
    compare_whole_videos(compared, model, reference)


COMPARED_ONCE = {"cma_la", "hyper_vd"}
"""Run beside their public code with their public checkpoints (docs/PEERS.md); no arrays of that were kept."""


def test_every_importable_method_is_compared() -> None:
    assert {f"test_{name}" for name in importable() if name not in COMPARED_ONCE} <= set(globals())
