"""Stage `download`: bring the archives and the metadata to `data/raw/`, as they came.

python -m flows.download
"""

from pathlib import Path

import typer
from prefect import flow

from flows.engine.progress import StageBar
from flows.engine.stage import run
from tasks.cache.task import Pending, place_together
from tasks.download.remote import DownloadError, RemoteFile
from tasks.download.sources import FOLDER, list_files
from tasks.download.synthetic import CLASSES
from tasks.download.task import download_file, pack_folder, synthesise
from tasks.files import leave_only
from tasks.progress import Bar
from tasks.sections import SYNTHETIC
from tasks.sets.read import read_set
from tasks.settings import Settings

RAW = Path("data/raw")


@flow(name="download")
def download(settings: Settings) -> None:
    """A cached task a file or folder, or one for the whole synthetic set."""
    described = read_set(settings.download.set)
    if settings.download.source == SYNTHETIC:
        if described.codes != CLASSES:
            raise DownloadError(
                f"source: {SYNTHETIC} draws the classes of HAM10000: set: {SYNTHETIC} in "
                f"params.yaml, section download (is {settings.download.set})"
            )
        drawn = settings.download.synthetic.model_dump()
        leave_only(RAW, synthesise.submit(RAW, label="synthetic", **drawn)())
        return
    files = list_files(settings.download.location, Path.cwd(), described)
    sizes = [file.size for file in files]
    total = None if None in sizes else sum(filter(None, sizes))
    with StageBar("download", total, "B", scaled=True) as bar:
        place_together([submitted(file, bar) for file in files])
    leave_only(RAW, [file.name for file in files])


def submitted(file: RemoteFile, bar: Bar) -> Pending:
    """Begin to bring a file, or to pack a folder."""
    report = bar.part().reach
    if file.digest.startswith(FOLDER):
        return pack_folder.submit(
            RAW,
            label=file.name,
            unkeyed={"location": Path(file.location), "report": report},
            name=file.name,
            digest=file.digest,
        )
    return download_file.submit(
        RAW,
        label=file.name,
        unkeyed={
            "location": file.location,
            "size": file.size,
            "have": RAW / file.name,
            "report": report,
        },
        name=file.name,
        digest=file.digest,
    )


def main() -> None:
    """Fetch and verify the archives and the metadata of `download.source`."""
    run(download)


if __name__ == "__main__":
    typer.run(main)
