"""`-k` as pytest has it: texts that a case's id holds, joined by `and`, `or`, `not` and parentheses, in any case. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lockstep.harness.scenario.errors import ScenarioError

Test = Callable[[str], bool]
WORDS = ("and", "or", "not", "(", ")")


def expression(text: str) -> Test:
    """Whether an id fits. Raises ScenarioError for what cannot be read."""
    tokens = text.replace("(", " ( ").replace(")", " ) ").split()
    if not tokens:
        raise ScenarioError("-k '': give a text that ids hold, for example -k 'capture and not agree'")
    reader = _Reader(text, tokens)
    found = reader.either()
    if reader.left:
        raise ScenarioError(f"-k {text!r}: {reader.left[0]!r} is not expected there; join texts by and, or, not")
    return found


class _Reader:
    """What is left of one expression."""

    def __init__(self, text: str, tokens: Sequence[str]) -> None:
        self._text = text
        self.left = list(tokens)

    def either(self) -> Test:
        """Joined by `or`."""
        found = [self._both()]
        while self._takes("or"):
            found.append(self._both())
        return lambda ident: any(test(ident) for test in found)

    def _both(self) -> Test:
        found = [self._one()]
        while self._takes("and"):
            found.append(self._one())
        return lambda ident: all(test(ident) for test in found)

    def _one(self) -> Test:
        if self._takes("not"):
            test = self._one()
            return lambda ident: not test(ident)
        if self._takes("("):
            test = self.either()
            if not self._takes(")"):
                raise ScenarioError(f"-k {self._text!r}: a parenthesis is not closed")
            return test
        if not self.left or self.left[0].lower() in WORDS:
            after = f"before {self.left[0]!r}" if self.left else "at the end"
            raise ScenarioError(f"-k {self._text!r}: a text is missing {after}")
        word = self.left.pop(0).lower()
        return lambda ident: word in ident.lower()

    def _takes(self, word: str) -> bool:
        """Whether it comes next; then it is taken."""
        if self.left and self.left[0].lower() == word:
            self.left.pop(0)
            return True
        return False
