"""open_clip's models by their names: what each is made of, its published weights, and how those want their pictures."""

from __future__ import annotations

import copy
import re
from typing import Any

from mmvad.errors import UserError, nearest_name

TINY: dict[str, Any] = {
    "embed_dim": 512,
    "quick_gelu": True,
    "vision_cfg": {"width": 128, "head_width": 64, "layers": 2, "patch_size": 32, "pool_type": "avg"},
    "text_cfg": {"width": 64, "heads": 2, "layers": 2},
}
"""For demonstrations and tests. Untrained, the mean over the patches tells more of a picture than a class token."""


_NETWORK = re.compile(r"CLIP image tower (\S+) \(open_clip\)")


def network_name(architecture: str) -> str:
    """What `features.json`, and the bank of those features, call the image tower of a model."""
    return f"CLIP image tower {architecture} (open_clip)"


def model_of(network: str) -> str | None:
    """The model that such a name is of; None for other networks."""
    named = _NETWORK.fullmatch(network)
    return named[1] if named else None


def model_config(architecture: str, where: str) -> dict[str, Any]:
    """A copy of a model's configuration: `embed_dim`, `vision_cfg`, `text_cfg`, and `quick_gelu` where it is on.

    Args:
        architecture: a name of `open_clip.list_models()`, or `tiny`.
        where: the key or option that named it, for the UserError that there is none.
    """
    import open_clip

    found = copy.deepcopy(TINY) if architecture == "tiny" else open_clip.get_model_config(architecture)
    if architecture not in ("tiny", *open_clip.list_models()) or found is None:
        raise UserError(
            f"{where}: {architecture}",
            "open_clip has no such model",
            expected="tiny, or a name of open_clip.list_models()",
            nearest=_nearest(architecture, ["tiny", *open_clip.list_models()]),
        )
    return found


def published_tags(architecture: str) -> list[str]:
    """The names of the weights that are published for a model."""
    import open_clip

    return list(open_clip.list_pretrained_tags_by_model(architecture))


def hub_of(architecture: str, tag: str) -> str:
    """The repository at Hugging Face that holds some published weights; empty where there is none."""
    from open_clip.pretrained import get_pretrained_cfg

    return str(get_pretrained_cfg(architecture, tag).get("hf_hub", "")).strip("/")


def check_activation(architecture: str, tag: str, where: str) -> None:
    """Raises UserError for weights that were trained with QuickGELU in a model that has GELU, or the other way.

    Such a pair loads, and gives other features.
    """
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    quick = bool(get_pretrained_cfg(architecture, tag).get("quick_gelu"))
    if tag not in published_tags(architecture) or quick == bool(model_config(architecture, where).get("quick_gelu")):
        return
    twin = f"{architecture}-quickgelu" if quick else architecture.removesuffix("-quickgelu")
    raise UserError(
        f"{where}: {architecture}",
        f"the weights {tag!r} were trained with {'QuickGELU' if quick else 'GELU'}, which it does not have",
        expected=f"a model with {'QuickGELU' if quick else 'GELU'}",
        nearest=twin if twin in open_clip.list_models() else None,
    )


def preprocessing_of(architecture: str, tag: str | None) -> list[dict[str, Any]]:
    """How pictures are prepared for some published weights, as open_clip names it; without a tag, every way there is.

    A model without published weights has open_clip's own way.
    """
    from open_clip.pretrained import get_pretrained_cfg
    from open_clip.transform import PreprocessCfg

    tags = [tag] if tag in published_tags(architecture) else published_tags(architecture)
    plain, ways = vars(PreprocessCfg()), list[dict[str, Any]]()
    for found in (get_pretrained_cfg(architecture, name) for name in tags):
        way = {key: found.get(key, value) for key, value in plain.items()}
        ways += [way] if way not in ways else []
    return ways or [plain]


def _nearest(name: str, known: list[str]) -> str | None:
    """The known name most like it, whatever its case and its dashes."""
    plain = {known_name.lower().replace("-", "").replace("_", "").replace("/", ""): known_name for known_name in known}
    near = nearest_name(name.lower().replace("-", "").replace("_", "").replace("/", ""), plain)
    return plain[near] if near else None
