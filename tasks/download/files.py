"""The pieces of `download` as cached tasks: one file of the record, or a made-up record."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tasks.cache import STORE, cached
from tasks.download import synthetic
from tasks.download.remote import RemoteFile, fetch, holds


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


@cached("synthetic data set")
def synthesise(out: Path, *, lesions: int, seed: int) -> None:
    """A made-up record; see `tasks.download.synthetic.generate`."""
    synthetic.generate(out, lesions, seed)
