"""MAVD in its plainest form: one video's n valid segments, features matched one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.peers.mavd.network import Mavd, Unimodal
from tests.plain.network import layer_norm, linear, unit
from tests.plain.objectives import k_of
from tests.plain.peers.avadclip import causal_block
from tests.plain.peers.graphs import normalised_distance
from tests.plain.peers.ur_dmu import convolution, gelu


class Video(NamedTuple):
    picture: Tensor
    aligned: Tensor
    joined: Tensor
    scores: dict[str, Tensor]


def attention(module: nn.Module, x: Tensor) -> Tensor:
    inner = module.inputs.weight.shape[0] // 4
    size, joined = inner // 4, []
    q, k, v, w = (x @ part.T for part in module.inputs.weight.split(inner))
    for h in range(4):
        part = slice(h * size, (h + 1) * size)
        joined.append((q[:, part] @ k[:, part].T / size**0.5).softmax(dim=-1) @ v[:, part])
        joined.append(normalised_distance(len(x)) @ w[:, part])
    return linear(module.output[0], torch.cat(joined, dim=-1))


def rows(net: Unimodal, x: Tensor) -> Tensor:
    x = torch.relu(convolution(net.narrow, x))
    for block in net.blocks:
        x = x + attention(block.attention, layer_norm(block.norm_attention, x))
        hidden = gelu(linear(block.ffn[0], layer_norm(block.norm_ffn, x)))
        x = x + linear(block.ffn[3], hidden)
    return x


def scored(head: nn.Sequential, x: Tensor) -> Tensor:
    return torch.sigmoid(linear(head[3], linear(head[2], torch.relu(linear(head[0], x)))).squeeze(-1))


def forward(model: Mavd, visual: Tensor, audio: Tensor) -> Video:
    picture, sound = rows(model.picture, visual), rows(model.sound, audio)
    aligned = sound
    for i in (0, 2, 4):
        aligned = torch.relu(linear(model.project[i], aligned))
    joined = torch.cat([picture, aligned], dim=-1)
    for i in (0, 2):
        joined = torch.relu(linear(model.join[i], joined))
    for block, dilation in zip(model.causal, (1, 2, 4)):
        joined = causal_block(block, joined, dilation)
    scores = {
        "picture": scored(model.picture.score, picture),
        "sound": scored(model.sound.score, sound),
        "aligned": scored(model.sound.score, aligned),
        "joined": scored(model.score, joined),
    }
    return Video(picture, aligned, joined, scores)


def matches(picture: Tensor, sound: Tensor) -> list[int]:
    """For each sound feature the picture feature most like it that is free; all rows of the batch, [R, .]."""
    found: list[int] = []
    for i in range(sound.shape[1]):
        alike = {j: F.cosine_similarity(sound[:, i], picture[:, j], dim=0).item() for j in range(picture.shape[1])}
        found.append(max((j for j in alike if j not in found), key=lambda j: alike[j]))
    return found


def unlikeness(videos: Sequence[Video]) -> Tensor:
    chosen = matches(torch.cat([v.picture for v in videos]), torch.cat([v.aligned for v in videos]))
    total = torch.zeros(())
    for video in videos:
        wide = torch.zeros_like(video.picture)
        for i, j in enumerate(chosen):
            wide[:, j] = video.aligned[:, i]
        total = total + (1 - F.cosine_similarity(video.picture, wide, dim=-1)).mean()
    return total / len(videos)


def agreement(videos: Sequence[Video]) -> Tensor:
    q, p = (torch.cat([v.scores[name] for v in videos]) for name in ("picture", "aligned"))
    return -(p * torch.log(q) + (1 - p) * torch.log(1 - q)).mean()


def triplet(videos: Sequence[Video], abnormal: Sequence[bool]) -> Tensor:
    ends: dict[str, list[Tensor]] = {"normal": [], "quiet": [], "loud": []}
    for video, y in zip(videos, abnormal):
        rising = video.scores["joined"].argsort()
        k = k_of(len(rising))
        if y:
            ends["quiet"].append(video.joined[rising[:k]].mean(dim=0))
            ends["loud"].append(video.joined[rising[-k:]].mean(dim=0))
        else:
            ends["normal"].append(video.joined.mean(dim=0))
    normal, quiet, loud = (unit(torch.stack(rows).mean(dim=0)) for rows in ends.values())
    return torch.relu((normal - quiet).norm() - (normal - loud).norm() + 5)
