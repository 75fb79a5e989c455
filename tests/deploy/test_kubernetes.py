"""deploy/kubernetes/mpijob.yaml: the operator's CRD and Kubernetes' own schema take it, and its parts fit the image."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from lockstep.harness.placement.hosts import Host, parse_file

from .checkout import BASELINE, DEPLOY, another_blame, run

SCHEMA = json.loads((Path(__file__).parent / "mpijob.schema.json").read_text())
CLAIM, JOB = yaml.safe_load_all((DEPLOY / "kubernetes" / "mpijob.yaml").read_text())
SPEC: dict[str, Any] = JOB["spec"]
REPLICAS: dict[str, Any] = SPEC["mpiReplicaSpecs"]
SSHD = (DEPLOY / "container" / "sshd_config").read_text()
KUBERNETES = "1.32"


def container(role: str) -> dict[str, Any]:
    """The container of a role's pods."""
    (found,) = REPLICAS[role]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def pod(role: str) -> dict[str, Any]:
    """A role's pod template as an object of its own."""
    return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": REPLICAS[role]["template"]}


def test_mpijob() -> None:
    """The job is one by the fields and values that the operator's CRD and its validation know, and by no others."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(JOB, SCHEMA)


@pytest.mark.parametrize("role", ["Launcher", "Worker"])
def test_pods(role: str) -> None:
    """The pod templates have no field that Kubernetes does not know, and no value of another type."""
    kubernetes_validate.validate(pod(role), KUBERNETES, strict=True)


def test_claim() -> None:
    """So has the claim for the reports."""
    kubernetes_validate.validate(CLAIM, KUBERNETES, strict=True)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("spec.cleanPodPolicy", "Running"),  # belongs in runPolicy
        ("spec.runPolicy.cleanPodPolicy", "Always"),
        ("spec.slotsPerWorker", "8"),
        ("spec.mpiImplementation", "mpich"),
        ("spec.mpiReplicaSpecs.Launcher.replicas", 2),
        ("spec.mpiReplicaSpecs.Launcher.restartPolicy", "Always"),
        ("spec.mpiReplicaSpecs.Worker.replicas", 0),
        ("spec.mpiReplicaSpecs.worker", {}),
        ("apiVersion", "kubeflow.org/v1"),
    ],
)
def test_a_wrong_job_is_noticed(place: str, value: object) -> None:
    """Our schema of the CRD refuses what the operator refuses."""
    job = copy.deepcopy(JOB)
    *path, last = place.split(".")
    inside = job
    for name in path:
        inside = inside[name]
    inside[last] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(job, SCHEMA)


@pytest.mark.parametrize(("key", "value"), [("volumeMount", []), ("command", "sshd"), ("readinessProbe", {"tcp": 1})])
def test_a_wrong_pod_is_noticed(key: str, value: object) -> None:
    """Kubernetes' schema refuses an unknown field and a value of another type."""
    wrong = copy.deepcopy(pod("Worker"))
    wrong["template"]["spec"]["containers"][0][key] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_nothing_turns_a_red_night_green() -> None:
    """Neither the job nor its pods are started again, and the night has ended before it would be ended."""
    assert SPEC["runPolicy"]["backoffLimit"] == 0
    assert {role["restartPolicy"] for role in REPLICAS.values()} == {"Never"}
    budget = next(int(entry["value"]) for entry in container("Launcher")["env"] if entry["name"] == "LOCKSTEP_BUDGET")
    assert budget < SPEC["runPolicy"]["activeDeadlineSeconds"]


@pytest.mark.parametrize("role", ["Launcher", "Worker"])
def test_volumes(role: str) -> None:
    """What is mounted is there, and the claim is the one of this file."""
    spec = REPLICAS[role]["template"]["spec"]
    assert {mount["name"] for mount in container(role)["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}
    claims = [
        volume["persistentVolumeClaim"]["claimName"] for volume in spec["volumes"] if "persistentVolumeClaim" in volume
    ]
    assert all(name == CLAIM["metadata"]["name"] for name in claims)


def test_image() -> None:
    """Port, key, user and folders are those of the image and of its sshd."""
    text = (DEPLOY / "container" / "Containerfile").read_text()
    worker, launcher = container("Worker"), container("Launcher")
    assert worker["image"] == launcher["image"]
    (port,) = worker["ports"]
    assert re.findall(r"^Port (\d+)$", SSHD, re.MULTILINE) == [str(port["containerPort"])]
    assert worker["readinessProbe"]["tcpSocket"]["port"] == port["name"]
    assert re.findall(r"^HostKey (.*)/id_rsa$", SSHD, re.MULTILINE) == [SPEC["sshAuthMountPath"]]
    assert worker["command"][:3] == ["/usr/sbin/sshd", "-De", "-f"]
    assert f"deploy/container/sshd_config deploy/container/ssh_config {Path(worker['command'][3]).parent}/" in text
    user = REPLICAS["Worker"]["template"]["spec"]["securityContext"]["runAsUser"]
    assert f"--uid {user} --shell /bin/bash lockstep" in text
    (reports,) = launcher["volumeMounts"]
    assert f"WORKDIR {reports['mountPath'].removesuffix('/reports/runs')}\n" in text
    shm = next(volume for volume in REPLICAS["Worker"]["template"]["spec"]["volumes"] if volume["name"] == "shm")
    assert shm["emptyDir"]["medium"] == "Memory"


@pytest.mark.parametrize("form", ["{}:{}", "{} slots={}"])
def test_host_file(form: str) -> None:
    """`--hosts` reads the operator's host file, for MPICH and for Open MPI: names as its service has them."""
    names = [f"lockstep-worker-{number}.lockstep.team.svc" for number in range(REPLICAS["Worker"]["replicas"])]
    text = "".join(form.format(name, SPEC["slotsPerWorker"]) + "\n" for name in names)
    assert parse_file(text, "/etc/mpi/hostfile") == tuple(Host(name, 8) for name in names)


def launched(folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The launcher's command as it stands, in a checkout that has a host file; its message goes to a file there."""
    launcher = container("Launcher")
    (script,) = launcher["args"]
    assert "/etc/mpi/hostfile" in script
    given = {entry["name"]: entry["value"] for entry in launcher["env"]}
    given |= {"LOCKSTEP_DEVICE": "cpu", "LOCKSTEP_MESSAGE": str(folder / "message"), **more}
    given["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # as in the image
    return run(launcher["command"], script.replace("/etc/mpi/hostfile", "hosts.txt"), folder, given)


@pytest.mark.timeout(300)
def test_the_launcher(checked_out: Path) -> None:
    """A green night is compared with its baseline and leaves its summary and metrics; a red one ends with its code, after
    all the same."""
    done = launched(checked_out, LOCKSTEP_RUN="pods-1", LOCKSTEP_BASELINE=BASELINE, LOCKSTEP_TEXTFILES=str(checked_out))
    assert done.returncode == 0, done.stderr
    assert "0 changes for the worse" in done.stdout
    assert (checked_out / "message").read_text().startswith("# Run pods-1")
    assert "lockstep_run_exit_code" in (checked_out / "lockstep-cpu.prom").read_text()
    with another_blame(checked_out):
        done = launched(checked_out, LOCKSTEP_RUN="pods-2", LOCKSTEP_BASELINE=BASELINE)
    assert done.returncode == 4
    assert "1 changes for the worse" in done.stdout
    assert "## Not as expected" in (checked_out / "message").read_text()


def test_a_launcher_without_a_night(checked_out: Path) -> None:
    """Where nothing was run, that error is the only one, and its code the pod's."""
    done = launched(checked_out, LOCKSTEP_CASES="no-such-scenario", LOCKSTEP_RUN="pods-3", LOCKSTEP_BASELINE=BASELINE)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no-such-scenario: no such file, folder or scenario" in done.stderr
