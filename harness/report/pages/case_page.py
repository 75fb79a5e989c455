"""The page of one case, from its folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lockstep.harness.judge.words import capital, ranks_text
from lockstep.harness.report.pages import folder
from lockstep.harness.report.pages.advice import advice
from lockstep.harness.report.pages.answer import answer, decisions, stands_at
from lockstep.harness.report.pages.columns import columns
from lockstep.harness.report.pages.folder import CaseFolder, listed
from lockstep.harness.report.pages.layout import drawing
from lockstep.harness.report.pages.rendering import render
from lockstep.harness.report.pages.situation_graph import unproved_graph
from lockstep.harness.report.pages.stack_tree import StackTree, stack_tree
from lockstep.harness.report.pages.timeline import has_device, legend, signs, timelines
from lockstep.harness.report.pages.tracks import chosen, groups, read_tracks
from lockstep.harness.report.pages.wait_graph import wait_graph

STACKS = 64  # processes whose stacks are read
WIDE, NARROW = 46, 34  # characters of a line in the graph
ROWS = 40  # of a table
EVIDENCE = 60  # files that are listed


def case_page(path: Path, up: str = "../../report.html") -> str:
    """The page of a case that was judged. `up`: the page of its run. Raises what `folder.read` raises."""
    case = folder.read(path)
    verdict = case.verdict
    tracks = read_tracks(path, chosen(verdict))
    compared = columns(verdict, tracks)
    stacks = _stacks(case)
    todo = advice(case)
    told = answer(case, stacks, todo)
    proved = wait_graph(verdict)
    graph = proved if proved.nodes else unproved_graph(case.situation(), case.blamed)
    drawn = timelines(verdict, tracks, compared)
    logs, more_logs = case.logs()
    evidence, more_evidence = listed(case.evidence(), EVIDENCE)
    return render(
        "case.html",
        up=up,
        raw=case.raw,
        case=case.case,
        verdict=verdict,
        answer=told,
        advice=[one for one in todo if one.code or one.link or one.words not in dict(told.facts).values()],
        graph=graph,
        unproved=not proved.nodes,
        across=drawing(graph, True, WIDE) if graph.nodes else None,
        down=drawing(graph, False, NARROW) if graph.nodes else None,
        timelines=drawn,
        libraries=legend(drawn),
        signs=signs(drawn),
        on_device=has_device(drawn),
        columns=compared,
        decisions=decisions(verdict),
        stacks=stacks,
        places=[(leaf, stands_at(verdict, leaf)) for leaf in stacks.leaves],
        ends=_ends(case)[:ROWS],
        phased=any(end.phase or end.shape for end in verdict.ranks),
        failed=any(end.error_type for end in verdict.ranks),
        more_ends=max(0, len(_ends(case)) - ROWS),
        logs=logs,
        more_logs=more_logs,
        evidence=evidence,
        more_evidence=more_evidence,
        environment=_environment(case.raw),
        left_out=sum(track.left_out for track in tracks),
    )


def _stacks(case: CaseFolder) -> StackTree:
    """Of the blamed ranks, of one of each group, and of as many others as are read."""
    own = {f"rank-{rank}" for rank in (*case.blamed, *(ranks[0] for ranks in groups(case.verdict)))}
    names = sorted(case.stacks(), key=lambda name: name not in own)[:STACKS]
    return stack_tree({name: case.stack(name) for name in names}, os.getcwd())  # noqa: PTH109  (as sites are told)


def _ends(case: CaseFolder) -> list[dict[str, Any]]:
    """How ranks ended, those alike together."""
    ends = {end.rank: end for end in case.verdict.ranks}
    return [
        {"who": capital(ranks_text(ranks)), "end": ends[ranks[0]], "blamed": bool(set(ranks) & set(case.blamed))}
        for ranks in groups(case.verdict)
    ]


def _environment(raw: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Versions and machine, as one tells them in a report."""
    found = raw.get("environment") or {}
    libraries = found.get("libraries") or {}
    mpi = found.get("mpi") or {}
    places = [
        f"{place['host']}: {place['ranks']} process{'' if place['ranks'] == 1 else 'es'}"
        for place in raw.get("places") or ()
    ]
    rows = [
        ("run", raw.get("run", "")),
        ("recorded", str(raw.get("recorded", ""))[:19].replace("T", " ")),
        ("device", raw.get("device", "")),
        ("hosts", ", ".join(places[:8]) + (f" and {len(places) - 8} more" if len(places) > 8 else "")),
        ("engine commit", raw.get("engine_commit", "")),
        ("Lockstep", " ".join(filter(None, (str(found.get("lockstep", "")), str(found.get("commit") or ""))))),
        ("Python", found.get("python", "")),
        ("MPI", mpi.get("version") or mpi.get("error", "")),
        ("libraries", ", ".join(f"{name} {version}" for name, version in libraries.items() if version)),
        ("machine", ", ".join(filter(None, (str(found.get("platform", "")), _cores(found))))),
        (
            "GPUs",
            _gpus(found),
        ),
        ("whole case", f"{raw['seconds']:.1f} s" if isinstance(raw.get("seconds"), float) else ""),
        ("signature", raw.get("signature", "")),
    ]
    return [(name, str(value)) for name, value in rows if value]


def _gpus(found: Mapping[str, Any]) -> str:
    return ", ".join(str(gpu.get("name", gpu) if isinstance(gpu, Mapping) else gpu) for gpu in found.get("gpus") or ())


def _cores(found: Mapping[str, Any]) -> str:
    return f"{found['cores']} cores" if found.get("cores") else ""
