"""What an engine raises where it lacks what the scenario needs: nothing can be judged, and nothing is made up."""

from __future__ import annotations


class Unable(BaseException):
    """The engine cannot go on; the text says what is missing and where. No `except Exception` may swallow it."""
