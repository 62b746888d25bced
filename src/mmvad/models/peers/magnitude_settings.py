"""The settings that RTFM and its followers have in common. No torch here."""

from __future__ import annotations

from typing import Literal

from mmvad.sections import NotNegative, Section, Share


class MagnitudeSettings(Section):
    """What RTFM and those that follow it share."""

    dropout: Share = 0.7
    """on features, in the head, and on the norms that select segments"""
    margin: NotNegative = 100.0
    """norm that the selected segments of abnormal videos shall reach"""
    margin_form: Literal["squared", "hinge"] = "squared"
    """squared sum over norms of means (code), or hinge on means of norms (paper)"""
    margin_weight: NotNegative = 1e-4
    """of the loss on norms"""
    smooth_weight: NotNegative = 8e-4
    """of the squared steps between neighbouring scores of abnormal videos"""
    sparse_weight: NotNegative = 8e-3
    """of the norm of all scores of abnormal videos"""
