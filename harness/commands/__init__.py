"""One file a command: `add` declares it, and the function it names does it by calling the rooms below."""

from __future__ import annotations

import argparse
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
