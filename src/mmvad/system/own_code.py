"""Code of the user's own, named as MODULE:NAME in a configuration or an option: the module, imported."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from mmvad.errors import UserError, nearest_name


def own_module(module: str, where: str, attribute: str, kind: str = "NAME") -> ModuleType:
    """The module, looked for in the current folder too, behind all others.

    Args:
        where: the key or option with its value, for messages.
        attribute: what is wanted of the module, and what `kind` of thing that is, for the nearest name.

    Raises UserError where there is no such module, or it cannot be imported.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a script that ends Python must not end this command as if it were done
        missing = isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")
        near = nearest_name(module, [path.stem for path in Path.cwd().glob("*.py")]) if missing else None
        raise UserError(
            where,
            f"there is no module {module!r}" if missing else f"{module} cannot be imported: {error!r}",
            expected=f"MODULE:{kind}, the module installed or in the current folder",
            nearest=near and f"{near}:{attribute}",
            fix=f"run from the folder that it is in (this is {here})" if missing else None,
        ) from error
