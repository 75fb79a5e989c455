"""Dumps of other tools: asked for, kept, read without trust. The tools are stand-ins here; tests/gpu has the real ones."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness.ip_address import family, with_port
from lockstep.harness.judge.opinions import flight_opinion, opinions, ras_opinion
from lockstep.harness.judge.verdict import Blame
from lockstep.harness.supervisor import dumps
from lockstep.harness.watchdog.dump_decoding import read_json, read_pickle

BLAME = Blame((1,), "decision", "x")


def serve(answers: list[bytes], host: str = "127.0.0.1") -> tuple[str, list[bytes]]:
    """A stand-in for RAS that gives one answer a request and then closes; its address and what it was asked."""
    listener = socket.create_server((host, 0), family=family(host))
    asked: list[bytes] = []

    def work() -> None:
        connection, _ = listener.accept()
        stream = connection.makefile("rwb")
        for answer in answers:
            asked.append(stream.readline())
            stream.write(answer)
            stream.flush()
        stream.close()
        connection.close()
        listener.close()

    threading.Thread(target=work, daemon=True).start()
    return with_port(host, listener.getsockname()[1]), asked


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_ras_is_asked_for_json(host: str) -> None:
    """Protocol, timeout, format, status: each after the answer to the one before."""
    if host == "::1" and not Path("/proc/self/net/if_inet6").is_file():
        pytest.skip("this kernel has no IPv6")
    status = json.dumps({"communicators": []}).encode()
    address, asked = serve([b"SERVER PROTOCOL 2\n", b"OK\n", b"OK\n", status], host)
    assert dumps.ras(address) == status
    assert asked == [b"CLIENT PROTOCOL 2\n", b"TIMEOUT 5\n", b"SET FORMAT json\n", b"VERBOSE STATUS\n"]


def test_ras_that_is_old_or_absent() -> None:
    """An NCCL without JSON, and nobody at all, leave nothing."""
    address, _ = serve([b"SERVER PROTOCOL 2\n", b"OK\n", b"ERROR: unknown command\n"])
    assert dumps.ras(address) is None
    assert dumps.ras("127.0.0.1:1", 1.0) is None
    assert dumps.ras("nonsense") is None


@pytest.mark.parametrize("part", [b" ", b" " * (1 << 20)])
def test_ras_that_never_stops(part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What answers for ever, a byte now and then or without a pause, is left by time or by size."""
    monkeypatch.setattr(dumps, "RAS_LONGEST_BYTES", 8 << 20)
    listener = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                for _ in range(3):
                    connection.recv(4096)
                    connection.sendall(b"OK\n")
                while True:
                    connection.sendall(part)
                    time.sleep(0.0 if len(part) > 1 else 0.05)

    threading.Thread(target=work, daemon=True).start()
    began = time.monotonic()
    assert dumps.ras(f"127.0.0.1:{listener.getsockname()[1]}", 1.0) is None
    assert time.monotonic() - began < 30.0
    listener.close()


def test_flight_recorder_is_dumped_through_its_pipe(tmp_path: Path) -> None:
    """What the process writes after it was poked is what is kept; without a pipe nobody waits."""
    assert dumps.flight_recorder(tmp_path, 3) is None
    pipe = tmp_path / f"{dumps.PIPE}3-0.pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    def answer() -> None:
        while not os.read(reader, 1):
            time.sleep(0.05)
        (tmp_path / f"{dumps.DUMP}3-0").write_bytes(pickle.dumps({"version": "2.9"}))

    def patient() -> None:
        try:
            answer()
        except BlockingIOError:
            time.sleep(0.05)
            patient()

    threading.Thread(target=patient, daemon=True).start()
    raw = dumps.flight_recorder(tmp_path, 3)
    os.close(reader)
    assert read_pickle(raw or b"") == {"version": "2.9"}


def test_what_the_user_has_set_stays() -> None:
    """A rank's Flight Recorder is switched on where the user has not said otherwise."""
    found = dumps.dump_environment({"TMPDIR": "/x", "TORCH_FR_BUFFER_SIZE": "0"}, 2)
    assert "TORCH_FR_BUFFER_SIZE" not in found
    assert found["TORCH_FR_DUMP_TEMP_FILE"].startswith("/x/")


class Evil:
    """A pickle that would run a command."""

    def __reduce__(self) -> Any:
        return (os.system, ("true",))


@pytest.mark.parametrize("raw", [b"", b"\x80", pickle.dumps([1]), pickle.dumps({"a": Evil()}), pickle.dumps(Evil())])
def test_only_plain_data_is_read(raw: bytes) -> None:
    """Torn, strange and dangerous pickles are no data."""
    assert read_pickle(raw) == {}
    assert read_json(b"[1") == read_json(b"[1]") == {}


def entry(rank: int, pid: int, count: int, state: int = 0) -> dict[str, Any]:
    """A rank in RAS's JSON."""
    return {
        "rank": rank,
        "pid": pid,
        "status": {"init_state": state},
        "collective_counts": {"AllReduce": count, "Reduce": 0},
    }


def test_ras_opinion_is_compared() -> None:
    """Ranks whose counts differ are named by their global rank, and compared with the blame."""
    ranks = [entry(0, 100, 7), entry(1, 101, 6), entry(2, 102, 7)]
    status = {"communicators": [{"size": 3, "ranks": ranks, "missing_ranks": []}]}
    finding = ras_opinion(status, {100: 0, 101: 1, 102: 2}, BLAME)
    assert finding is not None
    assert finding.facts == {"tool": "NCCL RAS", "ranks": [1], "agrees": True}
    assert "AllReduce 7 on ranks 0,2; AllReduce 6 on rank 1" in finding.text
    two = ras_opinion({"communicators": [{"size": 2, "ranks": [entry(0, 100, 7), entry(1, 101, 6)]}]}, {}, BLAME)
    assert two is not None
    assert two.facts["ranks"] == [1]  # of two ranks the one that is behind
    equal = {"communicators": [{"size": 2, "ranks": [entry(0, 100, 7), entry(1, 101, 7)]}]}
    blind = ras_opinion(equal, {}, BLAME)
    assert blind is not None
    assert "tells no rank apart" in blind.text
    assert ras_opinion({}, {}, None) is None


@pytest.mark.parametrize("status", [{"communicators": [{"ranks": [{}]}]}, {"communicators": 7}, {"communicators": [None]}])
def test_a_strange_dump_loses_no_verdict(status: dict[str, Any]) -> None:
    """What is not as its tool writes it has no opinion, and does not take the other tool's away."""
    good = {0: {"entries": [{"process_group": ("0",), "collective_seq_id": 1}]}}
    assert [finding.facts["tool"] for finding in opinions(status, good, {}, BLAME)] == ["PyTorch's Flight Recorder"]
    numbers: list[Any] = ["x", float("inf"), None, [[[]]]]
    for number in numbers:
        strange = {"process_group": ("0",), "collective_seq_id": number}
        assert opinions(status, {0: {"entries": [strange]}}, {}, BLAME) == []
    assert read_json(b'{"a":' + b"[" * 100_000) == {}


def test_flight_opinion_is_compared() -> None:
    """The rank that has handed over fewer collectives is named."""

    def dump(last: int) -> dict[str, Any]:
        names = {"process_group": ("0", "default"), "profiling_name": "nccl:all_reduce", "state": "scheduled"}
        return {"entries": [{**names, "collective_seq_id": number} for number in range(1, last + 1)]}

    finding = flight_opinion({0: dump(9), 1: dump(8)}, BLAME)
    assert finding is not None
    assert finding.facts["ranks"] == [1]
    assert finding.facts["agrees"]
    assert "#9 scheduled on rank 0" in finding.text
    first = flight_opinion({0: dump(1) | {"pg_config": {"0": {}}}, 1: dump(0) | {"pg_config": {"0": {}}}}, BLAME)
    assert first is not None
    assert first.facts["ranks"] == [1]  # a member that has handed over nothing yet
    assert "nothing on rank 1" in first.text
    assert flight_opinion({}, None) is None


def test_ras_opinion_names_who_is_not_made_or_silent() -> None:
    """A communicator that only some ranks have finished making; a rank that does not answer."""
    ranks = [entry(0, 100, 0, state=7), entry(1, 101, 0)]
    unmade = ras_opinion({"communicators": [{"size": 2, "ranks": ranks}]}, {}, BLAME)
    assert unmade is not None
    assert unmade.facts["ranks"] == [0]
    silent = {"communicators": [{"size": 2, "ranks": [entry(0, 100, 0)], "missing_ranks": [{"rank": 1, "pid": 101}]}]}
    found = ras_opinion(silent, {}, BLAME)
    assert found is not None
    assert found.facts["ranks"] == [1]
    assert "no answer on rank 1" in found.text


@pytest.mark.parametrize(
    ("version", "known"), [("2.13.0+cpu", True), ("2.10.0a0+git", True), ("2.9.1", False), ("2.6.0", False)]
)
def test_the_old_name_only_where_it_is_needed(version: str, known: bool, tmp_path: Path) -> None:
    """A torch that knows the present name of a variable would print a warning over the old one into every log."""
    assert not dumps.knows_present_name([str(tmp_path)])
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "version.py").write_text(f"__version__ = '{version}'\n")
    assert dumps.knows_present_name(["/nowhere", str(tmp_path)]) is known
