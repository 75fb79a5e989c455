"""Files of waives: which cases they are for, and what is wrong with one, with its place."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from lockstep.harness.campaign.waives import Waive, load_waives
from lockstep.harness.scenario.case import Expectation
from lockstep.harness.scenario.errors import FileErrors
from lockstep.harness.scenario.expectation import differences
from lockstep.harness.scenario.load import discover
from tests.report.samples import NAMES, case, hang

CASES = [case(name) for name in NAMES]
TODAY = date(2026, 11, 25)
GOOD = """\
waives:
  - case: generation-capture-asymmetric[guards.generation_capture=none]
    owner: jane
    reason: upstream has not merged the fix
    link: https://github.com/NVIDIA/TensorRT-LLM/pull/14986
    expires: 2026-12-31
    meanwhile: {outcome: hang, cause: deadlock, blame: [3]}
"""


def loaded(tmp_path: Path, text: str, complete: bool = False) -> dict[str, Waive]:
    """The waives of a file with this text."""
    path = tmp_path / "waives.yaml"
    path.write_text(text)
    return load_waives(path, CASES, TODAY, complete)


def test_waive(tmp_path: Path) -> None:
    """A waive holds for its case, and says what the case does meanwhile in the words of an expectation."""
    (ident, waive), = loaded(tmp_path, GOOD, complete=True).items()  # fmt: skip
    assert (ident, waive.owner, waive.kind, waive.expires) == (NAMES[0], "jane", "always", date(2026, 12, 31))
    raw = waive.to_json()
    assert raw["expires"] == "2026-12-31"
    assert differences(Expectation(**raw["meanwhile"]), hang().to_json()) == []


@pytest.mark.parametrize(("day", "kind"), [("2026-11-25", "always"), ("2026-11-24", "expired")])
def test_last_day(day: str, kind: str, tmp_path: Path) -> None:
    """A waive holds on its last day, and has expired on the next."""
    assert loaded(tmp_path, GOOD.replace("2026-12-31", day))[NAMES[0]].kind == kind


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("generation-*", [NAMES[0], NAMES[1]]),
        ("*[guards.generation_capture=????]", [NAMES[0]]),
        ("*a*", list(NAMES)),
        ("[ga]*", []),
        ("autotuner", []),
    ],
)
def test_pattern(pattern: str, fits: list[str], tmp_path: Path) -> None:
    """Star and question mark are wild, all else means itself, and the whole id must fit."""
    text = GOOD.replace("case: generation-capture-asymmetric[guards.generation_capture=none]", f'pattern: "{pattern}"')
    assert sorted(loaded(tmp_path, text)) == sorted(fits)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (("owner: jane", "onwer: jane"), "3:5: waives[0].onwer: unknown key; did you mean owner?"),
        (("    owner: jane\n", ""), "waives[0].owner: is missing; add it"),
        (("2026-12-31", "soon"), "6:14: waives[0].expires: "),
        (("2026-12-31", "2026-13-31"), "6:14: not valid YAML: month must be in 1..12"),
        (("https://github", "github"), "5:11: waives[0].link: "),
        (("cause: deadlock", "cause: deadlok"), "waives[0].meanwhile.cause: "),
        (("outcome: hang, cause: deadlock, blame: [3]", "outcome: invalid"), "invalid cannot be waived"),
        (("expires:", "fails: rarely\n    expires:"), "waives[0].fails: "),
        (("  - case", "  - pattern: x\n    case"), "2:5: waives[0]: give either `case` or `pattern`"),
        (("capture=none]", "capture=nine]"), "2:11: waives[0].case: fits no case; did you mean generation-capture-"),
        (("waives:\n", "waifs:\n"), "1:1: waifs: unknown key; did you mean waives?"),
        ((GOOD, "- a\n"), "1:1: a file of waives is a mapping with the key `waives`; see docs/nightly.md"),
        ((GOOD, GOOD + GOOD.partition("\n")[2].replace("case: generation-capture-asymmetric[guards.generation_capture=none]",
                                                       "pattern: generation*")),
         "8:14: waives[1].pattern: fits generation-capture-asymmetric[guards.generation_capture=none], as does waive 1"),
    ],
)  # fmt: skip
def test_mistake(change: tuple[str, str], wanted: str, tmp_path: Path) -> None:
    """Each is said with file, line, column, path, and what to do."""
    with pytest.raises(FileErrors) as caught:
        loaded(tmp_path, GOOD.replace(*change), complete=True)
    assert caught.value.exit_code == 2
    assert wanted in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/waives.yaml:")


@pytest.mark.parametrize(
    ("pattern", "tags", "complete", "said"),
    [
        ("*", (), False, "fits everything, so that no night could fail; name the cases"),
        ("??*", (), False, "fits everything, so that no night could fail; name the cases"),
        ("*a*", (), True, "fits all 3 cases, so that no night could fail; name the cases"),
        ("auto*", ("planted",), False, "fits autotuner-asymmetric, a planted hang: it shows that hangs are found at all"),
    ],
)
def test_a_waive_that_would_hide_everything(
    pattern: str, tags: tuple[str, ...], complete: bool, said: str, tmp_path: Path
) -> None:
    """One of everything, or of the hangs that show that the detector works, is refused with its place."""
    path = tmp_path / "waives.yaml"
    text = GOOD.replace("case: generation-capture-asymmetric[guards.generation_capture=none]", f"pattern: '{pattern}'")
    path.write_text(text)
    with pytest.raises(FileErrors) as caught:
        load_waives(path, [replace(case, tags=tags) for case in CASES], TODAY, complete)
    assert str(caught.value).startswith(f"{path}:2:14: waives[0].pattern: {said}")


def test_a_waive_of_a_case_that_is_not_looked_at(tmp_path: Path) -> None:
    """Is no mistake when only some of the cases are known."""
    assert loaded(tmp_path, GOOD.replace("capture=none]", "capture=nine]")) == {}


def test_waives_among_scenarios_are_no_scenario(tmp_path: Path) -> None:
    """A folder's waives.yaml is passed over when its scenarios are looked for."""
    for name in ("waives.yaml", "one.yaml"):
        (tmp_path / name).write_text(GOOD)
    assert discover([tmp_path]) == [tmp_path / "one.yaml"]
