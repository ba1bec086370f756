"""The columns of ISIC's challenges: of their ground truth, and of submissions to them.

N. Codella and others, "Skin Lesion Analysis Toward Melanoma Detection 2018", arXiv:1902.03368;
https://challenge.isic-archive.com/landing/2019.
"""

from collections.abc import Collection

from tasks.errors import UserError

NONE_OF_THEM = "UNK"
"""A column for what is of no class: no model here says that of an image."""

LAYOUTS = {
    "ISIC 2018 Task 3": ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"),
    "ISIC 2019": ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", NONE_OF_THEM),
}


def challenge_of(classes: Collection[str]) -> str | None:
    """Return the challenge that has these classes, in whatever order."""
    for name, columns in LAYOUTS.items():
        if set(classes) == {column.lower() for column in columns if column != NONE_OF_THEM}:
            return name
    return None


def columns_of(classes: Collection[str]) -> tuple[str, ...]:
    """Return the columns of a submission. Raises UserError where no challenge has the classes."""
    if (challenge := challenge_of(classes)) is None:
        known = "; ".join(
            f"{name} of {', '.join(columns).lower()}" for name, columns in LAYOUTS.items()
        )
        raise UserError(
            f"--format isic: the model's classes are {', '.join(classes)}, and submissions are to "
            f"{known}: take --format csv"
        )
    return LAYOUTS[challenge]
