"""The tables: I to XII of the paper, its Fig. 5, and the choices that the paper leaves open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.errors import UserError, nearest_name
from mmvad.tables.definitions import (
    COSTS,
    EVENTS,
    PAPER_ROW,
    SPELLED,
    Comparison,
    Metric,
    Row,
    Settings,
    Study,
    Values,
    all_metrics,
    costs_too,
    headline_and_map,
    usual,
)

_SWITCHES = ("model.temporal", "model.acp", "model.fusion", "loss.contrast")
_PARTS = ("temporal unit", "ACP", "fusion", "contrast")
_LOSSES = ("loss.coarse", "loss.fine", "loss.contrast", "loss.embed")


def has_sound(benchmark: str) -> bool:
    """Whether rows that listen can be run; UCF-Crime's videos are silent."""
    return benchmark_named(benchmark).audio == "required"


def modality_rows(benchmark: str) -> list[Row]:
    """Table VI: V, V+A, V+T, V+A+T."""
    base = usual(benchmark)["modalities"]
    return [
        Row(
            label,
            {"modalities": value},
            PAPER_ROW if value == base else None,
            "a" in value and not has_sound(benchmark),
        )
        for value, label in SPELLED.items()
    ]


def component_rows(benchmark: str) -> list[Row]:
    """Table VII: parts added one by one, and all but ACP."""
    added = [
        Row(f"+ {part}", _first_parts(benchmark, i + 1), silent=part == "fusion" and not has_sound(benchmark))
        for i, part in enumerate(_PARTS[:-1])
    ]
    complete = _first_parts(benchmark, len(_PARTS))
    return [
        Row("none", _first_parts(benchmark, 0)),
        *added,
        Row("+ contrast (all)", complete, PAPER_ROW),
        Row("all but ACP", {**complete, "model.acp": "none"}),
    ]


def _first_parts(benchmark: str, parts: int) -> Settings:
    """The first so many components on, the others off."""
    on = {key: usual(benchmark)[key] for key in _SWITCHES}
    off = {**dict.fromkeys(_SWITCHES, "none"), "loss.contrast": False}
    switched = {key: on[key] if i < parts else off[key] for i, key in enumerate(_SWITCHES)}
    # Where nothing is heard, fusion has nothing to fuse: on and off are the same network.
    return switched if has_sound(benchmark) else {**switched, "model.fusion": (on["model.fusion"], "none")}


def loss_rows(benchmark: str) -> list[Row]:
    """Table IX: each branch alone, both, and the two constraints."""
    on = {"coarse": (1, 0, 0, 0), "fine": (0, 1, 0, 0), "coarse + fine": (1, 1, 0, 0), "+ contrast": (1, 1, 1, 0)}
    rows = [Row(label, dict(zip(_LOSSES, map(bool, switches)))) for label, switches in on.items()]
    return [*rows, Row("+ embed (all)", dict.fromkeys(_LOSSES, True), PAPER_ROW)]


def contrast_rows(benchmark: str) -> list[Row]:
    """Which mini-bags attract, by what a video counts as abnormal."""
    keys = ("loss.contrast_pairing", "loss.contrast_select")
    pairs = product(("within_kind", "foreground"), ("score", "label"))
    return [Row(" / ".join(pair), dict(zip(keys, pair))) for pair in pairs]


def _of_one_key(
    key: str,
    title: str,
    values: Values,
    command: str,
    metrics: Callable[[str], list[Metric]] = headline_and_map,
) -> Study:
    return Study(key, title, (values.key,), values, metrics, command, over=values)


_ACP_NAMES = {"none": "none (before)", "pre_post": "pre_post (after)"}
_LAMBDA_EMBED = {"ucf_crime": (0.05, 0.1, 0.2, 0.5)}
_LEARNING_RATES = {"planted": (1e-4, 3e-4, 1e-3, 3e-3)}


def _make(target: str) -> str:
    return f"make {target} BENCHMARK={{benchmark}}"


MODALITIES = Study(
    "VI",
    "Modalities",
    ("modalities",),
    modality_rows,
    headline_and_map,
    _make("ablation-modalities"),
    free=("data.audio",),
)
STUDIES: tuple[Study, ...] = (
    MODALITIES,
    Study("VII", "Components, added one by one", _SWITCHES, component_rows, costs_too, _make("ablation-components")),
    _of_one_key(
        "VIII",
        "Before and after the abnormal-aware context prompt (ACP)",
        Values("model.acp", ("none", "pre", "post", "pre_post"), named=_ACP_NAMES),
        _make("ablation-acp"),
        all_metrics,
    ),
    Study("IX", "Losses", _LOSSES, loss_rows, headline_and_map, _make("ablation-losses")),
    _of_one_key(
        "Xa",
        "Weight of the contrastive constraint (lambda1)",
        Values("loss.lambda_contrast", (0.05, 0.1, 0.15, 0.2)),
        _make("ablation-lambdas"),
    ),
    _of_one_key(
        "Xb",
        "Weight of the embedding constraint (lambda2)",
        Values("loss.lambda_embed", (1e-4, 2e-4, 5e-4, 1e-3), _LAMBDA_EMBED),
        _make("ablation-lambdas"),
    ),
    _of_one_key("XIa", "Segments", Values("data.segment_length", (64, 128, 256, 512)), _make("ablation-segments")),
    _of_one_key(
        "XIb",
        "Learning rate",
        Values("optim.learning_rate", (1e-5, 2e-5, 5e-5, 1e-4), _LEARNING_RATES),
        _make("ablation-segments"),
    ),
    _of_one_key("XII", "Batch size", Values("data.batch_size", (32, 64, 96, 128)), _make("ablation-batch")),
    _of_one_key(
        "Fig5",
        "Prompt vectors on either side of the class name (M/2)",
        Values("model.prompt_half", (7, 10, 12, 14), published="Multimodal VAD, M/2 = {value}"),
        _make("ablation-prompts"),
    ),
    _of_one_key(
        "temporal",
        "Open reading: the temporal unit",
        Values("model.temporal", ("local_gcn", "local", "global", "gcn", "conv", "none")),
        _make("ablation-readings"),
    ),
    _of_one_key(
        "fusion",
        "Open reading: the fusion",
        Values("model.fusion", ("gated", "concat", "cross_attention", "add", "none")),
        _make("ablation-readings"),
    ),
    Study(
        "contrast",
        "Open reading: the contrastive constraint",
        ("loss.contrast_pairing", "loss.contrast_select"),
        contrast_rows,
        headline_and_map,
        _make("ablation-readings"),
    ),
    _of_one_key(
        "weighting",
        "Open reading: the weights of the visual vector",
        Values("model.weighting", ("score", "logit", "softmax")),
        _make("ablation-readings"),
    ),
)

_UCF_FRAME = {"auc": Metric("combined", "auc", "AUC"), "ano_auc": Metric("combined", "ano_auc", "Ano-AUC")}
_XD_FRAME = {"ap": Metric("combined", "ap", "AP")}
_PLANTED = {**_XD_FRAME, "auc": Metric("combined", "auc", "AUC"), "map_avg": EVENTS["map_avg"], **COSTS}

COMPARISONS: tuple[Comparison, ...] = (
    Comparison("I", "Methods, frame level", "ucf_crime", _UCF_FRAME | COSTS, _make("compare"), supervision=True),
    Comparison("II", "Methods, fine", "ucf_crime", EVENTS, _make("compare"), fine=True),
    Comparison("III", "Methods, frame level", "xd_violence", _XD_FRAME | COSTS, _make("compare"), supervision=True),
    Comparison(
        "IV",
        "Methods by modality, frame level",
        "xd_violence",
        _XD_FRAME,
        _make("ablation-modalities"),
        modalities=tuple(SPELLED),
    ),
    Comparison("V", "Methods, fine", "xd_violence", EVENTS, _make("compare"), fine=True),
    Comparison("methods", "Methods, measured", "planted", _PLANTED, _make("compare"), supervision=True),
)


def tables_named(keys: Sequence[str] | None) -> tuple[Comparison | Study, ...]:
    """The tables of these keys, in the paper's order; X stands for Xa and Xb. All of them without keys.

    Raises UserError for an unknown key.
    """
    tables: tuple[Comparison | Study, ...] = (*COMPARISONS, *STUDIES)
    if not keys:
        return tables
    asked = {key.strip().lower() for key in keys}
    known = {name for table in tables for name in _names(table.key)}
    for key in sorted(asked - known):
        raise UserError(
            "--tables",
            f"unknown table {key!r}",
            expected=", ".join(table.key for table in tables),
            nearest=nearest_name(key, known),
        )
    return tuple(table for table in tables if asked & _names(table.key))


def _names(key: str) -> set[str]:
    """`Xa` answers to xa and x."""
    return {key.lower(), key.rstrip("ab").lower()} if key[0] in "IVX" else {key.lower()}
