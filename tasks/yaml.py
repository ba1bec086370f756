"""YAML files that people write: read, and checked against a model."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tasks.errors import UserError
from tasks.wording import describe

Model = TypeVar("Model", bound=BaseModel)


class SettingsError(UserError):
    """A file of settings asks for something that does not exist or cannot be."""


def read(path: Path, model: type[Model]) -> Model:
    """Return what the file holds.

    Raises
    ------
    SettingsError
        When it is missing or cannot be read, or with a line for every fault: the file, the key,
        what is wrong with it, what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
        # DVC's own reader: PyYAML takes 010 for 8, 1e-3 for text, and a key that stands twice.
        content = YAML(typ="safe").load(text)
    except FileNotFoundError:
        raise SettingsError(
            f"{path.resolve()} is missing: run from the project's top folder"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    except MarkedYAMLError as error:
        problem = f"line {error.problem_mark.line + 1}: {error.problem}"
        raise SettingsError(f"{path} is not valid YAML: {problem}") from None
    except (YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        raise SettingsError(f"{path} is not valid YAML: {error}") from None
    if content is None:
        raise SettingsError(f"{path} is empty: it must hold {', '.join(model.model_fields)}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = describe(error, model)
        raise SettingsError("\n".join(f"{path}: {line}" for line in lines)) from None
