"""`python -m flows`: what there is, in a line each, and quick to say what it takes."""

import pytest
from conftest import PROJECT, python
from typer.testing import CliRunner

from flows.__main__ import GROUPS, app, summary

COMMANDS = [command for commands in GROUPS.values() for command in commands]
HEAVY = {
    "dvc",
    "keras",
    "matplotlib",
    "numpy",
    "pandas",
    "prefect",
    "scipy",
    "sklearn",
    "tensorflow",
}


def test_every_command_is_listed_in_a_line() -> None:
    files = {path.stem for path in (PROJECT / "flows/commands").glob("[a-z]*.py")} | {"pipeline"}
    assert {command.replace("-", "_") for command in COMMANDS} == files
    lines = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).stdout.splitlines()
    for command in COMMANDS:
        assert summary(command)
        assert [line for line in lines if line.split()[:1] == [command]], command
        assert any(line.endswith(summary(command)) for line in lines), f"{command}: too long"


@pytest.mark.parametrize("how", ["flows {}", "flows.{}"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_that_takes_long(command: str, how: str) -> None:
    """What is heavy is imported when there is something to do."""
    words = how.format(command if " " in how else command.replace("-", "_")).split()
    done = python(PROJECT, "-X", "importtime", "-m", *words, "--help")
    imported = {line.rpartition("|")[2].strip() for line in done.stdout.splitlines() if "|" in line}
    assert done.returncode == 0, done.stdout
    assert "Usage" in done.stdout
    assert not imported & HEAVY


def test_unknown_command_is_told() -> None:
    done = CliRunner().invoke(app, ["prdict"])
    assert done.exit_code == 2
    assert "No such command 'prdict'" in done.output


def test_prediction_starts_without_prefect() -> None:
    code = "import sys, flows.work.predict; print(sorted({'prefect', 'dvc'} & set(sys.modules)))"
    assert python(PROJECT, "-c", code).stdout == "[]\n"
