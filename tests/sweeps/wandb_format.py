"""W&B's sweep configuration, as its documentation and its own schema describe it, as far as our files may use it.

The wandb client ships no schema: W&B's servers hold a sweep against theirs, and the client itself only refuses bounds
that are ambiguous. The schema that W&B published last is in its package `sweeps` (the extra `wandb[sweeps]`).
test_shipped.py holds the files against the client's own check, and against that schema where the package is installed.
"""

from __future__ import annotations

import re
from typing import Any

REQUIRED = {"method", "parameters", "program"}
TEXTS = {"name", "description", "program", "project", "entity"}
KEYS = REQUIRED | TEXTS | {"command", "metric", "early_terminate", "run_cap"}
NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]*$")
MACROS = {"${env}", "${interpreter}", "${program}", "${args}"}
SHAPES: dict[str | None, tuple[set[str], set[str]]] = {
    "constant": ({"value"}, set()),
    "categorical": ({"values"}, set()),
    "uniform": ({"min", "max"}, set()),
    "int_uniform": ({"min", "max"}, set()),
    "log_uniform_values": ({"min", "max"}, set()),
    "q_uniform": ({"min", "max"}, {"q"}),
}
"""By distribution: the keys that must be there, and those that may."""


def violations(content: dict[str, Any]) -> list[str]:
    """What W&B would object to; empty for a valid configuration."""
    found = [f"missing {key}" for key in REQUIRED - content.keys()]
    found += [f"unknown {key}" for key in content.keys() - KEYS]
    found += [f"{key} is no text" for key in TEXTS & content.keys() if not isinstance(content[key], str)]
    if content.get("method") not in {"grid", "random", "bayes"}:
        found.append("method")
    found += _metric(content)
    found += _command(content.get("command", []))
    stop = content.get("early_terminate")
    if stop is not None and (stop.get("type") != "hyperband" or not {"min_iter", "max_iter"} & stop.keys()):
        found.append("early_terminate")
    cap = content.get("run_cap", 1)
    if not isinstance(cap, int) or cap < 1:
        found.append("run_cap")
    parameters = content.get("parameters") or {}
    found += [] if parameters else ["no parameters"]
    return found + [text for name, options in parameters.items() for text in _parameter(name, options)]


def _metric(content: dict[str, Any]) -> list[str]:
    metric = content.get("metric")
    if metric is None:
        return ["bayes needs a metric"] if content.get("method") == "bayes" else []
    fine = isinstance(metric.get("name"), str) and metric.get("goal", "minimize") in {"minimize", "maximize"}
    return [] if fine and metric.keys() <= {"name", "goal", "target", "impute"} else ["metric"]


def _command(words: list[Any]) -> list[str]:
    wrong = [word for word in words if not isinstance(word, str)]
    wrong += [word for word in words if str(word).startswith("${") and word not in MACROS]
    return [f"command: {word}" for word in wrong]


def _parameter(name: str, options: dict[str, Any]) -> list[str]:
    if not NAME.match(name):
        return [f"{name}: name"]
    kind = options.get("distribution")
    if kind is None:
        kind = "constant" if "value" in options else "categorical" if "values" in options else "uniform"
    if kind not in SHAPES:
        return [f"{name}: distribution {kind}"]
    must, may = SHAPES[kind]
    if kind == "uniform" and "distribution" not in options and type(options.get("min")) is not type(options.get("max")):
        return [f"{name}: ambiguous bounds"]
    keys = options.keys() - {"distribution"}
    if not must <= keys or keys - must - may:
        return [f"{name}: keys {sorted(keys)}"]
    if "values" in options and (not options["values"] or None in options["values"]):
        return [f"{name}: values"]
    if options.get("value", 0) is None or (kind == "log_uniform_values" and options["min"] <= 0):
        return [f"{name}: value"]
    return []
