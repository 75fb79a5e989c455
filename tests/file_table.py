"""Prints every file of the product with the sentence that says what it owns: `make files`."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]


def sentence(path: Path) -> str:
    """The first sentence of a module's docstring, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


def main() -> None:
    """The table, by folder."""
    for top in ("harness", "engines", "benchmarks"):
        for path in sorted((ROOT / top).rglob("*.py"), key=lambda path: (str(path.parent), path.name)):
            if path.name != "__init__.py":
                print(f"| `{path.relative_to(ROOT)}` | {sentence(path)} |")


if __name__ == "__main__":
    main()
