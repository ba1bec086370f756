"""What is wrong with settings, in words: a line for each fault, with its key."""

import reprlib
from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

WORDING = {
    "bool_type": "must be true or false",
    "dict_type": "must hold keys with values",
    "extra_forbidden": "unknown key; allowed here: {allowed}",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "int_type": "must be a whole number",
    "invalid_key": "a key must be text: put it in quotes",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:.10g} or less",
    "literal_error": "must be {expected}",
    "missing": "missing",
    "model_type": "must hold keys with values",
    "string_pattern_mismatch": "a name is made of a-z, 0-9 and dashes",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "value_error": "{error}",
}
"""What is wrong, for each of pydantic's types of error."""


class Short(reprlib.Repr):
    """`repr` in a line."""

    def repr_int(self, value: int, level: int) -> str:
        if value.bit_length() > 1000:  # Python refuses to write thousands of digits
            return f"a number of {value.bit_length()} bits"
        return super().repr_int(value, level)


SHORT = Short()
SHORT.maxlevel = 2
SHORT.maxstring = SHORT.maxother = 80


def describe(
    error: ValidationError,
    section: type[BaseModel],
    prefix: str = "",
    beside: Iterable[str] = (),
) -> list[str]:
    """One line a fault: the dotted key, what is wrong, what is allowed.

    section: what was validated; prefix: the key that it stands under; beside: other keys that may
    stand there.
    """
    lines = []
    for fault in error.errors():
        kind, location, context = fault["type"], fault["loc"], fault.get("ctx", {})
        if kind == "lines":
            lines += context["lines"]
            continue
        if kind == "extra_forbidden":
            others = beside if len(location) == 1 else ()
            allowed = [*others, *allowed_keys(section, location)]
            context = {"allowed": ", ".join(allowed) or "none"}
        of_name = location[-1:] == ("[key]",)  # not of what it names
        if of_name:
            location = location[:-1]
            kind = "invalid_key" if kind == "string_type" else kind
        message = WORDING[kind].format(**context) if kind in WORDING else fault["msg"]
        if not of_name and kind not in ("extra_forbidden", "invalid_key", "missing", "value_error"):
            message += f" (is {SHORT.repr(fault['input'])})"
        key = ".".join(filter(None, [prefix, *map(str, location)]))
        lines.append(f"{key}: {message}" if key else message)
    return lines


def allowed_keys(section: Any, location: tuple[int | str, ...]) -> list[str]:
    """The keys that what stands around `location`, in a section, knows."""
    for part in location[:-1]:
        section = held(section)
        if get_origin(section) is dict:  # `part` is a name that the user chose, an experiment's say
            section = get_args(section)[1]
        elif get_origin(section) is tuple:
            section = get_args(section)[0]
        else:
            section = keys_of(section)[str(part)]
    return list(keys_of(held(section)))


def held(section: Any) -> Any:
    """Return what a type allows, without what is beside or about it: `X | None`, `Annotated[X]`."""
    while get_origin(section) in (Annotated, Union, UnionType):
        section = get_args(section)[0]
    return section


def keys_of(section: Any) -> dict[str, Any]:
    """The keys of a pydantic model or a TypedDict, each with its type."""
    if isinstance(section, type) and issubclass(section, BaseModel):
        return {key: field.annotation for key, field in section.model_fields.items()}
    return dict(section.__annotations__)
