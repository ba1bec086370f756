"""`download` and `preprocess` of data sets in layouts of their own."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT, RECORD, describe_sets
from host import Host, sha256sums
from layouts import encoded, like_isic2019, like_ph2

from flows import download, preprocess
from tasks.download.remote import DownloadError
from tasks.preprocess.check import check
from tasks.reading.faults import DataError
from tasks.sets.read import read_set
from tasks.settings import Settings, load

SETS = PROJECT / "data/sets"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: str) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    describe_sets(folder)
    monkeypatch.chdir(folder)
    return folder


def settings_of(name: str, source: Path | str) -> Settings:
    settings = load(PROJECT / "params.yaml")
    own = settings.download.model_copy(update={"set": name, "source": str(source)})
    return settings.model_copy(update={"download": own})


def prepare(name: str, source: Path | str) -> pd.DataFrame:
    settings = settings_of(name, source)
    download.download(settings)
    preprocess.preprocess(settings)
    return pd.read_csv("data/prepared/images.csv", dtype=str, keep_default_na=False)


def test_folder_of_images_and_a_table_of_other_columns(project: Path, tmp_path: Path) -> None:
    table = prepare("ph2", like_ph2(tmp_path / "ph2"))
    assert sorted(path.name for path in Path("data/raw").iterdir()) == [
        "images.zip",
        "masks.zip",
        "metadata.csv",
    ]
    assert table.to_dict("records") == [
        {
            "image_id": name,
            "lesion_id": name,
            "dx": dx,
            **dict.fromkeys(("dx_type", "age", "sex", "localization"), ""),
        }
        for name, dx in (("IMD000", "common_nevus"), ("IMD001", "melanoma"))
    ]
    images = np.load("data/prepared/images.npy")
    assert images.shape == (2, 30, 40, 3)
    assert abs(images[1, 0, 0].astype(int) - (200, 10, 90)).max() < 4
    described = json.loads(Path("data/set.json").read_text())
    assert list(described["names"]) == ["atypical_nevus", "common_nevus", "melanoma"]
    assert described["questions"] == {"malignant": ["melanoma"], "melanoma": ["melanoma"]}
    assert described["columns"] == ["image_id", "dx"]


def test_folder_is_packed_to_the_same_bytes_and_anew_when_it_changed(
    project: Path, tmp_path: Path
) -> None:
    source, packed = like_ph2(tmp_path / "ph2"), Path("data/raw/images.zip")
    settings = settings_of("ph2", source)
    download.download(settings)
    first = packed.read_bytes()
    for path in source.rglob("*.jpg"):
        path.touch()
    download.download(settings)
    assert packed.read_bytes() == first
    (source / "images/IMD000.jpg").write_bytes(encoded(9))
    download.download(settings)
    assert packed.read_bytes() != first


def test_one_hot_truth_and_empty_lesion_ids(project: Path, tmp_path: Path) -> None:
    table = prepare("isic2019", like_isic2019(tmp_path / "isic"))
    assert table["dx"].tolist() == ["nv", "mel", "scc", "nv"]
    assert table["lesion_id"].tolist() == [
        "BCN_0000000",
        "ISIC_0000001",
        "BCN_0000002",
        "ISIC_0000003",
    ]
    assert table["age"].tolist() == ["", "55.0", "55.0", "55.0"]
    assert table["localization"].tolist() == ["", "head/neck", "head/neck", "head/neck"]
    assert list(json.loads(Path("data/set.json").read_text())["names"]) == [
        "ak", "bcc", "bkl", "df", "mel", "nv", "scc", "vasc",
    ]  # fmt: skip


def test_set_on_the_web(project: Path, tmp_path: Path, host: Host) -> None:
    source = like_isic2019(tmp_path / "isic")
    bodies = {path.name: path.read_bytes() for path in source.iterdir()}
    host.bodies = {f"/isic/{name}": body for name, body in bodies.items()}
    host.bodies["/isic/SHA256SUMS"] = sha256sums(bodies).encode()
    assert len(prepare("isic2019", f"{host.url}/isic")) == 4


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        pytest.param(
            "ISIC_2019_Training_GroundTruth.csv",
            "ISIC_0000001,1.0",
            "ISIC_0000001,0.0",
            [
                "ISIC_2019_Training_GroundTruth.csv, row 3: one of AK, BCC, BKL, DF, MEL, NV, SCC, "
                "VASC must be 1 and the others 0"
            ],
            id="no class",
        ),
        pytest.param(
            "ISIC_2019_Training_Metadata.csv",
            "ISIC_0000001,",
            "ISIC_0000009,",
            [
                "ISIC_0000001 is in ISIC_2019_Training_GroundTruth.csv, but not in "
                "ISIC_2019_Training_Metadata.csv"
            ],
            id="a row in one table only",
        ),
        pytest.param(
            "ISIC_2019_Training_Metadata.csv",
            "ISIC_0000002,55.0,head/neck,BCN_0000002",
            "ISIC_0000002,55.0,knee,BCN_0000000",
            [
                "ISIC_2019_Training_GroundTruth.csv, row 4: lesion BCN_0000000 is scc, but nv in "
                "row 2",
                "ISIC_2019_Training_Metadata.csv, row 4: anatom_site_general 'knee' is none of "
                "anterior torso, head/neck, lateral torso, lower extremity, oral/genital, "
                "palms/soles, posterior torso, upper extremity",
            ],
            id="a lesion of two diagnoses, and a word that is not described",
        ),
    ],
)
def test_faults_in_the_words_of_the_tables(
    file: str, old: str, new: str, expected: list[str], tmp_path: Path
) -> None:
    path = like_isic2019(tmp_path) / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError) as raised:
        check(tmp_path, read_set("isic2019", SETS))
    assert [line.strip() for line in str(raised.value).splitlines()[1:]] == expected


def test_folder_of_images_is_checked_in_place(tmp_path: Path) -> None:
    source = like_ph2(tmp_path / "ph2")
    described = read_set("ph2", SETS)
    assert check(source, described)["archive"].tolist() == ["images", "images"]
    (source / "images/IMD000.jpg").write_bytes(b"none")
    (source / "images/IMD001.jpg").rename(source / "images/imd001.PNG")
    with pytest.raises(DataError) as raised:
        check(source, described)
    assert [line.strip() for line in str(raised.value).splitlines()[1:]] == [
        "IMD001 is in metadata.csv, but in no archive as a JPEG of that name: images has "
        "imd001.PNG; save it as IMD001.jpg",
        "images: IMD000.jpg cannot be read: not an image",
    ]


def test_patients_may_have_lesions_of_several_diagnoses(tmp_path: Path) -> None:
    source = like_ph2(tmp_path / "ph2")
    text = "image,diagnosis,who\nIMD000,common_nevus,P1\nIMD001,melanoma,P1\n"
    (source / "metadata.csv").write_text(text)
    described = read_set("ph2", SETS)
    for key, faults in (("patient", 0), ("lesion", 1)):
        table = described.tables[0].model_copy(update={key: "who"})
        changed = described.model_copy(update={"tables": (table,)})
        if faults:
            with pytest.raises(DataError, match="lesion P1 is melanoma, but common_nevus in row 2"):
                check(source, changed)
        else:
            assert check(source, changed)["lesion_id"].tolist() == ["P1", "P1"]


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("ph2", "dataverse", "PH2 is not described as published at Harvard Dataverse"),
        ("ph2", "synthetic", "source: synthetic draws the classes of HAM10000: set: synthetic"),
    ],
)
def test_source_of_another_set(name: str, source: str, message: str, project: Path) -> None:
    with pytest.raises(DownloadError, match=message):
        download.download(settings_of(name, source))


@pytest.mark.skipif(not RECORD.exists(), reason="needs HAM10000")
def test_ham10000_is_prepared_as_ever() -> None:
    """The table's digest is that of before data sets were described in files."""
    table = check(RECORD, read_set("ham10000", SETS)).drop(columns="archive")
    digest = hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()
    assert digest == "26ef37e1e57498d250a851c955dd99836faa6fd2380625647634ba43de55c37d"
