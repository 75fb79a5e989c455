"""Tiny packages as wheels, made in a moment: a folder of them is an index for pip without any network."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path


def wheel(folder: Path, name: str, version: str, body: str, tag: str = "py3-none-any", needs: str = "") -> Path:
    """A package of one module."""
    folder.mkdir(parents=True, exist_ok=True)
    path, info = folder / f"{name}-{version}-{tag}.whl", f"{name}-{version}.dist-info"
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    files = {
        f"{name}.py": body,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for where, text in files.items():
            archive.writestr(where, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{where},,\n" for where in (*files, f"{info}/RECORD")))
    return path


def index(folder: Path, name: str, bodies: Mapping[str, str], yanked: str = "") -> str:
    """Options with which pip finds these releases and no other; `yanked`: the version that was."""
    wheels = {version: wheel(folder, name, version, body) for version, body in bodies.items()}
    links = [
        f'<a href="{path.as_uri()}"{" data-yanked=broken" if version == yanked else ""}>{path.name}</a>'
        for version, path in wheels.items()
    ]
    (folder / "links.html").write_text(f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>")
    return f"--no-index --find-links {folder / 'links.html'}"
