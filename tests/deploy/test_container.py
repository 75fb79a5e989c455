"""deploy/container/Containerfile: built without a container engine's daemon, and what is in it run (make test-deploy)."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .checkout import DEPLOY, ROOT
from .test_kubernetes import container

FILE = DEPLOY / "container" / "Containerfile"
TEXT = FILE.read_text()


def test_instructions() -> None:
    """The file begins with its base, copies only what the checkout has, and ends as a user who is not root."""
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE)).splitlines()
    instructions = [line.split()[0] for line in lines if line.strip()]
    known = {"ARG", "FROM", "RUN", "COPY", "WORKDIR", "ENV", "USER", "EXPOSE", "CMD"}
    assert set(instructions) <= known
    assert instructions[:2] == ["ARG", "FROM"]
    for sources in re.findall(r"^COPY (.*) \S+$", TEXT, re.MULTILINE):
        assert all((ROOT / source).exists() for source in sources.split())
    assert re.findall(r"^USER (\w+)$", TEXT, re.MULTILINE) == ["lockstep"]
    assert lines[-1] == 'CMD ["lockstep", "doctor"]'


def test_nothing_large_is_copied() -> None:
    """What git does not track does not go into the image."""
    ignored = set((ROOT / ".dockerignore").read_text().split())
    tracked = (ROOT / ".gitignore").read_text().split()
    assert {".venv*", "build", "reports/runs", "reports/bisections", "**/__pycache__"} <= ignored
    assert {"build/", "reports/runs/", "reports/bisections/"} <= set(tracked)


class Buildah:
    """buildah with a storage of its own."""

    def __init__(self, folder: Path) -> None:
        self.command = [
            "buildah",
            "--root",
            str(folder / "store"),
            "--runroot",
            str(folder / "run"),
            "--storage-driver",
            "vfs",
        ]

    def __call__(self, *arguments: str, network: bool = True, check: bool = True, timeout_s: float = 1200.0) -> str:
        """Run it; what it printed. Without network the command has a loopback of its own and nothing else."""
        alone = [] if network else ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
        done = subprocess.run(
            [*alone, *self.command, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0 or not check, done.stderr[-4000:] + done.stdout[-4000:]
        return done.stdout + done.stderr


@dataclass(frozen=True, slots=True)
class Image:
    """The image as a container of it, and the commit that it was made of."""

    buildah: Buildah
    container: str
    commit: str

    def run(self, script: str) -> str:
        """A shell script in it, as its user, with a loopback of its own."""
        return self.buildah("run", "--isolation", "chroot", self.container, "--", "bash", "-ec", script, network=False)


def of_this_machine() -> list[str]:
    """What pip and apt need here to reach their indexes: their configuration and the folders that it names."""
    pip = [sys.executable, "-m", "pip", "config"]
    debug, given = (
        subprocess.run([*pip, word], capture_output=True, text=True, check=True).stdout for word in ("debug", "list")
    )
    named = re.findall(r"(/[^\s':,]+), exists: True", debug) + re.findall(r"(?<![\w/])/(?!/)[^\s']+", given)
    places = {Path(place.removesuffix("/simple")) for place in named} | {Path("/etc/apt"), Path("/etc/ssl/certs")}
    mounts = [word for place in sorted(places) if place.exists() for word in ("--volume", f"{place}:{place}:ro")]
    names = [name for name in os.environ if re.match(r"(PIP|SSL_CERT|HTTPS?_PROXY|NO_PROXY)", name, re.IGNORECASE)]
    return mounts + [word for name in sorted(names) for word in ("--env", name)]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image, built on a Debian that debootstrap made, and a container of it."""
    lacking = [name for name in ("buildah", "debootstrap", "unshare", "ip") if shutil.which(name) is None]
    assert not lacking, f"install {', '.join(lacking)}"
    assert os.geteuid() == 0, "debootstrap and an isolation by chroot need root"
    folder = tmp_path_factory.mktemp("container")
    mirror = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, check=True
    )
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    packages = "--include=python3,python3-venv,ca-certificates"
    base = ["debootstrap", "--variant=minbase", packages, release, str(folder / "base"), mirror.stdout.split()[0]]
    subprocess.run(base, check=True, capture_output=True, timeout=900)
    context = folder / "context"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(context)], check=True, timeout=60)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=context, capture_output=True, text=True, check=True
    ).stdout.strip()
    buildah = Buildah(folder)
    first = buildah("from", "scratch").split()[-1]
    buildah("add", first, str(folder / "base"), "/")
    buildah("commit", first, "localhost/base")
    given = ["--isolation", "chroot", "--layers=false", *of_this_machine(), "--build-arg", "BASE=localhost/base"]
    buildah("bud", *given, "--file", str(context / FILE.relative_to(ROOT)), "--tag", "localhost/lockstep", str(context))
    try:
        yield Image(buildah, buildah("from", "localhost/lockstep").split()[-1], head.strip())
    finally:
        buildah("rm", "--all", check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.deploy
@pytest.mark.timeout(2400)
def test_doctor(image: Image) -> None:
    """The image's own command finds all that ranks need, as a user who is not root."""
    said = image.run("id --user; lockstep doctor")
    assert said.splitlines()[0] == "1000"
    assert re.search("^ok +launcher +hydra", said, re.MULTILINE)
    assert re.search("^ok +py-spy", said, re.MULTILINE)
    assert "FAIL" not in said


@pytest.mark.deploy
@pytest.mark.timeout(600)
def test_a_case(image: Image) -> None:
    """A planted hang is found in it; the run knows the commit of the code."""
    said = image.run("lockstep run planted-hangs -k no-fault; grep '\"commit\"' reports/runs/latest/run.json")
    assert "1 case: 1 as expected" in said
    assert image.commit in said


@pytest.mark.deploy
@pytest.mark.timeout(600)
def test_worker(image: Image, tmp_path: Path) -> None:
    """A worker's sshd takes a key as the operator mounts it, root's and readable; a session finds the image's commands."""
    key = tmp_path / "id_rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-b", "521", "-m", "PEM", "-N", "", "-f", str(key)], check=True)
    for source, target in ((key, "id_rsa"), (Path(f"{key}.pub"), "authorized_keys")):
        mode = ("--chown", "0:0", "--chmod", "0644")
        image.buildah("copy", *mode, image.container, str(source), f"/home/lockstep/.ssh/{target}")
    sshd = " ".join(container("Worker")["command"])
    said = image.run(f"{sshd} & ssh localhost 'id --user; lockstep --version'; kill $!")
    assert re.search(r"1000\nlockstep \d", said)
