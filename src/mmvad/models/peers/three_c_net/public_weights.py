"""3C-Net's public checkpoints: the names of its code, whose centres are no part of them."""

from __future__ import annotations

from collections.abc import Callable

from mmvad.models.peers.public_weights import Part, Source, Sources, chain, renamed
from mmvad.models.peers.three_c_net.network import ThreeCNet

STREAMS = ("r", "f")


def sources(model: ThreeCNet) -> Sources:
    streams = STREAMS[: len(model.streams)]
    found: Sources = {"factors": Source(tuple(f"mul_{name}" for name in streams))}
    for i, name in enumerate(streams):
        found |= chain(f"streams.{i}.hidden", {0: f"fc_{name}", 2: f"fc1_{name}"})
        found |= renamed(f"streams.{i}.classify", f"classifier_{name}")
    return found


def centres(stream: int) -> Callable[[ThreeCNet], Sources]:
    """Those of the centre loss of one stream, which scores need not."""
    return lambda m: {f"streams.{stream}.centres": Source(("centers",))} if stream < len(m.streams) else {}


PUBLIC = {
    "weights": Part(sources),
    "first_centres": Part(centres(0), scored=lambda model: False),
    "second_centres": Part(centres(1), scored=lambda model: False),
}
