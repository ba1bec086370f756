"""The pieces of `download` as cached tasks: one file, one folder of images, a synthetic set."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tasks.cache.store import STORE
from tasks.cache.task import cached
from tasks.download import synthetic
from tasks.download.remote import RemoteFile, fetch, holds
from tasks.download.sources import packable


@cached("download file")
def download_file(
    out: Path,
    *,
    name: str,
    digest: str,
    location: str,
    size: int | None,
    have: Path,
    report: Callable[[int], None],
) -> None:
    """Fetch one file into `out`; what it holds is decided by `digest`, not by where it is.

    have: where an earlier run may have put the file; it is copied from there if it is the right
    one, as nothing that has 2.8 GB is to be fetched again because code changed.

    Unfinished downloads wait in `.cache/partial`, to be taken up by the next run.
    """
    file = RemoteFile(name, location, digest, size)
    if holds(have, file):
        file = replace(file, location=str(have))
    fetch(file, out / name, STORE / "partial", report)


@cached("pack folder")
def pack_folder(
    out: Path, *, name: str, digest: str, location: Path, report: Callable[[int], None]
) -> None:
    """Put the images of a folder into one archive, in `out`: equal images make equal bytes.

    digest: the folder's. DVC takes many times longer over 20,000 files than over one.
    """
    done = 0
    with zipfile.ZipFile(out / name, "w") as archive:
        for image in packable(location):
            content = (location / image).read_bytes()
            member = zipfile.ZipInfo(image)  # of 1980, whenever this runs
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
            done += len(content)
            report(done)


@cached("synthetic data set")
def synthesise(out: Path, *, lesions: int, seed: int) -> None:
    """Draw a data set; see `tasks.download.synthetic.generate`."""
    synthetic.generate(out, lesions, seed)
