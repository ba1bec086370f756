"""Put tables into a page of the documentation."""

from collections.abc import Mapping
from pathlib import Path

from flows.work.readme import put
from tasks.files import atomic


def fill(path: Path, blocks: Mapping[str, str]) -> None:
    """Write the page anew with these blocks, whole or not at all, and say where."""
    text = put(path.read_text(encoding="utf-8"), blocks)
    with atomic(path) as beside:
        beside.write_text(text, encoding="utf-8")
    print(path)
