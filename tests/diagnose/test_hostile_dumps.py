"""Dumps that were made to do harm, or are broken: an error or an answer in bounded time and memory, and nothing is run."""

from __future__ import annotations

import json
import os
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.judge.flight import diagnose
from lockstep.harness.judge.flight_dump import text_of
from lockstep.harness.terminal import clean
from lockstep.harness.watchdog.dump_decoding import read_json, read_pickle
from lockstep.harness.watchdog.dump_files import LONGEST_BYTES, rank_of, read_all

HOSTILE = sorted((Path(__file__).parent / "hostile").iterdir())
JUDGED = {"escape_0.json", "seq-gap_0.json", "seq-huge_0.json"}  # strange, and yet dumps
GIB = 1 << 30
LOCKSTEP = Path(sys.executable).with_name("lockstep")


def limited() -> None:
    """4 GiB of addresses and 60 s of CPU time."""
    resource.setrlimit(resource.RLIMIT_AS, (4 * GIB, 4 * GIB))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))


@given(st.text(max_size=50))
def test_text_of_others_is_shown_as_everywhere(text: str) -> None:
    """What acts on a terminal is shown as the terminal's own filter shows it, and nothing else is changed by that filter."""
    shown = text_of(text, "here")
    assert clean(shown) == shown
    assert clean(text).replace("\n", "\\n").replace("\t", "\\t") == shown or not text.replace("\n", "").isprintable()
    assert text_of("a\x1b[2J\u202e\n", "here") == "a\\x1b[2J\\u202e\\n"


def lockstep(*words: str) -> subprocess.CompletedProcess[str]:
    """`lockstep diagnose`, limited."""
    command = [str(LOCKSTEP), "diagnose", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, preexec_fn=limited, check=False)


ALL = """
import contextlib, io, json, sys
from lockstep.harness.cli import main
for file in sys.argv[1:]:
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = main(["diagnose", file])
    print(json.dumps([code, said.getvalue()]))
"""


def test_hostile_dumps() -> None:
    """A clear error and exit code 2, or for what is a dump an answer; no traceback, nothing that a terminal obeys."""
    words = [sys.executable, "-c", ALL, *map(str, HOSTILE)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=110, preexec_fn=limited, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(HOSTILE), done.stderr
    for file, (code, said) in zip(HOSTILE, answers, strict=True):
        assert code == (1 if file.name in JUDGED else 2), said
        assert "Traceback" not in said
        assert said.replace("\n", "").isprintable()
    assert not Path("/tmp/lockstep-was-pwnedXX").exists()


def test_only_regular_files(tmp_path: Path) -> None:
    """A device never ends and a pipe never begins: neither is read, by name or in a folder; an empty folder is no answer."""
    pipe = tmp_path / "pipe_0"
    os.mkfifo(pipe)
    empty = tmp_path / "empty"
    empty.mkdir()
    for name, said in (
        ("/dev/zero", "not a regular file"),
        (str(pipe), "not a regular file"),
        (str(empty), f"no dumps in {empty}; a dump is called nccl_trace_rank_3"),
    ):
        done = lockstep(name)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_too_long(tmp_path: Path) -> None:
    """A file far longer than any dump is refused by its size."""
    file = tmp_path / "dump_0"
    with file.open("wb") as opened:
        opened.truncate(LONGEST_BYTES + 1)
    assert "no dump of a Flight Recorder" in lockstep(str(file)).stderr


def entry(**fields: object) -> dict[str, object]:
    """An entry as PyTorch writes it, but for what is given."""
    good = {"process_group": ["0", "g"], "profiling_name": "x", "state": "scheduled", "collective_seq_id": 1}
    return {**good, **fields}


@pytest.mark.parametrize(
    "dump",
    [
        {"entries": [entry(collective_seq_id=float("inf"))]},
        {"entries": [entry(time_created_ns=float("inf"))]},
        {"entries": [entry(process_group=None)]},
        {"entries": [{"is_p2p": True}]},
        {"entries": [entry(process_group=[[["0"]]])]},
        {"entries": [entry(input_sizes=[[[1]]])]},
        {"entries": [entry(frames=7)]},
        {"entries": [entry()], "pg_config": {"0": {"name": "0", "ranks": "----1"}}},
        {"entries": [entry()], "pg_config": {"0": {"name": "0", "ranks": [0, True]}}},
        {"entries": [entry()], "pg_config": {"0": {"name": "0", "ranks": [1 << 40]}}},
        {"entries": [entry()], "pg_status": {"0": None}},
        {"entries": [entry()], "pg_status": []},
        {"entries": []},
    ],
)
def test_malformed(dump: dict[str, object]) -> None:
    """What is not as PyTorch writes it is a ValueError with its place, and nothing else."""
    with pytest.raises(ValueError, match=r"rank 0: no dump of a Flight Recorder: |hold no operation"):
        diagnose({0: dump})


def test_unfolding_lists_are_not_followed() -> None:
    """Lists that hold each other are worth more than any file: they are counted, and refused."""
    sizes: list[object] = [[1] * 1000] * 10_000
    with pytest.raises(ValueError, match="more than 5000000 sizes"):
        diagnose({0: {"entries": [entry(input_sizes=sizes)] * 10}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("[0, 1]"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["ranks", "name", "0", "line"]), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(sorted(entry(is_p2p=0, frames=0, input_sizes=0, retired=0, pg_id=0))), JSON), JSON, JSON
)
def test_any_mutation(fields: dict[str, object], config: object, status: object) -> None:
    """Whatever stands in a dump, it is judged or refused by ValueError."""
    dump = {"entries": [entry(), entry(**fields)], "pg_config": config, "pg_status": status}
    try:
        found = diagnose({0: dump, 1: {"entries": [entry()]}})
    except ValueError:
        return
    assert found.text.isprintable()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), 1 << 63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@given(st.dictionaries(st.text(), PLAIN), st.integers(2, 5))
def test_plain_pickles_are_read(data: dict[str, object], protocol: int) -> None:
    """Every pickle of plain data is read as it was written, in each binary protocol."""
    assert read_pickle(pickle.dumps(data, protocol)) == data


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    """Whatever is read as a pickle or as JSON gives a dict and no exception."""
    assert isinstance(read_pickle(raw), dict)
    assert isinstance(read_pickle(b"\x80\x02" + raw + b"."), dict)
    assert isinstance(read_json(raw), dict)


@pytest.mark.parametrize(
    ("name", "rank"),
    [
        ("nccl_trace_rank_3", 3),
        ("flight-recorder-rank-12.json", 12),
        ("rank1_container-node00.pickle", 1),
        ("nccl_trace_rank_node00_1", 1),
        ("host.example.com_rank_5", 5),
        ("node07_local_rank_1", 1),
        ("dump.7", 7),
        ("Rank03.pkl", 3),
        ("frank4you", None),
        ("trace", None),
    ],
)
def test_names(name: str, rank: int | None) -> None:
    """Whose a dump is, from names as they are met; what follows the word `rank` counts before what ends the name."""
    assert rank_of(Path(name), {}) == rank
    assert rank_of(Path(name), {"rank": 9}) == 9


def test_json_names_its_verdict(tmp_path: Path) -> None:
    """The JSON says in one word what was found."""
    (tmp_path / "dump_0").write_text(json.dumps({"entries": [entry(retired=True)]}))
    done = lockstep("--json", str(tmp_path))
    assert (done.returncode, json.loads(done.stdout)["found"]) == (0, "nothing found")


def test_a_folder_without_dumps(tmp_path: Path) -> None:
    """The folder is told, with how a dump is called, and not only its first file; beside a dump a stray file is told."""
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "z.json").write_text("{}")
    with pytest.raises(
        ValueError, match=f"^no dumps in {tmp_path}; a dump is called nccl_trace_rank_3, .*{tmp_path}/a.txt: "
    ):
        read_all([tmp_path])
    (tmp_path / "rank_0.json").write_text(json.dumps({"entries": []}))
    with pytest.raises(ValueError, match=f"^{tmp_path}/a.txt: "):
        read_all([tmp_path])
