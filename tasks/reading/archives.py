"""Images in folders and zip archives, found and checked by their headers."""

import functools
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from PIL import Image, UnidentifiedImageError

from tasks.reading.faults import DataFaults
from tasks.reading.names import JPEG, SUFFIXES, is_image

LARGEST = 2**28  # bytes of an image, unpacked: what promises more is a bomb
ENCRYPTED = 1  # of a zip member's flags
SIGNATURES = ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP")
"""What a file named .jpg turns out to be at times. Some of Pillow's other readers run programs."""


def image_members(
    members: zipfile.ZipFile, suffixes: Sequence[str] = SUFFIXES
) -> list[zipfile.ZipInfo]:
    """The members `<image id>.jpg`, or of another of `suffixes`, anywhere in the archive.

    Hidden ones, such as the resource forks `._<image id>.jpg` that macOS adds, are no images.
    """
    return [member for member in members.infolist() if is_image(member.filename, suffixes)]


def is_folder(place: Path) -> bool:
    """Whether a place of images is a folder; what is called an archive has to be one."""
    return place.is_dir() and place.suffix.lower() != ".zip"


def files_below(folder: Path) -> list[str]:
    """The files in a folder at any depth, in order, as paths relative to it."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path.relative_to(folder).as_posix() for path in found]


def opened(archive: Path) -> zipfile.ZipFile:
    """Open an archive. Raises DataFaults when it is no zip file, or damaged."""
    try:
        return zipfile.ZipFile(archive)
    except Exception as error:  # a damaged directory leads zipfile to whatever it leads to
        text = f"{archive.name}: not a zip file, or a damaged one: {reason(error)}"
        raise DataFaults(archive.parent, [text]) from error


def image_names(place: Path, suffixes: Sequence[str]) -> list[str]:
    """The images in an archive or a folder. Raises DataFaults when it is neither."""
    if is_folder(place):
        return [name for name in files_below(place) if is_image(name, suffixes)]
    with opened(place) as members:
        return [member.filename for member in image_members(members, suffixes)]


def image_faults(place: Path, suffixes: Sequence[str] = SUFFIXES) -> Iterator[str]:
    """Every image of an archive or a folder that cannot be read, by its header."""
    if is_folder(place):
        for name in image_names(place, suffixes):
            if fault := fault_of(name, functools.partial(open, place / name, "rb")):
                yield f"{place.name}: {name} {fault}"
        return
    with opened(place) as members:
        for member in image_members(members, suffixes):
            fault = member_fault(member) or fault_of(
                member.filename, functools.partial(members.open, member)
            )
            if fault:
                yield f"{place.name}: {member.filename} {fault}"


def fault_of(name: str, opened: Callable[[], AbstractContextManager[Any]]) -> str | None:
    """What is wrong with an image by its header. opened: opens it."""
    try:
        with opened() as stream:
            return header_fault(stream, name)
    except Exception as error:  # readers raise whatever damaged data lead them to
        return f"cannot be read: {reason(error)}"


def member_fault(member: zipfile.ZipInfo) -> str | None:
    """What is wrong with a member by the archive's directory. Nothing is ever unpacked to a file,
    but a name that leads elsewhere, or a link, is not what it says it is.
    """
    path = PurePosixPath(member.filename)
    if path.is_absolute() or ".." in path.parts:
        return "has a path that leads out of the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link, not an image"
    if member.flag_bits & ENCRYPTED:
        return "is encrypted"
    if member.file_size > LARGEST:
        return f"has more than {LARGEST // 2**20} MiB unpacked"
    return None


def header_fault(stream: IO[bytes], name: str) -> str | None:
    """What is wrong with an image by its header. Raises whatever Pillow does.

    name: of its file; what is called a JPEG is to be one.
    """
    with warnings.catch_warnings():
        # Pillow warns of many pixels, and refuses only twice as many.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(stream, formats=SIGNATURES) as image:
            # MPO: with smaller copies after it, as of a camera
            if name.lower().endswith(JPEG) and image.format not in ("JPEG", "MPO"):
                return f"is {image.format}, not JPEG"
            if image.width * image.height > (Image.MAX_IMAGE_PIXELS or 0):
                raise Image.DecompressionBombError
    return None


def reason(error: Exception) -> str:
    """What an error says of an image or archive; Pillow names an object in memory at times."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {(Image.MAX_IMAGE_PIXELS or 0) // 10**6} megapixels"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
