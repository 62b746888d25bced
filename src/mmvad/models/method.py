"""The facts about a method that is not the dual-stream network: what tables, checks and settings know of it.

No torch here: a configuration is read and a table is made without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmvad.sections import Section


@dataclass(frozen=True)
class Variant:
    """A network of a method that tables give a row of its own: where the configuration's `key` has the `value`.

    Attributes:
        title: as tables print it.
        modalities: what it reads at test.
        published: its name among the published figures.
        supervision: where it is not its method's.
        unmeasured: metrics whose value in the runs is another network's too, with the reason as a table prints it.
    """

    key: str
    value: str
    title: str
    modalities: str
    published: str | None = None
    supervision: str | None = None
    unmeasured: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """Facts about a method.

    Attributes:
        title: as tables print it.
        modalities: the values of `modalities` that it can be run with, its own first.
        year, place: tables go by the year, in a year by the place; what has no year stands last.
        pairs: it learns from pairs of an abnormal and a normal bag, so batches must be half and half.
        classes: it also says what happens, not only when.
        reconstruction: parts of it are inferred, since neither paper nor code says them; every table marks it.
        supervision: `weak`, `unsupervised`, or `none` for the floor.
        published: its name among the published figures; None where it has none.
        settings: its section of the configuration, whose defaults are the published values; None without one.
        positions_end_at_length: it learns a vector for each of L positions, so no test video may be longer.
        switches: keys of the configuration, each with the value that makes another reading of the method: every table
            marks a row with one.
        published_scores: by metric, of which score the published figure is, where the method has several.
        later_keys: keys of `settings` that came after runs had been made, with the value for how it was before.
        variants: its networks that have rows of their own.
    """

    title: str
    modalities: tuple[str, ...] = ("vat", "va", "vt", "v")
    year: int | None = None
    place: int = 0
    pairs: bool = False
    classes: bool = False
    reconstruction: bool = False
    supervision: str = "weak"
    published: str | None = None
    settings: type[Section] | None = None
    positions_end_at_length: bool = False
    switches: Mapping[str, str | bool] = field(default_factory=dict)
    published_scores: Mapping[str, str] = field(default_factory=dict)
    later_keys: Mapping[str, object] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
