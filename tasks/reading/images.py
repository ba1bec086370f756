"""Image files of any kind and size, read as a network takes them."""

import base64
import functools
import glob
import io
import os
import stat
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tasks.errors import UserError
from tasks.reading import archives
from tasks.reading.archives import LARGEST, SIGNATURES
from tasks.reading.decode import UPRIGHT, flat, orientation, upright
from tasks.reading.faults import decoded, printable
from tasks.reading.names import SUFFIXES

KINDS = "JPEG, PNG, TIFF, BMP, WebP or GIF"
NAMED = 8  # files that are passed over


class ImageError(UserError):
    """A file cannot be read as an image; the message is the reason alone: see `naming`."""


@dataclass(frozen=True)
class Source:
    """An image file, or a member of a zip archive."""

    path: Path
    member: str = ""

    def __str__(self) -> str:
        return printable(self.name)

    @property
    def name(self) -> str:
        """Where it is, control characters included."""
        return decoded("/".join([str(self.path), *filter(None, [self.member])]))

    @property
    def stem(self) -> str:
        """The name without folder and suffix: its image id."""
        return printable(Path(self.member or self.path).stem)


@contextmanager
def naming(source: Source) -> Iterator[None]:
    """Put the file before the reason, where one that cannot be read is the end of the work."""
    try:
        yield
    except ImageError as error:
        raise UserError(f"{source}: {error}") from error


def find_all(names: Sequence[str]) -> tuple[list[Source], list[str], list[Source]]:
    """The images that names stand for, each once, and what is wrong with names, in words.

    names: of files, whatever they are called; of folders and zip archives, of which every file
    counts whose suffix is one of SUFFIXES, at any depth; and patterns such as `scans/*.png`, in
    which `**` is any depth. A name that exists is never taken for a pattern. What one of them
    stands for is in order of name.

    Returns too what lies in folders and archives beside the images, and is passed over.
    """
    sources: dict[Source, None] = {}
    passed: dict[Source, None] = {}
    faults: list[str] = []
    for name in names:
        before = len(faults)
        found: list[Source] = []
        for path in matches(name, faults):
            try:
                images, others = inside(path, faults)
            except UserError as error:
                faults.append(str(error))
            else:
                found += images
                passed.update(dict.fromkeys(others))
        if not found and len(faults) == before:
            faults.append(f"{printable(name)}: no such file or folder, or no image in it")
        sources.update(dict.fromkeys(found))
    return list(sources), faults, list(passed)


def passed_over(passed: Sequence[Source]) -> str:
    """What is said of files that are passed over."""
    more = f" and {len(passed) - NAMED} more" if len(passed) > NAMED else ""
    return (
        f"passed over {len(passed)}, no {KINDS} by name: "
        f"{', '.join(map(str, passed[:NAMED]))}{more}; save as JPEG what is an image"
    )


def matches(name: str, faults: list[str]) -> list[Path]:
    """The path that `name` is, or those that it matches; faults: takes why there can be none."""
    try:
        os.lstat(name)
        return [Path(name)]
    except PermissionError as error:
        faults.append(unreadable(error))
        return []
    except (OSError, ValueError):  # no path: a pattern, perhaps
        return [Path(match) for match in sorted(glob.glob(name, recursive=True))]


def inside(path: Path, faults: list[str]) -> tuple[list[Source], list[Source]]:
    """The images of a file, a folder or an archive, and what else is in it.

    faults: takes what is wrong with folders inside. Raises UserError where the whole is no archive.
    """
    if os.path.isdir(path):
        return parted([Source(file) for file in sorted(below(path, faults))])
    if not regular(path):
        return [], []
    return parted(every_member(path)) if path.suffix.lower() == ".zip" else ([Source(path)], [])


def below(path: Path, faults: list[str]) -> Iterator[Path]:
    """What is in a folder, at any depth. faults: takes what is wrong with folders inside."""
    walked = os.walk(path, onerror=lambda error: faults.append(unreadable(error)))
    for folder, inner, names in walked:
        links = [name for name in inner if os.path.islink(Path(folder, name))]  # not followed
        yield from (Path(folder, name) for name in (*names, *links))


def parted(files: Sequence[Source]) -> tuple[list[Source], list[Source]]:
    """Files that count as images, and the others but hidden ones, such as macOS' `._x.jpg`."""
    images: list[Source] = []
    others: list[Source] = []
    for file in files:
        name = PurePath(file.member or file.path)
        if not name.name.startswith("."):
            is_image = name.suffix.lower() in SUFFIXES and (file.member or regular(file.path))
            (images if is_image else others).append(file)
    return images, others


def unreadable(error: OSError) -> str:
    return f"{printable(str(error.filename))} cannot be read: {error.strerror}"


def regular(path: Path) -> bool:
    """Whether it is a file, and no pipe or the like, which could keep a reader waiting for ever."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except PermissionError:
        return True  # as far as one can see; reading it tells
    except OSError:
        return False


def members(path: Path) -> list[Source]:
    """The images in a zip archive. Raises UserError when it is none."""
    return parted(every_member(path))[0]


def every_member(path: Path) -> list[Source]:
    """The files in a zip archive. Raises UserError when it is none."""
    try:
        names = archive(path).namelist()
    except Exception as error:  # a damaged directory leads zipfile to whatever it leads to
        raise UserError(
            f"{printable(str(path))}: not a zip file, or a damaged one: {reason(error)}"
        ) from error
    return [Source(path, name) for name in sorted(names) if not name.endswith("/")]


@functools.lru_cache(maxsize=1)
def archive(path: Path) -> zipfile.ZipFile:
    """An archive, kept open: reading its directory anew for every image takes its time."""
    return zipfile.ZipFile(path)


def read(source: Source, width: int, height: int) -> NDArray[np.uint8]:
    """An image as uint8 RGB (height, width, 3): upright, and scaled as `preprocess` scales.

    Of an RGB file these are the very pixels that training sees. Raises ImageError.
    """
    with opened(source) as image:
        turn = orientation(image)  # before `flat`, which may drop the EXIF
        return upright(flat(image), turn, width, height)


def picture(source: Source, longest: int) -> Image.Image:
    """An image to look at: upright, RGB, and no side longer than `longest`. Raises ImageError."""
    with opened(source) as image:
        turn = orientation(image)
        image.draft("RGB", (longest, longest))
        shown = flat(image).convert("RGB")
        shown.thumbnail((longest, longest))
        return shown.transpose(UPRIGHT[turn]) if turn in UPRIGHT else shown


def as_uri(image: Image.Image, quality: int) -> str:
    """An image as a `data:` address, for a page that is one file. quality: of JPEG."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


@contextmanager
def opened(source: Source) -> Iterator[Image.Image]:
    """An image whose header is read. Raises ImageError for whatever goes wrong inside."""
    try:
        with warnings.catch_warnings():
            # Pillow raises only above twice the size that it warns of.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(content(source), formats=SIGNATURES) as image:
                yield image
    except Exception as error:  # Pillow's readers raise whatever damaged data lead them to
        raise ImageError(reason(error)) from error


def content(source: Source) -> Path | io.BytesIO:
    """What Pillow opens."""
    if not source.member:
        return source.path
    if archive(source.path).getinfo(source.member).file_size > LARGEST:
        raise ImageError(f"more than {LARGEST // 2**20} MiB")
    return io.BytesIO(archive(source.path).read(source.member))


def reason(error: Exception) -> str:
    """What is wrong with an image, in words."""
    if isinstance(error, UnidentifiedImageError):
        return f"no {KINDS} image"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {(Image.MAX_IMAGE_PIXELS or 0) // 10**6} megapixels: scale it down first"
    return archives.reason(error)
