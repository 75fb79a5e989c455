"""PyTorch's own tests of torch.distributed on gloo, those of the installed wheel: `torch_suite.py TEST...`."""

from __future__ import annotations

import os
import sys
import tempfile
import unittest

os.environ.update(BACKEND="gloo", WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", INIT_METHOD="env://")
os.environ.setdefault("TEMP_DIR", tempfile.mkdtemp())

from torch.testing._internal.distributed.distributed_test import (
    DistributedTest,
    TestDistBackend,
)


class TestGloo(TestDistBackend, DistributedTest._DistTestBase):  # type: ignore[misc, name-defined, unused-ignore]
    """All of them on this backend. At the top of the module: the ranks that it spawns look for it there."""

    def setUp(self) -> None:
        """Start the ranks."""
        super().setUp()  # type: ignore[no-untyped-call, unused-ignore]
        self._spawn_processes()  # type: ignore[no-untyped-call, unused-ignore]


if __name__ == "__main__":
    suite = unittest.TestSuite(TestGloo(name) for name in sys.argv[1:])
    sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())
