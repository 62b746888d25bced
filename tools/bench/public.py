"""The training steps of methods' public code, from checkouts that lie beside each other: DIR/VadCLIP, DIR/RTFM, ...

Each is built as its own training builds it, by its own files, unchanged but that `cuda` means the CPU. Needs einops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.model import Batch
from tools.bench.checkouts import clip_text, modules

Losses = Callable[[Batch], Tensor]
MARGIN_WEIGHTS = {"smooth": 8e-4, "sparse": 8e-3}
"""Of RTFM and its followers."""


@dataclass(frozen=True)
class Public:
    """A method's public networks by the names of `public_weights`, and the total of their losses."""

    networks: Mapping[str, nn.Module]
    total: Losses


def vadclip(folder: Path, model: Any, prompts: list[str]) -> Public:
    source, clip, tower, train = modules(folder / "src", "model", "clip.clip", "clip.model", "xd_train")
    clip_text(clip, tower, model)
    net = source.CLIPVAD(len(prompts), 512, 256, 512, 1, 1, 64, 10, 10, "cpu")

    def total(batch: Batch) -> Tensor:
        lengths = batch.mask.sum(dim=1)
        texts, coarse, fine = net(batch.visual, None, prompts, lengths)
        terms = train.CLAS2(coarse, batch.labels, lengths, "cpu"), train.CLASM(fine, batch.labels, lengths, "cpu")
        return sum(terms) + 1e-4 * embedding(texts)

    return Public({"weights": net}, total)


def embedding(texts: Tensor) -> Tensor:
    """As VadCLIP's training loop has it in line."""
    unit = texts / texts.norm(dim=-1, keepdim=True)
    return sum((unit[0] @ other).abs() for other in unit[1:]) / 6


def avadclip(folder: Path, model: Any, prompts: list[str]) -> Public:
    """The teacher, or teacher and student where the model has one."""
    first, second, clip, tower, train = modules(
        folder / "src", "model_t", "model_s", "clip.clip", "clip.model", "xd_train_s" if model.student else "xd_train_t"
    )
    clip_text(clip, tower, model)
    teacher = first.AVADCLIP(len(prompts), 512, 256, 512, 1, 2, 256, 512, 4, 10, 10, "cpu")
    if not model.student:
        return Public({"teacher": teacher}, lambda b: avadclip_loss(train, b, teacher(*_heard(b, prompts))))
    student = second.AVADCLIP_MODEL(len(prompts), 512, 256, 512, 1, 1, 64, 10, 10, "cpu")
    teacher.eval().requires_grad_(False)

    def total(batch: Batch) -> Tensor:
        wanted = teacher(*_heard(batch, prompts))[0]
        features, texts, coarse, fine, theta, alpha = student(batch.visual, None, prompts, batch.mask.sum(dim=1))
        found = avadclip_loss(train, batch, (features, texts, coarse, fine, alpha))
        return found + 1e-8 * train.UC_Loss(wanted, features, theta)

    return Public({"teacher": teacher, "student": student}, total)


def _heard(batch: Batch, prompts: list[str]) -> tuple[Any, ...]:
    return batch.visual, batch.audio, None, None, prompts, batch.mask.sum(dim=1)


def avadclip_loss(train: ModuleType, batch: Batch, output: tuple[Tensor, ...]) -> Tensor:
    _, texts, coarse, fine, alpha = output
    lengths = batch.mask.sum(dim=1)
    found = train.CLAS2(coarse, batch.labels, lengths, "cpu") + train.CLASM(fine, batch.labels, lengths, "cpu", alpha)
    return found + 1e-4 * embedding(texts)


def pel4vad(folder: Path, model: Any, prompts: list[str]) -> Public:
    source, loss, utils, configs = modules(folder, "model", "loss", "utils", "configs")
    net = source.XModel(configs.build_config("xd"))

    def total(batch: Batch) -> Tensor:
        lengths, kind = batch.mask.sum(dim=1), batch.labels.argmax(dim=1)
        scores, features = net(batch.visual[:, : int(lengths.max())], lengths)
        tokens = torch.stack([model.texts[0].expand(len(kind), -1), model.texts[kind]], dim=1)
        videos, texts, labels = utils.get_cas(features, tokens, scores, kind)
        logits, _ = utils.create_logits(videos, texts, net.logit_scale.exp())
        wanted = torch.tensor(loss.gen_label(labels), dtype=features.dtype)
        concepts = loss.KLV_loss(logits, wanted, nn.KLDivLoss(reduction="batchmean"))
        return loss.CLAS2(scores, batch.abnormal.float(), lengths, nn.BCELoss()) + concepts

    return Public({"weights": net}, total)


def hl_net(folder: Path, model: Any, prompts: list[str]) -> Public:
    source, train = modules(folder, "model", "train")
    net = source.Model(SimpleNamespace(feature_size=1152, num_classes=1))

    def total(batch: Batch) -> Tensor:
        assert batch.audio is not None
        lengths, label = batch.mask.sum(dim=1), batch.abnormal.float()
        x = torch.cat([batch.visual, batch.audio], dim=-1)[:, : int(lengths.max())]
        offline, online = net(x, lengths)
        bags = [train.CLAS(z, label, lengths, nn.BCELoss(), "cpu") for z in (offline, online)]
        return sum(bags) + 5 * train.CENTROPY(offline, online, lengths, "cpu")

    return Public({"weights": net}, total)


def macil_sd(folder: Path, model: Any, prompts: list[str]) -> Public:
    source, contrast = modules(folder, "avce_network", "CMA_MIL")
    sizes = SimpleNamespace(dropout=0.1, nhead=4, hid_dim=128, ffn_dim=128, num_classes=1, v_feature_size=1024)
    both, alone = source.AVCE_Model(sizes), source.Single_Model(sizes)

    def total(batch: Batch) -> Tensor:
        assert batch.audio is not None
        lengths, label = batch.mask.sum(dim=1), batch.abnormal.float()
        visual, audio = (x[:, : int(lengths.max())] for x in (batch.visual, batch.audio))
        bag, heard, seen, _, sound, picture = both(audio, visual, lengths)
        terms = contrast.CMAL(bag, heard.squeeze(), seen.squeeze(), lengths, sound, picture)
        found = F.binary_cross_entropy(bag, label) + 1.5 * sum(terms)
        return found + F.binary_cross_entropy(alone(visual, lengths), label)

    return Public({"both": both, "alone": alone}, total)


def ur_dmu(folder: Path, model: Any, prompts: list[str]) -> Public:
    source, train = modules(folder, "model", "train")
    net, loss = source.WSAD(1024, "Train", 60, 60), train.AD_Loss()
    return Public({"weights": net}, lambda batch: loss(net(batch.visual), batch.abnormal.float())[0])


def rtfm(folder: Path, model: Any, prompts: list[str]) -> Public:
    source, train = modules(folder, "model", "train")
    net = source.Model(2048, 0)

    def total(batch: Batch) -> Tensor:
        net.batch_size = pairs = len(batch.mask) // batch.crops // 2
        of_abnormal, of_normal, chosen_abnormal, chosen_normal, _, _, scores, *_ = net(_crops(batch))
        label = batch.abnormal[:: batch.crops].float()
        loss = train.RTFM_loss(1e-4, 100)
        found = loss(of_normal, of_abnormal, label[:pairs], label[pairs:], chosen_normal, chosen_abnormal)
        rest = scores.view(2 * pairs * scores.shape[1], -1).squeeze()[pairs * scores.shape[1] :]
        return (
            found + train.smooth(rest, MARGIN_WEIGHTS["smooth"]) + train.sparsity(rest, pairs, MARGIN_WEIGHTS["sparse"])
        )

    return Public({"weights": net}, total)


def _crops(batch: Batch) -> Tensor:
    return batch.visual.unflatten(0, (-1, batch.crops))


def s3r(folder: Path, model: Any, prompts: list[str]) -> Public:
    detector, trainer, losses = modules(
        folder, "anomaly.models.detectors.detector", "anomaly.engine.trainer", "anomaly.losses"
    )
    net = detector.S3R(2048, 0, 32, modality="taskaware")

    def total(batch: Batch) -> Tensor:
        net.batch_size = pairs = len(batch.mask) // batch.crops // 2
        found = net(_crops(batch), model.dictionary.expand(2 * pairs, -1, -1))
        label = batch.abnormal[:: batch.crops].float()
        first = trainer.RTFM_loss(1e-4, 100)(
            found["regular_score"],
            found["anomaly_score"],
            label[:pairs],
            label[pairs:],
            found["feature_select_regular"],
            found["feature_select_anomaly"],
        )
        rest = found["video_scores"].reshape(-1)[pairs * batch.mask.shape[1] :]
        first = first + losses.smooth_loss(rest, MARGIN_WEIGHTS["smooth"])
        first = first + losses.sparsity_loss(rest, pairs, MARGIN_WEIGHTS["sparse"])
        return first + trainer.MacroLoss()(found["macro_scores"], torch.zeros(pairs))

    return Public({"weights": net}, total)


def mgfn(folder: Path, model: Any, prompts: list[str]) -> Public:
    source, train = modules(folder, "models.mgfn", "train")
    net = source.mgfn()

    def total(batch: Batch) -> Tensor:
        net.batch_size = pairs = len(batch.mask) // batch.crops // 2
        x = torch.cat([batch.visual, batch.visual.norm(dim=-1, keepdim=True)], dim=-1)
        of_abnormal, of_normal, chosen_abnormal, chosen_normal, scores = net(x.unflatten(0, (-1, batch.crops)))
        label = batch.abnormal[:: batch.crops].float()
        loss = train.mgfn_loss(1e-4)
        found = loss(of_normal, of_abnormal, label[:pairs], label[pairs:], chosen_normal, chosen_abnormal)
        sparse = train.sparsity(scores[:pairs].view(-1), pairs, MARGIN_WEIGHTS["sparse"])
        return found + train.smooth(scores, MARGIN_WEIGHTS["smooth"]) + sparse

    return Public({"weights": net}, total)


PUBLIC: dict[str, tuple[str, Callable[[Path, Any, list[str]], Public]]] = {
    "vadclip": ("VadCLIP", vadclip),
    "avadclip": ("AVadCLIP", avadclip),
    "pel4vad": ("PEL4VAD", pel4vad),
    "hl_net": ("XDVioDet", hl_net),
    "macil_sd": ("MACIL_SD", macil_sd),
    "ur_dmu": ("UR-DMU", ur_dmu),
    "rtfm": ("RTFM", rtfm),
    "s3r": ("S3R", s3r),
    "mgfn": ("MGFN.", mgfn),
}
"""By `model.name`: what the checkout is called, and from it, our model and its prompts to the public networks."""
