"""The key of a piece of work: what its products depend on, as one hash."""

import ast
import hashlib
import importlib.metadata
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from tasks.errors import UserError
from tasks.files import file_hash
from tasks.surroundings import processor

TASKS = Path(__file__).parent.parent

parsing = threading.Lock()
"""CPython 3.11 counts the depth of all threads' parsers in one place and raises SystemError."""

COMPUTING = {
    "PIL": ("pillow",),
    "imblearn": ("imbalanced-learn", "scikit-learn", "scipy"),
    "keras": ("keras", "scipy", "tensorflow"),
    "keras_tuner": ("keras-tuner",),
    "matplotlib": ("matplotlib",),
    "numpy": ("numpy",),
    "pandas": ("pandas",),
    "pyarrow": ("pyarrow",),
    "scipy": ("scipy",),
    "sklearn": ("scikit-learn", "scipy"),
    "tensorflow": ("tensorflow",),
}
"""Modules that results depend on where code imports them: the distributions that they compute with.
"""

SOURCES = {path: path.read_text(encoding="utf-8") for path in TASKS.rglob("*.py")}
"""The code of `tasks` when this process imported it."""


class ChangedInputError(UserError):
    """An input file, or the code, changed under a task that works with it."""


class Code(NamedTuple):
    """trees: the syntax tree of each module, by its name. libraries: the distributions that they
    compute with.
    """

    trees: dict[str, str]
    libraries: set[str]

    def described(self) -> dict[str, Any]:
        """Return it as it enters a key."""
        versions = {name: importlib.metadata.version(name) for name in sorted(self.libraries)}
        return {"code": digest(self.trees), "libraries": versions}


def code_of(module: str) -> Code:
    """Return a module of `tasks` and all of `tasks` that it uses, at any depth.

    It uses what it imports, and what it names in a string such as "tasks.train.loop:fit" (a
    function to call in another process). Comments, docstrings and layout do not count. Nor do
    this package and tasks.files: they decide whether work is done, not what comes of it.

    Raises ChangedInputError when the code on disk is no longer that which this process imported.
    """
    code = Code({}, set())
    waiting = [module]
    while waiting:
        name = waiting.pop()
        code.libraries.update(COMPUTING.get(name.split(".")[0], ()))
        if name in code.trees or (path := module_path(name)) is None:
            continue
        text = path.read_text(encoding="utf-8")
        tree = syntax_tree(text)
        code.trees[name] = ast.dump(tree)
        imported = SOURCES.get(path, text)
        if imported != text and ast.dump(syntax_tree(imported)) != code.trees[name]:
            raise ChangedInputError(f"{path} changed after it was imported; run it again")
        waiting += names_in(tree)
    return code


def names_in(tree: ast.Module) -> Iterator[str]:
    """Yield the modules that a module imports or names, and some names that are none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            # `from tasks.train import models` imports a module, `from tasks.x import f` may not
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and is_reference(node.value):
            yield node.value.split(":")[0]


def module_path(name: str) -> Path | None:
    """Return the source file of a module of the package `tasks`, and None for anything else."""
    if name.split(".")[0] != "tasks" or name.startswith(("tasks.cache", "tasks.files")):
        return None
    stem = TASKS.parent.joinpath(*name.split("."))
    candidates = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def is_reference(value: Any) -> TypeGuard[str]:
    """Whether `value` is a string that names a function of `tasks`: "tasks.train.fit:fit"."""
    return isinstance(value, str) and re.fullmatch(r"tasks(\.\w+)+:\w+", value) is not None


def syntax_tree(text: str) -> ast.Module:
    """The syntax tree of a module, without its docstrings and other bare strings."""
    with parsing:
        try:
            tree = ast.parse(text)
        except SystemError:  # a library parsed something in a thread of its own
            tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [
                line
                for line in node.body
                if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
            ]
    return tree


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, in hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def described(value: Any) -> Any:
    """`value` as it enters a key: a file by its contents, a function by its code."""
    if isinstance(value, Path):
        return {"sha256": file_hash(value)}
    if isinstance(value, dict):
        return {str(key): described(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [described(item) for item in value]
    if is_reference(value):
        return {"function": value, **code_of(value.split(":")[0]).described()}
    return value


def key_of(work: Callable[..., Any], inputs: dict[str, Any]) -> str:
    """Return the cache key of `work(**inputs)`."""
    return digest(
        {
            "work": f"{work.__module__}.{work.__qualname__}",
            **code_of(work.__module__).described(),
            "inputs": described(inputs),
        }
        | processor()
    )
