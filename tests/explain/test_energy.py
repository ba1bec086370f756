"""Energy and pointing of known maps, and their intervals."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ham10000 import CLASSES
from PIL import Image
from record import HAM10000

from tasks.errors import UserError
from tasks.explain.draw import enlarged, side_by_side, strength
from tasks.explain.energy import MEASURES, measure, summarise
from tasks.explain.masks import Masks
from tasks.preprocess.sources import test_images as images_of_test
from tasks.protocols import TEST
from tasks.reading import archives

MASK = np.zeros((4, 6), np.float32)
MASK[:2, :3] = 1  # a quarter


def maps() -> np.ndarray:
    """All inside, everywhere alike, outside, nowhere, and with its peak inside."""
    peak = np.ones((4, 6), np.float32)
    peak[1, 1] = 9
    return np.stack([MASK, np.ones_like(MASK), 1 - MASK, np.zeros_like(MASK), peak])


def test_measures_of_known_maps() -> None:
    table = measure(maps(), np.stack([MASK] * 5))
    assert list(table.columns) == list(MEASURES)
    np.testing.assert_allclose(table["energy"], [1, 0.25, 0, np.nan, 14 / 32])
    np.testing.assert_allclose(table["area"], [0.25, 0.25, 0.25, np.nan, 0.25])
    np.testing.assert_allclose(table["gain"], [0.75, 0, -0.25, np.nan, 14 / 32 - 0.25])
    np.testing.assert_allclose(table["pointing"], [1, 1, 0, np.nan, 1])
    np.testing.assert_allclose(table["pointing_at_centre"], [0, 0, 0, np.nan, 0])
    # Two rows on, of five: the maps of rows 3, 4, 0, 1, 2 under one and the same mask.
    np.testing.assert_allclose(table["energy_of_another"], [np.nan, 14 / 32, 1, np.nan, 0])


def test_peak_beyond_the_outer_cells_is_where_the_cell_looks() -> None:
    """Two rows of cells, at rows 2 and 3 of six: beyond them the map goes on as it is."""
    heat = np.zeros((2, 6, 5), np.float32)
    heat[0, :3, 2] = heat[1, 3:, 2] = 1
    masks = np.zeros_like(heat)
    masks[:, 2:4] = 1
    assert measure(heat, masks)["pointing"].tolist() == [1, 1]


def test_half_covered_pixels_count_half() -> None:
    table = measure(np.ones((1, 4, 6), np.float32), MASK[None] * np.float32(0.5))
    assert table["energy"][0] == table["area"][0] == 0.125
    assert np.isnan(table["energy_of_another"][0]), "there is no other"


def test_means_are_over_runs_and_intervals_over_lesions() -> None:
    table = measure(maps(), np.stack([MASK] * 5))
    other = table.assign(energy=[0, 0.25, 0, 0.5, 0])
    truth = np.array([4, 4, 5, 5, 5])
    lesions = np.array(["a", "a", "b", "b", "c"])
    found = summarise([table, other], truth, lesions, HAM10000.codes, resamples=200, seed=0)
    assert (found["runs"], found["images"], found["lesions"], found["empty"]) == (2, 5, 3, 1)
    one = np.mean([1, 0.25, 0, 14 / 32])
    assert found["energy"]["mean"] == pytest.approx((one + 0.15) / 2, abs=1e-6)
    assert found["energy"]["low"] < found["energy"]["mean"] < found["energy"]["high"]
    assert found["area"] == {"mean": 0.25, "low": 0.25, "high": 0.25}
    assert list(found["classes"]) == ["mel", "nv"]
    mel = found["classes"]["mel"]
    assert (mel["images"], mel["lesions"]) == (2, 1)
    # One lesion alone: drawn or not, its mean is the same.
    expected = (0.625 + 0.125) / 2
    assert mel["energy"] == {"mean": expected, "low": expected, "high": expected}
    assert summarise([table, other], truth, lesions, HAM10000.codes, resamples=200, seed=0) == found


def test_class_whose_maps_are_all_empty_has_no_mean() -> None:
    table = measure(np.zeros((2, 4, 6), np.float32), np.stack([MASK] * 2))
    found = summarise(
        [table], np.array([0, 1]), np.array(["a", "b"]), HAM10000.codes, resamples=100, seed=0
    )
    assert found["energy"] == {"mean": None, "low": None, "high": None}
    assert found["area"]["mean"] is None


def test_area_and_energy_are_of_the_same_images() -> None:
    """The mask of the empty map is the larger one: its area does not count."""
    masks = np.stack([MASK, np.ones_like(MASK)])
    table = measure(np.stack([MASK, np.zeros_like(MASK)]), masks)
    found = summarise(
        [table], np.array([0, 1]), np.array(["a", "b"]), HAM10000.codes, resamples=100, seed=0
    )
    assert found["energy"]["mean"] - found["area"]["mean"] == found["gain"]["mean"] == 0.75


def test_masks_are_read_at_the_size_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "masks.zip"
    mask = np.zeros((40, 60), np.uint8)
    mask[:20, :30] = 255
    with zipfile.ZipFile(path, "w") as archive:
        stream = io.BytesIO()
        Image.fromarray(mask).save(stream, "PNG")
        archive.writestr("in/I1_segmentation.png", stream.getvalue())
        archive.writestr("I2_segmentation.png", stream.getvalue()[:60])
        archive.writestr("I4_segmentation.png", bytes(2**20 + 1), zipfile.ZIP_DEFLATED)
    masks = Masks(path, 6, 4)
    np.testing.assert_array_equal(masks.read("I1"), MASK)
    with pytest.raises(UserError, match=r"masks\.zip: no mask of I3"):
        masks.read("I3")
    with pytest.raises(UserError, match=r"I2_segmentation\.png is damaged"):
        masks.read("I2")
    monkeypatch.setattr(archives, "LARGEST", 2**20)
    with pytest.raises(UserError, match=r"I4_segmentation\.png has more than 1 MiB unpacked"):
        masks.read("I4")
    path.write_bytes(b"none")
    with pytest.raises(UserError, match="not a zip file"):
        Masks(path, 6, 4)


def test_test_images_are_those_of_the_split(tmp_path: Path) -> None:
    ids = [f"I{number}" for number in range(10)]
    rows = ["lesion_id,image_id,dx,dx_type,age,sex,localization"]
    rows += [f"L{name},{name},nv,histo,50,male,back" for name in ids]
    (tmp_path / "HAM10000_metadata.csv").write_text("\n".join(rows))
    for part, names in {1: ids[:5], 2: ids[5:9]}.items():
        with zipfile.ZipFile(tmp_path / f"HAM10000_images_part_{part}.zip", "w") as archive:
            for name in names:
                archive.writestr(f"in/{name}.jpg", b"")
    split = tmp_path / "lesion.csv"
    folds = [TEST, "train"] * 5
    columns = {"image_id": ids, "lesion_id": ids, "dx": "nv", "fold": folds}
    pd.DataFrame(columns).to_csv(split, index=False)
    table, sources = images_of_test(tmp_path, HAM10000, split, None)
    assert [source.stem for source in sources] == table["image_id"].tolist() == ids[::2]
    assert sources[4].path.name == "HAM10000_images_part_2.zip"
    assert set(table["sex"]) == {"male"}
    table, _ = images_of_test(tmp_path, HAM10000, split, 2)
    assert table["image_id"].tolist() == ["I0", "I8"]
    pd.DataFrame(columns | {"fold": TEST}).to_csv(split, index=False)
    with pytest.raises(UserError, match="has no image I9, and lacks 1 in all"):
        images_of_test(tmp_path, HAM10000, split, None)


def test_drawing_lays_the_map_over_the_picture() -> None:
    image = Image.new("RGB", (60, 40), (200, 120, 100))
    heat = strength(MASK[None] * 3)[0]
    assert heat.max() == 1
    assert not strength(np.zeros((1, 2, 2), np.float32)).any()
    assert enlarged(heat, 60, 40).shape == (40, 60)
    both = np.asarray(side_by_side(image, heat))
    assert both.shape == (40, 128, 3)
    plain, veiled = both[:, :60], both[:, 68:]
    assert (plain == (200, 120, 100)).all()
    assert (veiled[25:, 35:] == plain[25:, 35:]).all(), "nothing is veiled where the map is zero"
    assert (veiled[:10, :20] != plain[:10, :20]).any(axis=-1).all()


def test_classes_are_named_in_their_order() -> None:
    """What is written is JSON that a later run can be held against."""
    table = measure(maps()[:2], np.stack([MASK] * 2))
    found = summarise(
        [table], np.array([6, 0]), np.array(["a", "b"]), HAM10000.codes, resamples=100, seed=0
    )
    assert list(json.loads(json.dumps(found))["classes"]) == [CLASSES[0], CLASSES[6]]
