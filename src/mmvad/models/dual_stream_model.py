"""The dual-stream network as a model of the harness: with the losses of eqs. 4 and 9-13, and both branches' scores."""

from __future__ import annotations

from torch import Tensor

from mmvad.models.dual_stream import DualStream, Output, branch_scores
from mmvad.models.losses.objective import objective, terms_of, weights_of
from mmvad.models.losses.settings import Loss
from mmvad.models.model import Batch, Model, Scores


class DualStreamModel(Model[Output]):
    """The network with `loss.*`; a branch whose loss is off is not scored."""

    weights: Tensor
    one_graph = True

    def __init__(self, network: DualStream, settings: Loss) -> None:
        super().__init__()
        self.network, self.settings, self.terms = network, settings, terms_of(settings)
        # a buffer, so that one compiled step serves all weights
        self.register_buffer("weights", weights_of(self.terms), persistent=False)

    def forward(self, batch: Batch) -> Output:
        return self.network(batch)

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        return objective(output, batch, self.settings, self.terms, self.weights)

    def scores(self, output: Output) -> Scores:
        coarse, classes = branch_scores(output)
        return Scores(coarse if self.settings.coarse else None, classes if self.settings.fine else None)
