"""Tests of lockstep.harness.bisect."""
