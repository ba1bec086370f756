"""The pieces of `download` as cached tasks: one file of the record, or a made-up record."""

from collections.abc import Callable
from pathlib import Path

from tasks.cache import STORE, cached
from tasks.download import synthetic
from tasks.download.remote import RemoteFile, fetch


@cached("download file")
def download_file(
    out: Path,
    *,
    name: str,
    digest: str,
    location: str,
    size: int | None,
    report: Callable[[int, int | None], None],
) -> None:
    """Fetch one file into `out`; what it holds is decided by `digest`, not by where it is.

    Unfinished downloads wait in `.cache/partial`, to be taken up by the next run.
    """
    fetch(RemoteFile(name, location, digest, size), out / name, STORE / "partial", report)


@cached("synthetic data set")
def synthesise(out: Path, *, lesions: int, seed: int) -> None:
    """A made-up record; see `tasks.download.synthetic.generate`."""
    synthetic.generate(out, lesions, seed)
