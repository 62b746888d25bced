"""`loss.*` of the configuration, and the terms that the objective is made of. No torch here.

A term is a function and a line in `TERMS`; its weight is then `loss.weights.NAME`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pydantic import Field, SerializerFunctionWrapHandler, create_model, model_serializer, model_validator

from mmvad.sections import NotNegative, Positive, Section


class Term(NamedTuple):
    """A term of the objective.

    Attributes:
        function: MODULE:FUNCTION in `mmvad.models`, called with the network's output, the batch and `loss.*`; gives a
            scalar.
        meaning: as `mmvad train --help` prints it.
        reads_text: it is skipped without T.
    """

    function: str
    meaning: str
    reads_text: bool = False


TERMS: Mapping[str, Term] = {
    "coarse": Term("losses.mil:coarse", "coarse MIL loss (eq. 9)"),
    "contrast": Term("losses.contrast:contrast", "contrastive constraint (eq. 4)"),
    "fine": Term("losses.mil:fine", "fine MIL loss (eq. 10)", reads_text=True),
    "embed": Term("losses.embedding:embed", "embedding constraint (eqs. 11-12)", reads_text=True),
}
"""By name, in the order in which they are added up: sums in another order differ in their last bits."""

SWITCHED = ("coarse", "contrast", "fine", "embed")
"""The paper's, with a switch of their name; every other term is on where its weight is above 0."""
LAMBDAS = {"contrast": "lambda_contrast", "embed": "lambda_embed"}
"""Terms whose weight stands in saved files under the paper's name: `loss.weights.NAME` is another name of it."""


class _Weights(Section):
    """Written out are only weights that are not the default: so runs from before a term was there stay as they are."""

    @model_serializer(mode="wrap")
    def _without_defaults(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        return {name: value for name, value in write(self).items() if value != fields[name].default}


def _weight(name: str, term: Term) -> Any:
    if name in LAMBDAS:
        return NotNegative | None, Field(None, description=f"another name of `loss.{LAMBDAS[name]}`")
    if name in SWITCHED:
        return Positive, Field(1.0, description=f"weight of the {term.meaning}")
    return NotNegative, Field(0.0, description=f"weight of the {term.meaning}; 0 leaves the term out")


Weights = create_model("Weights", __base__=_Weights, **{name: _weight(name, term) for name, term in TERMS.items()})
"""The section `loss.weights`: a weight a term."""

LATER_WEIGHTS = {f"loss.weights.{n}": f.default for n, f in Weights.model_fields.items() if n not in LAMBDAS}
"""Keys that came after runs had been made, with the value that stands for how it was before."""


class Loss(Section):
    coarse: bool = True
    """coarse MIL loss (eq. 9)"""
    fine: bool = True
    """fine MIL loss (eq. 10)"""
    contrast: bool = True
    """contrastive constraint (eq. 4)"""
    embed: bool = True
    """embedding constraint (eqs. 11-12)"""
    lambda_contrast: NotNegative = 0.15
    """lambda1, weight of the contrastive constraint (eq. 13)"""
    lambda_embed: NotNegative = 2e-4
    """lambda2, weight of the embedding constraint (eq. 13)"""
    fine_form: Literal["cross_entropy", "bce"] = "cross_entropy"
    """form of the fine loss"""
    fine_pooling: Literal["margin", "class"] = "margin"
    """what the fine loss pools over time: a class's margin over the normal class, or its own column of M"""
    contrast_pairing: Literal["within_kind", "foreground"] = "within_kind"
    """which mini-bags attract and repel"""
    contrast_select: Literal["score", "label"] = "score"
    """what makes a video abnormal for the constraint: its MIL score above 0.5, or its label"""
    embed_form: Literal["abs", "hinge"] = "abs"
    """|cos| or max(0, cos)"""
    embed_reduction: Literal["mean", "sum"] = "mean"
    """over the abnormal classes"""
    weights: Weights = Weights()  # type: ignore[valid-type]
    """weights of the terms by name"""

    @model_validator(mode="before")
    @classmethod
    def _under_saved_names(cls, tree: Any) -> Any:
        return under_saved_names(tree)

    @model_serializer(mode="wrap")
    def _without_weights(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        tree = write(self)
        return tree if tree["weights"] else {key: value for key, value in tree.items() if key != "weights"}

    @property
    def terms(self) -> dict[str, float]:
        """The terms that are on with their weights, in the order of `TERMS`."""
        return {name: weight for name in TERMS if (weight := self._weight(name)) is not None}

    def _weight(self, name: str) -> float | None:
        """A term's weight; None where it is off."""
        if not getattr(self, name, True):
            return None
        if name in LAMBDAS:
            return getattr(self, LAMBDAS[name])
        return getattr(self.weights, name) or None

    def check_weights(self, modalities: str) -> None:
        """Raises ValueError for the weight of a term that would not be computed."""
        for name in self.weights.model_dump():  # type: ignore[attr-defined]
            if not getattr(self, name, True):
                raise ValueError(
                    f"loss.weights.{name}: the term is off; set loss.{name} to on, or leave out the weight"
                )
            if TERMS[name].reads_text and "t" not in modalities:
                raise ValueError(
                    f"loss.weights.{name}: the term reads text, and modalities are {modalities!r}; "
                    f"set modalities to {modalities}t, or leave out the weight"
                )


def under_saved_names(loss: Any) -> Any:
    """A tree of `loss` whose `weights.contrast` and `weights.embed` have become what saved files call them.

    Raises ValueError where both names of one weight are given and differ.
    """
    weights = loss.get("weights") if isinstance(loss, dict) else None
    if not isinstance(weights, dict):
        return loss
    renamed = {LAMBDAS[name]: value for name, value in weights.items() if name in LAMBDAS and value is not None}
    for key, value in renamed.items():
        if key in loss and loss[key] != value:  # a NaN, refused later, is not even itself
            raise ValueError(
                f"loss.{key}: {loss[key]!r}, but loss.weights.{key.removeprefix('lambda_')}, its other name, "
                f"is {value!r}; leave one of them out"
            )
    rest = {name: value for name, value in weights.items() if name not in LAMBDAS}
    return {**loss, **renamed, "weights": rest}
