"""The dual-stream network as a model of the harness: with the losses of eqs. 4 and 9-13, and both branches' scores."""

from __future__ import annotations

import torch
from torch import Tensor

from mmvad.models.dual_stream import DualStream, Output, branch_scores
from mmvad.models.losses.objective import LossSettings, objective
from mmvad.models.model import Batch, Model, Scores


class DualStreamModel(Model[Output]):
    """The network with `loss.*`; a branch whose loss is off is not scored."""

    lambdas: Tensor
    one_graph = True

    def __init__(self, network: DualStream, settings: LossSettings) -> None:
        super().__init__()
        self.network, self.settings = network, settings
        lambdas = torch.tensor([settings.lambda_contrast, settings.lambda_embed])
        self.register_buffer("lambdas", lambdas, persistent=False)

    def forward(self, batch: Batch) -> Output:
        return self.network(batch)

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        return objective(output, batch, self.settings, self.lambdas)

    def scores(self, output: Output) -> Scores:
        coarse, classes = branch_scores(output)
        return Scores(coarse if self.settings.coarse else None, classes if self.settings.fine else None)
