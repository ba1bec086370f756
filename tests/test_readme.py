"""README.md says what is so."""

import re
from pathlib import Path

import pytest
from conftest import PROJECT

from flows.work.readme import filled


def test_blocks_are_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    text = Path("README.md").read_text()
    assert filled(text) == text, "run `make readme`"


def test_commands_of_ci_are_those_of_the_readme() -> None:
    text = (PROJECT / "README.md").read_text()
    for command in re.findall(r"^make \w+", (PROJECT / ".ci" / "run").read_text(), re.MULTILINE):
        assert f"\n{command} " in text
