"""The plain forms lie in the checkout's `tests/plain`: what is timed here is what the tests prove equal.

They are no part of the package, so that nobody trains with them by mistake and an installed suite carries no second
implementation; the bench is for developers, who have the checkout.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import mmvad
from mmvad.errors import UserError


def plain_form(name: str) -> ModuleType:
    """The module `tests.plain.NAME` of the checkout that the package runs from. Raises UserError outside of one."""
    root = Path(mmvad.__file__).resolve().parents[2]
    if not (root / "tests" / "plain" / f"{name}.py").is_file():
        raise UserError(
            "mmvad bench",
            f"the plain forms to compare with are not there ({root / 'tests' / 'plain'})",
            expected="a checkout of the repository, from which the package runs",
            fix="run `make bench` in a clone",
        )
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return importlib.import_module(f"tests.plain.{name}")
