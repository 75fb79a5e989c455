"""From a template to the text of a page: everything is escaped, and nothing may be fetched or run."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lockstep.harness.shell import command_line
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
    environment.filters["command_line"] = command_line
    environment.filters["px"] = lambda number: f"{number:.1f}".removesuffix(".0")
    return environment


@cache
def _style() -> str:
    return (TEMPLATES / "style.css").read_text("utf-8")


@cache
def _script() -> str:
    return (TEMPLATES / "live.js").read_text("utf-8")


def render(template: str, rules: str = "", live: bool = False, **values: Any) -> str:
    """A whole page. `rules`: more of its style sheet, which must hold nothing that was read from anywhere.

    `live`: it is served by us, and renews itself by a script of ours.
    """
    style = _style() + rules
    policy = f"default-src 'none'; style-src 'sha256-{_digest(style)}'; base-uri 'none'; form-action 'none'"
    if live:
        policy += f"; script-src 'sha256-{_digest(_script())}'; connect-src 'self'"
        values["script"] = Markup(_script())
    # Not escaped: style sheet and script are ours, and have to stand as they were hashed.
    return _environment().get_template(template).render(style=Markup(style), policy=policy, **values)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
