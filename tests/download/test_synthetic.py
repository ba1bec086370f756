"""The synthetic data set: laid out like the record, the same every time, worth learning from."""

import io
import os
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors

from tasks.download.synthetic import CLASSES, METADATA, PARTS, SEGMENTATIONS, generate

ROOT = Path(__file__).parents[2]
SEED = 7
FEW, MORE = 100, 160


class Drawn(NamedTuple):
    """A data set read back: bytes of files, bytes of archives' members by name, the table."""

    files: dict[str, bytes]
    members: dict[str, dict[str, bytes]]
    table: pd.DataFrame

    @property
    def images(self) -> dict[str, bytes]:
        return self.members[PARTS[0]] | self.members[PARTS[1]]

    @property
    def lesions(self) -> pd.DataFrame:
        return self.table.drop_duplicates("lesion_id")

    def pixels(self, size: tuple[int, int]) -> np.ndarray:
        """The images, averaged down to a width and height, a row each."""
        images = (Image.open(io.BytesIO(image)) for image in self.images.values())
        small = [np.asarray(image.resize(size, Image.Resampling.BOX)) for image in images]
        return np.stack(small).reshape(len(small), -1)


def files_in(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def draw(out: Path, lesions: int, seed: int = SEED) -> Drawn:
    generate(out, lesions, seed)
    members = {}
    for name in (*PARTS, SEGMENTATIONS):
        with zipfile.ZipFile(out / name) as archive:
            members[name] = {member: archive.read(member) for member in archive.namelist()}
    return Drawn(
        files_in(out), members, pd.read_csv(out / METADATA, dtype=str, keep_default_na=False)
    )


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return draw(tmp_path_factory.mktemp("few"), FEW)


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return draw(tmp_path_factory.mktemp("more"), MORE)


def test_files_are_those_of_the_record(more: Drawn) -> None:
    others = (*PARTS, METADATA, SEGMENTATIONS)
    assert set(more.files) == {*others, "SHA256SUMS"}
    sums = "".join(f"{sha256(more.files[name]).hexdigest()}  {name}\n" for name in others)
    assert more.files["SHA256SUMS"].decode() == sums
    header = more.files[METADATA].split(b"\n")[0]
    assert header == b"lesion_id,image_id,dx,dx_type,age,sex,localization"


def test_archives_hold_the_images_of_the_table_half_each_and_a_mask_for_each(more: Drawn) -> None:
    ids = more.table["image_id"]
    assert list(more.images) == [f"{image}.jpg" for image in ids]
    assert abs(len(more.members[PARTS[0]]) - len(more.members[PARTS[1]])) <= 1
    assert list(more.members[SEGMENTATIONS]) == [f"{image}_segmentation.png" for image in ids]
    assert ids.str.fullmatch(r"ISIC_9\d{6}").all()


def test_another_process_draws_equal_bytes(few: Drawn, tmp_path: Path) -> None:
    """With other threads, hash seed and time zone."""
    program = (
        "from pathlib import Path; from tasks.download.synthetic import generate; "
        f"generate(Path({str(tmp_path)!r}), {FEW}, {SEED})"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True)
    assert files_in(tmp_path) == few.files


def test_another_seed_gives_other_records_and_images(few: Drawn, tmp_path: Path) -> None:
    other = draw(tmp_path, FEW, SEED + 1)
    assert not other.table.equals(few.table)
    assert not set(other.images.values()) & set(few.images.values())


def test_more_lesions_keep_the_first_ones(few: Drawn, more: Drawn) -> None:
    assert more.table.head(len(few.table)).equals(few.table)
    assert more.images.items() > few.images.items()
    assert more.members[SEGMENTATIONS].items() > few.members[SEGMENTATIONS].items()


def test_every_class_has_lesions_for_ten_folds_and_naevi_lead(few: Drawn) -> None:
    counts = few.lesions["dx"].value_counts()
    assert set(counts.index) == set(CLASSES)
    assert counts.min() >= 10
    assert counts["nv"] > 2 * counts["df"]
    dx = few.table["dx"]
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=0)
    for _, held_out in folds.split(dx, dx, few.table["lesion_id"]):
        assert set(dx[held_out]) == set(CLASSES)


def test_a_quarter_of_the_lesions_has_several_images_and_one_record(more: Drawn) -> None:
    counts = more.table["lesion_id"].value_counts()
    assert len(counts) == MORE == len(more.table.drop(columns="image_id").drop_duplicates())
    assert 0.18 < (counts > 1).mean() < 0.34
    assert 2 < counts.max() <= 6


def test_records_are_filled_as_in_ham10000(more: Drawn) -> None:
    table = more.table
    for column, missing in (("age", ""), ("sex", "unknown"), ("localization", "unknown")):
        assert 0 < (table[column] == missing).mean() < 0.1
    assert set(table["sex"]) == {"female", "male", "unknown"}
    assert set(pd.to_numeric(table["age"]).dropna()) <= set(range(0, 90, 5))
    assert set(table["dx_type"]) == {"histo", "consensus", "confocal", "follow_up"}


def test_age_and_site_tell_something_of_the_class(more: Drawn) -> None:
    dx = more.table["dx"]
    years = pd.to_numeric(more.table["age"])
    assert years[dx.isin(["akiec", "bcc", "bkl"])].mean() > years[dx == "nv"].mean() + 10
    legs = more.table["localization"] == "lower extremity"
    assert legs[dx == "df"].mean() > legs[dx != "df"].mean() + 0.2


def test_masks_lie_on_the_lesions(more: Drawn) -> None:
    """It is darker in a mask than around it, and more so than for the mask turned."""
    fitting = []
    for image, mask in zip(more.images.values(), more.members[SEGMENTATIONS].values(), strict=True):
        light = np.asarray(Image.open(io.BytesIO(image))).mean(axis=-1)
        shape = np.asarray(Image.open(io.BytesIO(mask)))
        assert light.shape == shape.shape == (150, 200)
        assert set(np.unique(shape)) == {0, 255}
        assert 0.02 < (shape > 0).mean() < 0.6
        contrast, turned = (
            light[area == 0].mean() - light[area > 0].mean() for area in (shape, shape[::-1, ::-1])
        )
        fitting.append(contrast > max(turned, 0))
    assert np.mean(fitting) > 0.9


def test_images_of_a_lesion_differ_yet_give_each_other_away(more: Drawn) -> None:
    """What makes a split by image leak: the most alike image is a sibling far beyond chance."""
    assert len(set(more.images.values())) == len(more.images)
    lesions = more.table["lesion_id"].to_numpy()
    siblings = more.table["lesion_id"].duplicated(keep=False)
    neighbours = NearestNeighbors(n_neighbors=1).fit(more.pixels((40, 30)))
    nearest = neighbours.kneighbors(return_distance=False)[:, 0]
    assert 0.3 < (lesions[nearest] == lesions)[siblings].mean() < 0.95


def test_classes_can_be_learned_but_not_perfectly(more: Drawn) -> None:
    """A forest on 10x8 mean colours, folds by lesion: about .5, where the majority's line is 1/7.

    Were the classes' looks not mixed, it would reach .7 on so few lesions.
    """
    forest = RandomForestClassifier(100, class_weight="balanced", random_state=0)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    dx, lesions = more.table["dx"], more.table["lesion_id"]
    predicted = cross_val_predict(forest, more.pixels((10, 8)), dx, groups=lesions, cv=folds)
    assert 1 / 7 + 0.2 < balanced_accuracy_score(dx, predicted) < 0.6


def test_too_few_lesions_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="99 lesions asked for, at least 100 needed"):
        generate(tmp_path, 99, SEED)
    assert not list(tmp_path.iterdir())
