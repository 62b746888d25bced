"""AVadCLIP's public checkpoints: the names of its code. Where the student is scored, the teacher need not be there.

The focal loss's learned weights are read where they are parameters here (`peers.avadclip.learned_focus`), else idle.
"""

from __future__ import annotations

from mmvad.models.peers.avadclip.network import DILATIONS, AVadCLIP, Student, Teacher
from mmvad.models.peers.public_weights import Part, Source, Sources, chain, renamed
from mmvad.models.peers.vadclip.public_weights import IDLE, branches, visual_encoder


def teacher(model: AVadCLIP) -> Sources:
    found = shared(model.teacher, "teacher")
    for i in range(len(DILATIONS)):
        for j in range(2):
            found |= causal_convolution(
                f"teacher.audio.blocks.{i}.convolutions.{j}", f"temporalconvnet.network.{i}.conv{j + 1}"
            )
    residual = "temporalgatedresidual.residual_proj"
    return {
        **found,
        **renamed("teacher.audio.gate", "temporalgatedresidual.gate_proj.0"),
        **chain("teacher.audio.update", {i: f"{residual}.{i}" for i in (0, 2)}),
    }


def student(model: AVadCLIP) -> Sources:
    if model.student is None:
        return {}
    variance = {"variance_in": 0, "variance": 2, "variance_out": 3}
    found = shared(model.student, "student") | chain("student.mean", {i: f"fe_net.conv.{i}.conv.0" for i in range(3)})
    for ours, place in variance.items():
        found |= renamed(f"student.{ours}", f"fe_net.theta.theta.{place}")
    return found


def shared(network: Teacher | Student, ours: str) -> Sources:
    """What teacher and student have of VadCLIP, and the focal loss's weights where they are learned."""
    learned = dict(network.focal.named_parameters())
    focal = {f"{ours}.focal.alpha": Source(("alpha",))} if learned else {}
    return visual_encoder(network.visual, f"{ours}.visual") | branches(f"{ours}.branches") | focal


def causal_convolution(ours: str, theirs: str) -> Sources:
    """A weight-normed convolution, whose gain and direction torch has renamed since."""
    weight = f"{ours}.parametrizations.weight"
    return {
        f"{ours}.bias": Source((f"{theirs}.bias",)),
        f"{weight}.original0": Source((f"{theirs}.weight_g",)),
        f"{weight}.original1": Source((f"{theirs}.weight_v",)),
    }


TWICE = r"temporalconvnet\.network\.\d+\.net\..*"
"""The same convolutions under a second name."""

PUBLIC = {
    "teacher": Part(teacher, (*IDLE, TWICE, "alpha"), scored=lambda model: model.student is None),
    "student": Part(student, (*IDLE, "alpha"), scored=lambda model: model.student is not None),
}
