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

if __name__ == "__main__":

    class TestGloo(TestDistBackend, DistributedTest._DistTestBase):  # type: ignore[misc, name-defined, unused-ignore]
        """All of them on this backend."""

    suite = unittest.TestSuite(TestGloo(name) for name in sys.argv[1:])
    sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())
