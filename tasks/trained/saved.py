"""What a saved model says of itself, read with care, and without Keras."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from tasks.coding import Coding, saved_coding
from tasks.errors import UserError

MEMBERS = ("config.json", "metadata.json", "model.weights.h5")


def coding_of(paths: Sequence[Path]) -> Coding:
    """Return the coding of models. Raises UserError as `read_coding`, or where they differ."""
    codings = {read_coding(path): path for path in reversed(paths)}
    if len(codings) > 1:
        (one, first), (other, second) = list(codings.items())[:2]
        what = "classes" if one.classes != other.classes else "words for sex and site"
        raise UserError(f"{second} and {first} have other {what}: ask one of them, by --model")
    return next(iter(codings))


def read_coding(path: Path) -> Coding:
    """Return what classes and words the model at `path` was saved with.

    Raises UserError where it is no file that the stage `train` saves.
    """
    try:
        refuse_foreign(path)
        coding = saved_coding(path)
        refuse_strange(coding)
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except KeyError:
        raise UserError(f"{path} was not saved by the stage `train`: it names no classes") from None
    except Exception as error:  # a damaged file raises nearly everything
        raise UserError(f"{path} was not saved by the stage `train`: {last_line(error)}") from None
    return coding


def refuse_foreign(path: Path) -> None:
    """Raise UserError where an archive holds what `save_model` never puts there.

    It compresses nothing: members that hold more than the archive is large are a bomb.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if sorted(member.filename for member in members) != list(MEMBERS):
        names = ", ".join(member.filename for member in members)
        raise UserError(f"it holds {names[:200]}, instead of {', '.join(MEMBERS)}")
    large = sum(member.file_size for member in members)
    if large > path.stat().st_size:
        raise UserError(f"it is compressed, and would be {large:,} bytes large")


def refuse_strange(coding: Coding) -> None:
    """Raise UserError unless classes and words are text that can be printed, each once."""
    for name, words in coding._asdict().items():
        if not all(isinstance(word, str) and word.isprintable() and word for word in words):
            raise UserError(f"its {name} are not all words")
        if len(set(words)) < len(words):
            raise UserError(f"its {name} are not all different")
    if len(coding.classes) < 2:
        raise UserError("it has fewer than two classes")


def last_line(error: Exception) -> str:
    """What is wrong: Keras tells the whole configuration, and that at the end."""
    *_, last = str(error).splitlines() or [type(error).__name__]
    return last[:300]
