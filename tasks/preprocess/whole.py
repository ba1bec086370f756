"""All that is wrong with a data set, as far as one can see at once; images are decoded too."""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from PIL import Image

from tasks.preprocess.check import check, image_places, read_metadata
from tasks.reading.archives import SIGNATURES, image_members, image_names, is_folder, opened, reason
from tasks.reading.decode import flat, scale
from tasks.reading.faults import DataError, DataFaults
from tasks.sets.dataset import Dataset


def check_whole(folder: Path, described: Dataset, report: Callable[[int], None]) -> pd.DataFrame:
    """As `check`, and every image must be one that can be decoded.

    report: called with the number of images decoded since the last call.

    Raises DataFaults with all faults; one that hides others, such as a missing column, is told with
    those that can be seen beside it.
    """
    faults: list[str] = []
    places: list[Path] = []
    table = None
    try:
        read_metadata(folder, described)
    except DataError as error:
        faults.append(str(error))
    try:
        places = image_places(folder, described)
    except DataError as error:
        faults.append(str(error))
    if not faults:
        try:
            table = check(folder, described)
        except DataFaults as error:
            faults += error.faults
    for place in places:
        for fault in damaged(place, described.images.suffixes, report):
            # `check` may have seen it by the header
            if not any(known.startswith(fault.partition(" is damaged")[0]) for known in faults):
                faults.append(fault)
    if table is None or faults:
        raise DataFaults(folder, faults)
    return table


def damaged(place: Path, suffixes: tuple[str, ...], report: Callable[[int], None]) -> Iterator[str]:
    """Every image of an archive or a folder whose data cannot be decoded."""
    try:
        with reader(place, suffixes) as (names, content):
            for name in names:
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                        with Image.open(io.BytesIO(content(name)), formats=SIGNATURES) as image:
                            scale(flat(image), 8, 8)
                except Exception as error:  # readers raise whatever damaged data lead them to
                    yield f"{place.name}: {name} is damaged: {reason(error)}"
                report(1)
    except DataFaults:
        return  # told already: it is no archive


@contextmanager
def reader(
    place: Path, suffixes: tuple[str, ...]
) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """The images of an archive or a folder by name, and what reads one."""
    if is_folder(place):
        yield image_names(place, suffixes), lambda name: (place / name).read_bytes()
    else:
        with opened(place) as members:
            yield [it.filename for it in image_members(members, suffixes)], members.read
