"""Settings of all tests."""

from hypothesis import settings

# On a loaded machine an example may take any time; pytest-timeout ends what hangs. A deadline would make load a failure.
settings.register_profile("lockstep", deadline=None)
settings.load_profile("lockstep")
