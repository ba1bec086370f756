"""The pieces of `download` as cached tasks: one file, one folder of images, a made-up record."""

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tasks.cache import STORE, cached
from tasks.download import synthetic
from tasks.download.remote import DownloadError, RemoteFile, content_digest, fetch, holds, packable


@cached("download file")
def download_file(
    out: Path,
    *,
    name: str,
    digest: str,
    location: str,
    size: int | None,
    have: Path,
    report: Callable[[int, int | None], None],
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
    out: Path,
    *,
    name: str,
    digest: str,
    location: Path,
    report: Callable[[int, int | None], None],
) -> None:
    """Put the images of a folder into one archive, in `out`: equal images make equal bytes.

    digest: of what is in the folder (`content_digest`). DVC takes many times longer over 20,000
    files than over one.
    """
    done = 0
    hashes: dict[str, str] = {}
    with zipfile.ZipFile(out / name, "w") as archive:
        for image in packable(location):
            try:
                content = (location / image).read_bytes()
            except OSError as error:
                raise DownloadError(
                    f"{location / image} cannot be read: {error.strerror}. Mend that, or name "
                    "another source."
                ) from error
            member = zipfile.ZipInfo(image, date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system = 3  # Unix, wherever this runs
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
            hashes[image] = hashlib.sha256(content).hexdigest()
            done += len(content)
            report(done, None)
    if content_digest(hashes) != digest:
        raise DownloadError(f"{location} changed while it was read; run it again")


@cached("synthetic data set")
def synthesise(out: Path, *, lesions: int, seed: int) -> None:
    """A made-up record; see `tasks.download.synthetic.generate`."""
    synthetic.generate(out, lesions, seed)
