"""The test suites of others, watched and plain."""
