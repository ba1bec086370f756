"""Write a page of the documentation."""

from pathlib import Path

from tasks.files import atomic


def write(path: Path, text: str) -> None:
    """Write it whole or not at all, and say where."""
    with atomic(path) as beside:
        beside.write_text(text, encoding="utf-8")
    print(path)
