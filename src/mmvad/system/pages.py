"""Pages of HTML from templates, which lie as files in the folder `templates` of the package that fills them.

What every package may extend or include lies here: `base.html`, the document around a page, and `picture.html`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


def render(package: str, template: str, /, **values: Any) -> str:
    """The template of `package` filled with `values`; what is no `Markup` is escaped, what is missing an error."""
    return _environment(package).get_template(template).render(values)


def marked_up(text: str) -> Markup:
    """Escaped text; what stands between backticks is code."""
    words = enumerate(text.split("`"))
    return Markup().join(Markup("<code>{}</code>").format(word) if i % 2 else escape(word) for i, word in words)


@cache
def _environment(package: str) -> Environment:
    loader = ChoiceLoader([PackageLoader(package), PackageLoader(__package__)])
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # JSON knows no NaN, and a page that draws thousands of numbers needs no spaces between them.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters["marked_up"] = marked_up
    # Not `include`: styles and scripts may hold what a template would read as its own.
    environment.globals["asset"] = lambda name: Markup(loader.get_source(environment, name)[0])
    return environment
