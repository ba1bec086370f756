"""CSV files."""

import csv
from collections.abc import Iterable
from pathlib import Path

from tasks.reading.faults import DataError, printable

SEPARATORS = ",;\t"  # semicolons: a spreadsheet's, where commas stand in numbers


def read_csv(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header of a CSV, and its rows, each with its line as an editor numbers them.

    The separator is that of SEPARATORS which the first line has most of.

    Raises DataError when it is no CSV.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            separator = max(SEPARATORS, key=stream.readline().count)
            stream.seek(0)
            reader = csv.reader(stream, delimiter=separator)
            return next(reader, []), [(reader.line_num, values) for values in reader if values]
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a CSV file: {error}") from None


def no_column(path: Path, name: str, header: Iterable[object]) -> DataError:
    found = printable(", ".join(map(str, header))) or "none"
    return DataError(f"{path}: no column {name}; found: {found}")
