"""The made-up data set: laid out like the record, the same every time, and worth learning from."""

import csv
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors

from tasks.download.synthetic import generate

ROOT = Path(__file__).parents[2]
SEED = 7
FEW, MORE = 100, 160
PARTS = ["HAM10000_images_part_1.zip", "HAM10000_images_part_2.zip"]
METADATA = "HAM10000_metadata.csv"
SEGMENTATIONS = "HAM10000_segmentations_lesion_tschandl.zip"
CLASSES = {"akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"}


class Made(NamedTuple):
    """A data set read back: bytes of files and of archive members, and the table's rows."""

    files: dict[str, bytes]
    images: dict[str, bytes]
    masks: dict[str, bytes]
    rows: list[dict[str, str]]

    def column(self, name: str) -> np.ndarray:
        return np.array([row[name] for row in self.rows])

    def pixels(self, size: tuple[int, int] | None = None) -> np.ndarray:
        """Decode the images in the table's order, averaged down to `size` (width, height)."""
        images = [decode(self.images[f"{row['image_id']}.jpg"]) for row in self.rows]
        if size:
            images = [image.resize(size, Image.Resampling.BOX) for image in images]
        return np.stack([np.asarray(image, dtype=np.float32) for image in images])

    def masks_in_order(self) -> np.ndarray:
        names = [f"{row['image_id']}_segmentation.png" for row in self.rows]
        return np.stack([np.asarray(decode(self.masks[name])) for name in names])


def decode(encoded: bytes) -> Image.Image:
    return Image.open(io.BytesIO(encoded))


def members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def files_in(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def read(out: Path) -> Made:
    files = files_in(out)
    rows = list(csv.DictReader(files[METADATA].decode("ascii").splitlines()))
    images = {name: image for part in PARTS for name, image in members(files[part]).items()}
    return Made(files, images, members(files[SEGMENTATIONS]), rows)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Made:
    out = tmp_path_factory.mktemp("few")
    generate(out, FEW, SEED)
    return read(out)


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Made:
    out = tmp_path_factory.mktemp("more")
    generate(out, MORE, SEED)
    return read(out)


def test_files_are_those_of_the_record(more: Made) -> None:
    assert set(more.files) == {*PARTS, METADATA, SEGMENTATIONS, "SHA256SUMS"}
    header = more.files[METADATA].split(b"\n")[0]
    assert header == b"lesion_id,image_id,dx,dx_type,age,sex,localization"


def test_archives_hold_the_images_of_the_table_half_each_and_a_mask_for_each(more: Made) -> None:
    ids = more.column("image_id").tolist()
    halves = [[name.removesuffix(".jpg") for name in members(more.files[part])] for part in PARTS]
    assert halves[0] + halves[1] == ids
    assert abs(len(halves[0]) - len(halves[1])) <= 1
    assert list(more.masks) == [f"{name}_segmentation.png" for name in ids]
    assert all(len(name) == 12 and name.startswith("ISIC_9") for name in ids)


def test_images_and_masks_are_encoded_as_in_the_record(more: Made) -> None:
    for image in map(decode, more.images.values()):
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (200, 150))
    for mask in map(decode, more.masks.values()):
        assert (mask.format, mask.mode, mask.size) == ("PNG", "L", (200, 150))
        assert set(np.unique(np.asarray(mask))) == {0, 255}


def test_sums_are_those_of_the_other_files(more: Made) -> None:
    lines = more.files["SHA256SUMS"].decode("ascii").splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    others = {name: content for name, content in more.files.items() if name != "SHA256SUMS"}
    assert listed == {name: hashlib.sha256(content).hexdigest() for name, content in others.items()}


def test_a_call_in_another_process_gives_equal_bytes(few: Made, tmp_path: Path) -> None:
    """Another call, later, with other threads, hash seed and time zone."""
    program = (
        "from pathlib import Path; from tasks.download.synthetic import generate; "
        f"generate(Path({str(tmp_path)!r}), {FEW}, {SEED})"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True)
    assert files_in(tmp_path) == few.files


def test_another_seed_gives_other_records_and_images(few: Made, tmp_path: Path) -> None:
    generate(tmp_path, FEW, SEED + 1)
    other = read(tmp_path)
    assert other.rows != few.rows
    assert not set(other.images.values()) & set(few.images.values())


def test_more_lesions_keep_the_first_ones(few: Made, more: Made) -> None:
    assert more.rows[: len(few.rows)] == few.rows
    assert more.images.items() > few.images.items()
    assert more.masks.items() > few.masks.items()


def test_every_class_has_lesions_for_ten_folds_and_naevi_lead(few: Made) -> None:
    lesions = {row["lesion_id"]: row["dx"] for row in few.rows}
    counts = Counter(lesions.values())
    assert set(counts) == CLASSES
    assert min(counts.values()) >= 10
    assert counts["nv"] > 2 * counts["df"]

    dx, groups = few.column("dx"), few.column("lesion_id")
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=0).split(dx, dx, groups)
    assert all(set(dx[held_out]) == CLASSES for _, held_out in folds)


def test_images_of_a_lesion_share_its_record(more: Made) -> None:
    records = defaultdict(set)
    for row in more.rows:
        records[row["lesion_id"]].add(tuple(v for k, v in row.items() if k != "image_id"))
    assert len(records) == MORE
    assert all(len(kinds) == 1 for kinds in records.values())


def test_about_a_quarter_of_the_lesions_has_several_images(more: Made) -> None:
    counts = Counter(more.column("lesion_id"))
    several = np.mean([images > 1 for images in counts.values()])
    assert 0.18 < several < 0.34
    assert 2 < max(counts.values()) <= 6


def test_records_are_filled_as_in_ham10000(more: Made) -> None:
    ages, sexes, sites = (more.column(name) for name in ("age", "sex", "localization"))
    assert set(sexes) == {"female", "male", "unknown"}
    assert 0 < np.mean(ages == "") < 0.1
    assert 0 < np.mean(sexes == "unknown") < 0.1
    assert 0 < np.mean(sites == "unknown") < 0.1
    years = ages[ages != ""].astype(float)
    assert set(years) <= set(range(0, 90, 5))
    assert set(more.column("dx_type")) == {"histo", "consensus", "confocal", "follow_up"}


def test_age_and_site_tell_something_of_the_class(more: Made) -> None:
    known = more.column("age") != ""
    dx, years = more.column("dx")[known], more.column("age")[known].astype(float)
    older = np.isin(dx, ["akiec", "bcc", "bkl"])
    assert years[older].mean() > years[dx == "nv"].mean() + 10

    legs = more.column("localization") == "lower extremity"
    fibromas = more.column("dx") == "df"
    assert legs[fibromas].mean() > legs[~fibromas].mean() + 0.2


def test_masks_lie_on_the_lesions(more: Made) -> None:
    """Just inside a mask's edge it is darker than just outside, and not so for the mask turned."""
    light = more.pixels().mean(axis=-1)
    masks = more.masks_in_order() > 0
    areas = masks.mean(axis=(1, 2))
    assert areas.min() > 0.02
    assert areas.max() < 0.6
    contrasts = np.array([edge_contrast(*pair) for pair in zip(light, masks, strict=True)])
    turned = [edge_contrast(*pair) for pair in zip(light, masks[:, ::-1, ::-1], strict=True)]
    assert np.mean(contrasts > 0) > 0.95
    assert np.mean(contrasts > turned) > 0.9


def edge_contrast(light: np.ndarray, mask: np.ndarray) -> float:
    """Mean light in a band of five pixels outside a mask, less that in the band inside."""
    outside = binary_dilation(mask, iterations=5) & ~mask
    inside = mask & ~binary_erosion(mask, iterations=5)
    return float(light[outside].mean() - light[inside].mean())


def test_images_of_a_lesion_differ_yet_give_each_other_away(more: Made) -> None:
    """What makes a split by image leak: the most alike image is a sibling far beyond chance."""
    assert len(set(more.images.values())) == len(more.images)
    lesions = more.column("lesion_id")
    images = Counter(lesions)
    has_siblings = np.array([images[lesion] > 1 for lesion in lesions])
    flat = more.pixels((40, 30)).reshape(len(lesions), -1)
    neighbour = NearestNeighbors(n_neighbors=1).fit(flat).kneighbors(return_distance=False)[:, 0]
    found = (lesions[neighbour] == lesions)[has_siblings].mean()
    assert 0.3 < found < 0.95


def test_classes_can_be_learned_but_not_perfectly(more: Made) -> None:
    """A forest on 10x8 mean colours, folds by lesion: about .5, where the majority's line is 1/7.

    Were the classes' looks not mixed, it would reach .65 on so few lesions.
    """
    dx, lesions = more.column("dx"), more.column("lesion_id")
    flat = more.pixels((10, 8)).reshape(len(dx), -1)
    forest = RandomForestClassifier(100, class_weight="balanced", random_state=0)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    predicted = cross_val_predict(forest, flat, dx, groups=lesions, cv=folds)
    score = balanced_accuracy_score(dx, predicted)
    assert 1 / 7 + 0.2 < score < 0.6


def test_too_few_lesions_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="99 lesions asked for, at least 100 needed"):
        generate(tmp_path, 99, SEED)
    assert not list(tmp_path.iterdir())


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        generate(tmp_path / "missing", FEW, SEED)
