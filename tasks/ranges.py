"""What a setting may be: types for the parameters of samplers, models and recipes, and sections."""

from typing import Annotated

from pydantic import Field

LARGEST_SEED = 2**31 - 1  # numpy's generators take less than 2**32, and some count on from the seed

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Portion = Annotated[float, Field(ge=0, lt=1)]
"""A fraction that may be none of it."""
