"""From a template to the text of a page: everything is escaped, and nothing may be fetched or run."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lockstep.harness.terminal import clean

TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: clean(value) if type(value) is str else value,  # nothing turns the direction of a line
    )
    environment.filters["px"] = lambda number: f"{number:.1f}".removesuffix(".0")
    return environment


@cache
def _style() -> str:
    return (TEMPLATES / "style.css").read_text("utf-8")


def render(template: str, rules: str = "", **values: Any) -> str:
    """A whole page. `rules`: more of its style sheet, which must hold nothing that was read from anywhere."""
    style = _style() + rules
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    # Not escaped: the style sheet is ours, and has to stand as it was hashed.
    return _environment().get_template(template).render(style=Markup(style), policy=policy, **values)
