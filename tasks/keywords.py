"""Samplers, models and recipes: a file each, whose function's keywords are keys of params.yaml."""

import functools
import inspect
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, create_model

from tasks.errors import UserError
from tasks.ranges import Seed
from tasks.sets.dataset import STRICT
from tasks.wording import describe


def modules(package: str) -> tuple[str, ...]:
    """The names of the modules in a package of `tasks`: each is one model, or one sampler."""
    folder = Path(__file__).parent.parent.joinpath(*package.split("."))
    return tuple(sorted(path.stem for path in folder.glob("[a-z]*.py")))


@dataclass(frozen=True)
class Kind:
    """Modules of one package, which have a function of the same name each."""

    word: str
    package: str
    function: str

    @property
    def names(self) -> tuple[str, ...]:
        return modules(self.package)

    def reference(self, name: str) -> str:
        """ "module:function", by which a process or a cached task finds it."""
        return f"{self.package}.{name}:{self.function}"

    def parameters(self, name: str) -> Mapping[str, inspect.Parameter]:
        """Those of a module's function."""
        return parameters(self.reference(name))

    def first(self, name: str) -> str:
        """The name of the first parameter: of a model and a recipe, what they see."""
        return next(iter(self.parameters(name)))

    def keywords(self, name: str) -> dict[str, Any]:
        """The keyword-only parameters, each with its default; `...` where it has none."""
        return {
            key: ... if parameter.default is parameter.empty else parameter.default
            for key, parameter in self.parameters(name).items()
            if parameter.kind is parameter.KEYWORD_ONLY
        }

    def faults(
        self, prefix: str, name: str, values: Mapping[str, Any], beside: Iterable[str] = ()
    ) -> list[str]:
        """A line for each fault of values for the keywords.

        prefix: the key that they stand under; beside: other keys that may stand there.
        """
        parameters = self.parameters(name)
        fields: dict[str, Any] = {
            key: (Seed if key == "seed" else parameters[key].annotation, default)
            for key, default in self.keywords(name).items()
        }
        checked: type[BaseModel] = create_model("Keywords", __config__=STRICT, **fields)
        try:
            checked.model_validate(values)
        except ValidationError as error:
            return describe(error, checked, prefix, beside)
        return []


@functools.cache
def parameters(reference: str) -> Mapping[str, inspect.Parameter]:
    """Those of the function that "module:function" names. Raises UserError where there is none."""
    try:
        function = pkgutil.resolve_name(reference)
    except AttributeError:
        module, name = reference.split(":")
        raise UserError(f"{module} has no function `{name}`") from None
    return inspect.signature(function).parameters


SAMPLER = Kind("sampler", "tasks.oversample.samplers", "sample")
MODEL = Kind("model", "tasks.train.models", "build")
RECIPE = Kind("recipe", "tasks.train.recipes", "recipe")
