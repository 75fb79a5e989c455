"""The journal on disk: what a kill at any moment leaves, and that a case survives JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.bisect.state import JOURNAL, BisectionRequest, State
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.load import load_all

SHA = "0123456789abcdef" * 2 + "01234567"


def asked() -> BisectionRequest:
    """A bisection of the toy's case."""
    (case,) = load_all(["tests/bisect/two_ranks.yaml"])
    return BisectionRequest("/repo", SHA, SHA, "bad", json.loads(json.dumps(case.to_json())), ("a=1",))


@pytest.mark.parametrize("cut", range(2, 60, 7))
def test_torn_journal(cut: int, tmp_path: Path) -> None:
    """A line that was cut off never was; the next one is whole, and all lines before it stay."""
    state = State.create(tmp_path / "state", asked(), ["lockstep"], {})
    state.want("abc")
    state.skip(SHA, "does not build")
    state.begin(SHA)
    state.begin(SHA)
    path = state.path / JOURNAL
    path.write_bytes(path.read_bytes()[:-cut])
    again = State.open(tmp_path / "state")
    assert (again.wanted, again.skips, len(again.launched)) == ("abc", {SHA: "does not build"}, 1)
    assert again.begin(SHA).number == 2
    assert len(State.open(tmp_path / "state").launched) == 2
    assert State.open(tmp_path / "state").asked == asked()


def test_launches_without_a_good_verdict_do_not_count(tmp_path: Path) -> None:
    """A verdict file that is not there, is torn, or is of another case is none."""
    state = State.create(tmp_path / "state", asked(), [], {})
    launched = state.begin(SHA)
    path = state.path / state.verdict_path(launched)
    path.parent.mkdir(parents=True)
    for text in (None, "", "{", json.dumps({"schema": "lockstep.verdict/1"})):
        if text is not None:
            path.write_text(text)
        assert list(State.open(state.path).verdicts()) == []


def test_state_is_not_taken_twice(tmp_path: Path) -> None:
    """A folder with a bisection is not started again, and one without is not resumed."""
    State.create(tmp_path / "state", asked(), [], {})
    with pytest.raises(BisectionError, match="--resume"):
        State.create(tmp_path / "state", asked(), [], {})
    with pytest.raises(BisectionError, match="no bisection to go on with"):
        State.open(tmp_path)
    (tmp_path / "bisection.json").write_text('{"schema": "other/1"}')
    with pytest.raises(BisectionError, match="schema"):
        State.open(tmp_path)


def test_cases_survive_json() -> None:
    """Every shipped case comes back from its JSON."""
    for case in load_all(["scenarios"]):
        raw = json.loads(json.dumps(case.to_json()))
        again = Case.from_json(raw)
        assert json.loads(json.dumps(again.to_json())) == raw
        assert (again.expect, again.limits, again.tags, again.id) == (case.expect, case.limits, case.tags, case.id)
