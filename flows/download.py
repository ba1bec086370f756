"""Stage `download`: bring the archives and the metadata to `data/raw/`, as they came.

python -m flows.download
"""

from pathlib import Path

import typer
from prefect import flow

from flows.stage import run
from tasks.cache import leave_only, place_together
from tasks.download.files import download_file, synthesise
from tasks.download.remote import list_files
from tasks.progress import Bar
from tasks.settings import SYNTHETIC, Settings

RAW = Path("data/raw")


@flow(name="download")
def download(settings: Settings) -> None:
    """A cached task a file, or one for the whole made-up data set."""
    if settings.download.source == SYNTHETIC:
        made_up = settings.download.synthetic.model_dump()
        leave_only(RAW, synthesise.submit(RAW, label="synthetic", **made_up)())
        return
    files = list_files(settings.download.location, Path.cwd())
    sizes = [file.size for file in files]
    total = None if None in sizes else sum(filter(None, sizes))
    with Bar("download", total, "B", scaled=True) as bar:
        waiting = [
            download_file.submit(
                RAW,
                label=file.name,
                unkeyed={
                    "location": file.location,
                    "size": file.size,
                    "have": RAW / file.name,
                    "report": bar.part().reach,
                },
                name=file.name,
                digest=file.digest,
            )
            for file in files
        ]
        place_together(waiting)
    leave_only(RAW, [file.name for file in files])


def main() -> None:
    """Fetch and verify the archives and the metadata of `download.source`."""
    run(download)


if __name__ == "__main__":
    typer.run(main)
