"""The environment of a command that is watched: what the user had, and what attaches the recorder to each process of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lockstep.harness.channel.bootstrap import Plan
from lockstep.harness.environment import ATTACH, INDEX, NATIVE, PLAN, SUPERVISOR
from lockstep.harness.supervisor.dumps import OLD_NAME, dump_environment

SITE = Path(__file__).parents[1] / "attach" / "site"


def command_environment(plan: Plan, environ: dict[str, str], index: int, address: str) -> dict[str, str]:
    """What the command gets: what the user had, and the recorder."""
    env = {name: value for name, value in environ.items() if name not in (PLAN, INDEX)}
    env |= {name: value for name, value in dump_environment(env, index).items() if name != OLD_NAME}
    for name in ("TMPDIR",):  # the user's own: files that a program leaves there are meant to stay
        value = plan.spec.get("environ", {}).get(name)
        env.pop(name, None)
        if value is not None:
            env[name] = value
    env |= plan.spec.get("env", {})
    env |= plan.visible(index)
    env[ATTACH], env[SUPERVISOR] = address, str(os.getpid())
    if env.get(NATIVE) == "1":
        from lockstep.harness.native.build import build  # not on the way to the start of who does not want it

        found = build(large="PMI_RANK" in env and "PMIX_NAMESPACE" not in env)  # MPICH's launcher has started this
        if found.library is not None:
            env["LD_PRELOAD"] = " ".join(filter(None, (str(found.library), env.get("LD_PRELOAD"))))
        else:
            env[NATIVE] = found.said  # which ranks tell, and so the verdict
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(SITE), env.get("PYTHONPATH"))))
    env.setdefault("PYTHONUNBUFFERED", "1")  # what it prints is seen at once
    if plan.world > 1 and not starts_ranks(plan.argv):
        # As torchrun would tell it; a program that goes by MPI does not look.
        rank_here, ranks_here = plan.local_rank(index)
        told = {"RANK": index, "WORLD_SIZE": plan.world, "LOCAL_RANK": rank_here, "LOCAL_WORLD_SIZE": ranks_here}
        if "RANK" not in env and "MASTER_PORT" not in env:
            env |= {name: str(value) for name, value in told.items()}
            env |= {"MASTER_ADDR": plan.spec["master"], "MASTER_PORT": str(plan.spec["port"])}
    return env


def starts_ranks(argv: Sequence[str]) -> bool:
    """Whether the command is torchrun, one of several: the ranks are the processes that it starts, not it."""
    return any(Path(word).name in ("torchrun", "torch.distributed.run", "torch.distributed.launch") for word in argv[:3])
