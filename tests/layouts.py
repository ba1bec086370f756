"""Small data sets in layouts other than HAM10000's."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

SIZE = (32, 24)


def encoded(number: int, kind: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", SIZE, (200, 10 * number % 256, 90)).save(stream, kind)
    return stream.getvalue()


def like_ph2(folder: Path, classes: Sequence[str] = ("common_nevus", "melanoma")) -> Path:
    """A folder of JPEGs, one of masks, and a CSV with column names of its own."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    rows = ["image,diagnosis,asymmetry"]
    for number, diagnosis in enumerate(classes):
        rows.append(f"IMD{number:03},{diagnosis},0")
        (folder / f"images/IMD{number:03}.jpg").write_bytes(encoded(number))
        (folder / f"masks/IMD{number:03}_segmentation.png").write_bytes(encoded(number, "PNG"))
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return folder


ONE_HOT = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")


def like_isic2019(folder: Path, classes: Sequence[str] = ("NV", "MEL", "SCC", "NV")) -> Path:
    """The layout of ISIC 2019's training set; every other image has no lesion id."""
    folder.mkdir(parents=True, exist_ok=True)
    truth, more = (
        [f"image,{','.join(ONE_HOT)}"],
        ["image,age_approx,anatom_site_general,lesion_id,sex"],
    )
    with zipfile.ZipFile(folder / "ISIC_2019_Training_Input.zip", "w") as archive:
        archive.writestr("ISIC_2019_Training_Input/ATTRIBUTION.txt", "theirs")
        for number, diagnosis in enumerate(classes):
            name = f"ISIC_{number:07}"
            ones = ",".join("1.0" if column == diagnosis else "0.0" for column in ONE_HOT)
            truth.append(f"{name},{ones}")
            lesion = "" if number % 2 else f"BCN_{number:07}"
            more.append(
                f"{name},{'55.0' if number else ''},{'head/neck' if number else ''},{lesion},female"
            )
            archive.writestr(f"ISIC_2019_Training_Input/{name}.jpg", encoded(number))
    (folder / "ISIC_2019_Training_GroundTruth.csv").write_text("\n".join(truth) + "\n")
    (folder / "ISIC_2019_Training_Metadata.csv").write_text("\n".join(more) + "\n")
    return folder
