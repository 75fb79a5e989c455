"""What this machine lacks for tests on several hosts, and how to get it: `python -m tests.cluster`."""

from __future__ import annotations

import sys

from tests.cluster import hosts, slurm

if __name__ == "__main__":
    sys.exit("\n".join(filter(None, (hosts.missing(), slurm.missing()))) or 0)
