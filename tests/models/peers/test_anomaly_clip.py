"""AnomalyCLIP: its directions, its grid and its losses against loops; its centre; padding, parameters."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from mmvad.errors import UserError
from mmvad.models.model import trainable_parameters
from mmvad.models.peers.anomaly_clip.network import AnomalyClip, build
from mmvad.models.peers.anomaly_clip.settings import AnomalyClipSettings
from mmvad.models.setting import Setting
from mmvad.models.text_encoder import tokenize
from tests.models.peers.properties import (
    STRANGE,
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    close,
    small_setting,
    valid_rows,
)
from tests.plain.objectives import number
from tests.small import PROMPTS, batch, full_encoder

LENGTHS = [18, 3, 24, 7]


def made(**changes: object) -> AnomalyClip:
    torch.manual_seed(0)
    options = {"width": 16, "places": 4, "context": 2, "hidden": 0.0} | changes
    model = build(small_setting(), AnomalyClipSettings(**options))
    model.fit_offline([batch([9, 5], labels=[[0], [2]], audio=False)])
    return model


def plain_temporal(model: AnomalyClip, x: torch.Tensor) -> torch.Tensor:
    """One video on its own grid by torch's own layers, cell by cell where something is missing: [n, d] -> [n]."""
    net, n = model.temporal, len(x)
    cells = [(t // 4, t % 4) for t in range(n)]
    x = torch.stack([model.project(row) + net.of_segments[s, 0] + net.of_places[p] for row, (s, p) in zip(x, cells)])

    def attend(layer: torch.nn.Module, rows: torch.Tensor, axis: int) -> torch.Tensor:
        """Each cell over the cells of its line."""
        seen, found = layer.norm(rows), []
        for cell, row in zip(cells, seen):
            line = torch.stack([r for r, other in zip(seen, cells) if other[1 - axis] == cell[1 - axis]])
            q, (k, v) = layer.query(row), layer.key_value(line).chunk(2, dim=-1)
            heads = [
                (k[:, h : h + 2] @ q[h : h + 2] / 2**0.5).softmax(dim=0) @ v[:, h : h + 2] for h in range(0, 16, 2)
            ]
            found.append(layer.output(torch.cat(heads)))
        return torch.stack(found)

    def convolve(layer: torch.nn.Module, rows: torch.Tensor) -> torch.Tensor:
        centred = rows - rows.mean(dim=-1, keepdim=True)
        rows = centred / ((centred**2).mean(dim=-1, keepdim=True).sqrt() + 1e-5) * layer.gain + layer.bias
        for conv, last in ((layer.first, False), (layer.second, True)):
            out = []
            for s, p in cells:
                taps = [
                    conv.weight[:, :, ds + 1, dp + 1] @ rows[cells.index((s + ds, p + dp))]
                    for ds in (-1, 0, 1)
                    for dp in (-1, 0, 1)
                    if (s + ds, p + dp) in cells
                ]
                out.append(conv.bias + sum(taps))
            rows = torch.stack(out)
            rows = rows if last else torch.where(rows > 0, rows, 0.01 * rows)
        return rows

    first = x + attend(net.along_segments, x, 0)
    second = x + attend(net.along_places, first, 1)
    first = first + convolve(net.convolve_first, second)
    second = second + convolve(net.convolve_second, first)
    return model.classify(model.layer_norm((first + second) / 2)).squeeze(-1)


def test_forward_and_losses_against_loops() -> None:
    model, data = made(picked=2).eval(), batch(LENGTHS, labels=[[1], [0], [3], [0]], audio=False)
    with torch.no_grad():
        found = model(data)
        losses, text = model.losses(found, data), model.directions()
        directions = [(t - model.centre) / (t - model.centre).norm() for t in text]
        norm, terms = model.norm.norm, {name: [] for name in losses}
        for b, x in enumerate(valid_rows(data)):
            n, moved = len(x), x - model.centre
            along = torch.stack([torch.stack([row @ d for d in directions]) for row in moved])
            along = (along - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
            torch.testing.assert_close(found.along[b, :n], along, **close)
            z = plain_temporal(model, moved)
            torch.testing.assert_close(found.logits[b, :n], z, **close)
            s, abnormal = torch.sigmoid(z), bool(data.abnormal[b])
            kind = int(data.labels[b].argmax()) - 1
            evidence = along[:, kind] if abnormal else along.sum(dim=1)
            parts = [list(range(t, min(t + 4, n))) for t in range(0, n, 4)]
            rising = sorted(parts, key=lambda part: number(evidence[part].mean()))
            top, bottom = ([t for part in chosen for t in part] for chosen in (rising[-2:], rising[:2]))
            if abnormal:
                shared = along.softmax(dim=1)[:, kind] * s
                terms["direction_abnormal"] += list(-along[top, kind])
                terms["top_abnormal"] += list(-torch.log(shared[top]))
                terms["bottom_abnormal"] += list(-torch.log(1 - s[bottom]))
                terms["smooth"].append(((s[1:] - s[:-1]) ** 2).sum())
                terms["sparse"] += list(s)
            else:
                terms["direction_normal"] += list(along.amax(dim=1))
                terms["top_normal"] += list(-torch.log(1 - s[top]))
    del terms["total"]
    wanted = {name: sum(each) if name == "smooth" else sum(each) / len(each) for name, each in terms.items()}
    weights = {"smooth": 8e-4, "sparse": 8e-3}
    wanted["total"] = sum(weights.get(name, 1) * loss for name, loss in wanted.items())
    for name, loss in losses.items():
        torch.testing.assert_close(loss, wanted[name], **close, msg=lambda m, n=name: f"{n}: {m}")


def test_the_centre_is_the_mean_of_normal_rows_and_has_to_be_found() -> None:
    rows = batch([9, 5], labels=[[0], [2]], audio=False)
    torch.testing.assert_close(made().centre, rows.visual[0, :9].mean(dim=0), **close)
    with pytest.raises(UserError, match="no training sample is normal"):
        made().fit_offline([batch([4], labels=[[1]], audio=False)])


def test_its_texts_are_sentences_of_their_own_vectors() -> None:
    directions = made().directions
    for c, name in enumerate(PROMPTS[1:]):
        alone = directions.encoder.embed_tokens(torch.as_tensor(_tokens(f"{name}.")))
        sentence = torch.cat([alone[:1], directions.context[c], alone[1:]])[None]
        end = torch.tensor([sentence.shape[1] - 1])
        text = directions.encoder(sentence, end)[0]
        torch.testing.assert_close(directions()[c], text, **close)


def _tokens(text: str) -> list[int]:
    row = tokenize([text])[0]
    return row[: int(row.argmax()) + 1].tolist()


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=3), st.integers(1, 20))
def test_padding_changes_nothing(lengths: list[int], more: int) -> None:
    assert_padding_changes_nothing(made().eval(), lengths, more)


def test_edges_and_learning() -> None:
    assert_strange_bags_are_finite(made(hidden=0.7), strange=STRANGE)
    assert_trains(made(), batch([9, 12, 18, 20]))


def test_parameters() -> None:
    """The public code's 940,290 at this size less a normal prompt and CLIP's scale, which it never uses."""
    names = ("normal", "abuse", "fighting", "riot", "shooting")
    model = build(Setting(512, None, 32, names, full_encoder()), AnomalyClipSettings(width=64, places=4))
    assert trainable_parameters(model) == 940_290 - 8 * 512 - 1
    assert F.mse_loss(model.directions.projection, full_encoder().tower.text_projection) == 0
