"""`python -m flows`, and `lesionflow` where it is installed: every command, by its group."""

from flows.engine.program import begin

begin()

import ast  # noqa: E402 - before `begin`, nothing that reads the environment
import importlib  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import typer  # noqa: E402
from typer.core import TyperGroup  # noqa: E402

FLOWS = Path(__file__).parent
GROUPS = {
    "Run the DAG": ("demo", "pipeline", "settings", "clean"),
    "Look at results": ("page", "compare", "explain", "recompute", "seconds", "readme"),
    "Ask a model": ("predict", "score", "export"),
    "Your own images": ("data", "same-lesion"),
    "On a schedule": ("worker",),
}


def module_of(command: str) -> str:
    """Return the name of the module whose `main`, or `app`, is a command."""
    name = command.replace("-", "_")
    return f"flows.{name}" if (FLOWS / f"{name}.py").exists() else f"flows.commands.{name}"


def summary(command: str) -> str:
    """Return the first line of what a command says of itself, without importing it."""
    path = FLOWS.parent.joinpath(*module_of(command).split(".")).with_suffix(".py")
    module = ast.parse(path.read_text(encoding="utf-8"))
    main = (node for node in module.body if getattr(node, "name", "") == "main")
    said = ast.get_docstring(next(main, module))  # type: ignore[arg-type]
    return (said or "").partition("\n")[0]


class Commands(TyperGroup):
    """Commands that are imported when they are asked for: most import what takes seconds."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [command for commands in GROUPS.values() for command in commands]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(module_of(cmd_name))
        app = getattr(module, "app", None)
        if app is None:
            app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            app.command()(module.main)
        return typer.main.get_command(app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for group, commands in GROUPS.items():
            with formatter.section(group):
                formatter.write_dl([(command, summary(command)) for command in commands])


app = typer.Typer(
    cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)


@app.callback()
def lesionflow() -> None:
    """All that is done beside `dvc repro`, which runs the stages. COMMAND --help says more."""


if __name__ == "__main__":
    app(prog_name="python -m flows")
