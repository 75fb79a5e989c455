"""The functions of MPI that the native recorder wraps, one line each: how many arguments, and which of them means what.

Places of arguments count from 0. A function that is not here runs as it would without us, and has no event.
"""

from __future__ import annotations

from typing import NamedTuple


class Function(NamedTuple):
    """One function. `before` and `after` are calls of rules.h's, in C, of which `a0`, `a1` ... are the arguments."""

    name: str
    arguments: int
    before: str
    after: str
    large: bool = False  # whether there is a form with large counts, `_c`, with the same arguments

    def text(self, wide: bool) -> tuple[str, str]:
        """Both, for the usual or the large form."""
        return self.before.replace("WIDE", str(int(wide))), self.after.replace("WIDE", str(int(wide)))


def _gives(count: str, datatype: str, gets: str = "", got: str = "", operation: str = "0") -> str:
    """What a call hands over, and what it gets where that is another: see rules.c:call_gives. Counts may be 32 bits wide."""
    given, taken = (one if one.startswith(("-", "(")) else f"WIDE ? {one} : (int){one}" for one in (count, gets or count))
    return f"call_gives(&call, {given}, {datatype}, {taken}, {got or datatype}, {operation});"


def _messages() -> list[Function]:
    found: list[Function] = []
    for mode, need in (("", "NOBODY"), ("S", "SSEND"), ("B", "NOBODY"), ("R", "NOBODY")):
        send = f"{mode}send" if mode else "Send"
        begin = _gives("a1", "a2") + f" call_send(&call, NEED_{need}, %s, a5, a3, a4);"
        found += [
            Function(send, 6, begin % "WAITS", "call_end(&call, code);", True),
            Function(f"I{send.lower()}", 7, begin % "STARTS", "call_started(&call, code, a6);", True),
            Function(f"{send}_init", 7, begin % "KEEPS", "call_started(&call, code, a6);", True),
        ]
    receive = _gives("a1", "a2") + " call_receive(&call, %s, a5, a3, a4);"
    both = _gives("a1", "a2", "a6", "a7") + " call_both(&call, %s, a10, a3, a4, a8, a9);"
    replace = _gives("a1", "a2") + " call_both(&call, %s, a7, a3, a4, a5, a6);"
    started = "call_started(&call, code, a%d);"
    return [
        *found,
        Function("Recv", 7, receive % "WAITS" + " a6 = call_status(&call, a6, 0);", "call_received(&call, code, a6);", True),
        Function("Irecv", 7, receive % "STARTS", started % 6, True),
        Function("Recv_init", 7, receive % "KEEPS", started % 6, True),
        Function(
            "Sendrecv", 12, both % "WAITS" + " a11 = call_status(&call, a11, 0);", "call_received(&call, code, a11);", True
        ),
        Function(
            "Sendrecv_replace", 9, replace % "WAITS" + " a8 = call_status(&call, a8, 0);",
            "call_received(&call, code, a8);", True,
        ),
        Function("Isendrecv", 12, both % "STARTS", started % 11, True),
        Function("Isendrecv_replace", 9, replace % "STARTS", started % 8, True),
        # From here on a matched message is out of reach of every other receive, as if it were received.
        Function(
            "Mprobe", 5, "call_receive(&call, WAITS, a2, a0, a1); a4 = call_status(&call, a4, 0);",
            "call_received(&call, code, a4);",
        ),
        Function("Probe", 4, "call_probe(&call, WAITS, a2, a0, a1);", "call_probed(&call, code, 0, 0);"),
        Function(
            "Improbe", 6, "call_probe(&call, LOOKS, a2, a0, a1); a5 = call_status(&call, a5, 1);",
            "call_probed(&call, code, a3, a5);",
        ),
    ]  # fmt: skip


def _requests() -> list[Function]:
    def wait(name: str, count: str, place: str, need: str, statuses: str = "", many: str = "1") -> str:
        begin = f'call_wait(&call, {count}, {place}, "{name}", NEED_{need});'
        return begin + (f" {statuses} = call_statuses(&call, {statuses}, {many});" if statuses else "")

    done = "call_completed(&call, code, %s, %s, %s, %s);"
    return [
        Function("Wait", 2, wait("wait", "1", "a0", "EVERY", "a1"), done % ("0", "0", "0", "a1")),
        Function("Test", 3, wait("test", "1", "a0", "STREAM", "a2"), done % ("a1", "0", "0", "a2")),
        Function("Waitany", 4, wait("waitany", "a0", "a1", "EITHER", "a3"), done % ("0", "0", "a2", "a3")),
        Function("Testany", 5, wait("testany", "a0", "a1", "STREAM", "a4"), done % ("a3", "0", "a2", "a4")),
        Function("Waitall", 3, wait("waitall", "a0", "a1", "EVERY", "a2", "a0"), done % ("0", "0", "0", "a2")),
        Function("Testall", 4, wait("testall", "a0", "a1", "STREAM", "a3", "a0"), done % ("a2", "0", "0", "a3")),
        Function("Waitsome", 5, wait("waitsome", "a0", "a1", "EITHER", "a4", "a0"), done % ("0", "a2", "a3", "a4")),
        Function("Testsome", 5, wait("testsome", "a0", "a1", "STREAM", "a4", "a0"), done % ("0", "a2", "a3", "a4")),
        Function("Start", 1, "call_restart(&call, 1, a0);", "call_restarted(&call, code);"),
        Function("Startall", 2, "call_restart(&call, a0, a1);", "call_restarted(&call, code);"),
        Function("Cancel", 1, "call_cancel(&call, a0);", "call_end(&call, code);"),
        Function("Request_free", 1, "call_drop(&call, a0);", "call_end(&call, code);"),
    ]


# name: arguments of the blocking form, place of the communicator, rule, place of the root, whether this member surely
# takes part, what it hands over and gets (-1: a count for each member).
# Rules: a all, f from the root, t to the root, b those below.
ADDS = "call_some(a2, a3) && !call_is_own(a4)"
REDUCES = _gives("a2", "a3", operation="a4")
COLLECTIVES: dict[str, tuple[int, int, str, int, str, str]] = {
    "Barrier": (1, 0, "a", -1, "1", ""),
    "Bcast": (5, 4, "f", 3, "call_some(a1, a2)", _gives("a1", "a2")),
    "Gather": (8, 7, "t", 6, "call_some(a4, a5)", _gives("a1", "a2", "a4", "a5")),
    "Gatherv": (9, 8, "t", 7, "call_all_some(a4, WIDE, a6, a8)", _gives("-((int)a1 != 0)", "a2", "-1", "a6")),
    "Scatter": (8, 7, "f", 6, "call_some(a4, a5)", _gives("a1", "a2", "a4", "a5")),
    "Scatterv": (9, 8, "f", 7, "call_some(a5, a6)", _gives("-1", "a4", "-((int)a5 != 0)", "a6")),
    "Allgather": (7, 6, "a", -1, "call_some(a4, a5)", _gives("a4", "a5")),
    "Allgatherv": (8, 7, "a", -1, "call_all_some(a4, WIDE, a6, a7)", _gives("-1", "a6")),
    "Alltoall": (7, 6, "a", -1, "call_some(a4, a5)", _gives("a4", "a5")),
    "Alltoallv": (9, 8, "a", -1, "call_all_some(a5, WIDE, a7, a8)", _gives("-1", "a7")),
    "Alltoallw": (9, 8, "a", -1, "0", ""),
    "Reduce": (7, 6, "t", 5, ADDS, REDUCES),
    "Allreduce": (6, 5, "a", -1, ADDS, REDUCES),
    "Reduce_scatter_block": (6, 5, "a", -1, ADDS, REDUCES),
    "Reduce_scatter": (
        6, 5, "a", -1, "call_all_some(a2, WIDE, a3, a5) && !call_is_own(a4)", _gives("-1", "a3", operation="a4")
    ),
    "Scan": (6, 5, "b", -1, ADDS, REDUCES),
    "Exscan": (6, 5, "b", -1, ADDS, REDUCES),
}  # fmt: skip
ALIKE = ("Bcast", "Reduce")  # of those with a root: all members give the same arguments
# As harness/attach/mpi_ops.py calls them.
NAMES = {"reduce_scatter_block": "reduce_scatter"}


def _collectives() -> list[Function]:
    found: list[Function] = []
    for name, (arguments, comm, rule, root, some, gives) in COLLECTIVES.items():
        op = NAMES.get(name.lower(), name.lower())
        # What counts at the root, or everywhere else, may be anything on the others.
        told = f"call_is_told(a{comm}, '{rule}', a{root}) && {some}" if rule in "ft" and name not in ALIKE else some
        begin = f"call_collective(&call, %s, a{comm}, \"{op}\", '{rule}', {f'a{root}' if root >= 0 else '-1'}, {told});"
        begin = f"{gives} {begin}".strip()
        large = name != "Barrier"
        found += [
            Function(name, arguments, begin % "WAITS", "call_end(&call, code);", large),
            Function(
                f"I{name.lower()}", arguments + 1, begin % "STARTS", f"call_started(&call, code, a{arguments});", large
            ),
            Function(f"{name}_init", arguments + 2, begin % "KEEPS", f"call_started(&call, code, a{arguments + 1});", large),
        ]
    return found


# As above, among neighbours: name, arguments, place of the communicator, whether each neighbour surely has a part.
NEIGHBOURS = {
    "Neighbor_allgather": (7, 6, "call_some(a4, a5)"),
    "Neighbor_allgatherv": (8, 7, "0"),
    "Neighbor_alltoall": (7, 6, "call_some(a4, a5)"),
    "Neighbor_alltoallv": (9, 8, "0"),
    "Neighbor_alltoallw": (9, 8, "0"),
}


def _neighbours() -> list[Function]:
    found: list[Function] = []
    for name, (arguments, comm, some) in NEIGHBOURS.items():
        begin = f"call_collective(&call, %s, a{comm}, \"{name.lower()}\", 'n', -1, {some});"
        found += [
            Function(name, arguments, begin % "WAITS", "call_end(&call, code);", True),
            Function(f"I{name.lower()}", arguments + 1, begin % "STARTS", f"call_started(&call, code, a{arguments});", True),
            Function(f"{name}_init", arguments + 2, begin % "KEEPS", f"call_started(&call, code, a{arguments + 1});", True),
        ]
    return found


# name: arguments, places of the communicator, of the new window, of what its info says.
WINDOWS = {
    "Win_create": (6, 4, 5, 3), "Win_allocate": (6, 3, 5, 2), "Win_allocate_shared": (6, 3, 5, 2),
    "Win_create_dynamic": (3, 1, 2, 0),
}  # fmt: skip
# Only the root of these says what is to be done: the others cannot go on before it has come. name: arguments, places of root
# and communicator.
STARTERS = {
    "Comm_spawn": (8, 4, 5), "Comm_spawn_multiple": (9, 5, 6), "Comm_accept": (5, 2, 3), "Comm_connect": (5, 2, 3),
}  # fmt: skip


def _windows() -> list[Function]:
    made = "call_window(&call, code, a{new}, a{info}); errors_window(code, a{new});"
    begin = "call_collective(&call, WAITS, a{comm}, \"window\", 'm', -1, 1);"
    found = [
        Function(name, arguments, begin.format(comm=comm), made.format(new=new, info=info), name != "Win_create_dynamic")
        for name, (arguments, comm, new, info) in WINDOWS.items()
    ]
    found += [
        Function(
            name, arguments,
            f"call_collective(&call, WAITS, a{comm}, \"{name.lower().removeprefix('comm_')}\", 'f', a{root}, 1);",
            "call_end(&call, code);",
        )
        for name, (arguments, root, comm) in STARTERS.items()
    ]  # fmt: skip
    return [
        *found,
        Function("Win_fence", 2, "call_fence(&call, a0, a1);", "call_end(&call, code);"),
        Function("Win_free", 1, "call_window_free(&call, a0);", "call_end(&call, code);"),
        Function("Win_start", 3, "", "call_epoch(&call, code, a0, a2, 1);"),
        Function("Win_post", 3, "", "call_epoch(&call, code, a0, a2, 0);"),
        Function("Win_complete", 1, "call_complete(&call, a0);", "call_end(&call, code);"),
        Function("Win_wait", 1, "call_exposure(&call, WAITS, a0);", "call_exposed(&call, code, 0);"),
        Function("Win_test", 2, "call_exposure(&call, LOOKS, a0);", "call_exposed(&call, code, a1);"),
    ]


# name: arguments, place of the old communicator, of the new one, what its name says.
MAKERS = {
    "Comm_dup": (2, 0, 1, "dup"),
    "Comm_dup_with_info": (3, 0, 2, "dup"),
    "Comm_split": (4, 0, 3, "split"),
    "Comm_split_type": (5, 0, 4, "split_type"),
    "Comm_create": (3, 0, 2, "create"),
    "Cart_create": (6, 0, 5, "cart"),
    "Cart_sub": (3, 0, 2, "sub"),
    "Graph_create": (6, 0, 5, "graph"),
    "Dist_graph_create": (9, 0, 8, "dist_graph"),
    "Dist_graph_create_adjacent": (10, 0, 9, "dist_graph"),
    "Intercomm_merge": (3, 0, 2, "merge"),
}


def _communicators() -> list[Function]:
    found = [
        Function(
            name, arguments,
            f"call_collective(&call, WAITS, a{old}, \"{what}\", 'm', -1, {'!call_calls_back()' if what == 'dup' else 1});"
            f" call.name = \"{what}\";",
            f"call_made(&call, code, a{new}, 0, 0);",
        )
        for name, (arguments, old, new, what) in MAKERS.items()
    ]  # fmt: skip
    copy = "call_collective(&call, STARTS, a0, \"dup\", 'm', -1, !call_calls_back());"
    return [
        *found,
        Function("Comm_idup", 3, copy, "call_copying(&call, code, a1, a2);"),
        Function("Comm_idup_with_info", 4, copy, "call_copying(&call, code, a2, a3);"),
        Function("Comm_create_group", 4, "", 'call_made(&call, code, a3, "group", a2);'),
        Function("Intercomm_create", 6, "", 'call_made(&call, code, a5, "inter", a4);'),
        Function("Comm_free", 1, "word old = call_forget(a0);", "call_forgotten(&call, code, old);"),
        Function("Comm_disconnect", 1, "word old = call_forget(a0);", "call_forgotten(&call, code, old);"),
    ]


# All members of a file call these. name: arguments; the second have a non-blocking form, and large counts as the third.
FILES = {"set_size": 2, "preallocate": 2, "set_view": 6, "set_info": 2, "set_atomicity": 2, "sync": 1, "seek_shared": 3}
ACCESSES = {"read_at_all": 6, "write_at_all": 6, "read_all": 5, "write_all": 5}
ORDERED = {"read_ordered": 5, "write_ordered": 5}


def _files() -> list[Function]:
    begin, end = 'call_file(&call, %s, a0, "%s");', "call_end(&call, 0);"
    found = [Function(f"File_{name}", count, begin % ("WAITS", f"file_{name}"), end) for name, count in FILES.items()]
    for name, count in (ACCESSES | ORDERED).items():
        first, last = f"{name}_begin", f"{name}_end"
        found += [
            Function(f"File_{name}", count, begin % ("WAITS", name), end, True),
            Function(f"File_{first}", count - 1, begin % ("WAITS", first), end, True),
            Function(f"File_{last}", 3, begin % ("WAITS", last), end),
        ]
    for name, count in ACCESSES.items():
        started = f"call_file_started(&call, code, a{count - 1});"
        found.append(Function(f"File_i{name}", count, begin % ("STARTS", name), started, True))
    return [
        *found,
        Function("File_open", 5, "", "call_opened(&call, code, a0, a4);"),
        Function("File_close", 1, "call_close(&call, a0);", end),
    ]


RECORDED = [*_messages(), *_requests(), *_collectives(), *_neighbours(), *_communicators(), *_windows(), *_files()]
# Those whose wrapper is of another form: name, arguments, statements before and after.
SPECIAL = [
    Function("Init", 2, "call_init(&call, CALLER);", "call_initialized(&call, code);"),
    Function("Init_thread", 4, "call_init(&call, CALLER);", "call_initialized(&call, code);"),
    Function("Finalize", 0, "call_finalize(CALLER);", "call_finalized();"),
    Function("Abort", 2, "call_abort(a1);", ""),
    Function("Op_create", 3, "", "call_operation(code, a2);"),
    Function("Op_create_c", 3, "", "call_operation(code, a2);"),
    Function("Comm_create_keyval", 4, "call_keyval(a0, a1);", ""),
    Function("Win_create_keyval", 4, "call_keyval(a0, a1);", ""),
    Function("Keyval_create", 4, "call_keyval(a0, a1);", ""),
    Function("Initialized", 1, "call_seen();", ""),
    Function("Comm_set_errhandler", 2, "a1 = errors_ours(a1, OF_COMM);", ""),
    Function("Comm_get_errhandler", 2, "", "errors_theirs(code, a1, OF_COMM);"),
    Function("Errhandler_set", 2, "a1 = errors_ours(a1, OF_COMM);", ""),
    Function("Errhandler_get", 2, "", "errors_theirs(code, a1, OF_COMM);"),
    Function("Comm_create_from_group", 5, "a3 = errors_ours(a3, OF_COMM);", ""),
    Function("Win_set_info", 2, "call_window_info(a0);", ""),
    Function("Win_set_errhandler", 2, "a1 = errors_ours(a1, OF_WINDOW);", ""),
    Function("Win_get_errhandler", 2, "", "errors_theirs(code, a1, OF_WINDOW);"),
]
