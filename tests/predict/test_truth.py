"""Faults of a ground truth, all at once."""

from pathlib import Path

import pytest
from record import HAM10000

from tasks.predict.truth import read_lesions, read_truth
from tasks.reading.faults import DataError, DataFaults
from tasks.reading.images import Source

CLASSES = HAM10000.codes
HEADER = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC"
SOURCES = [Source(Path(name)) for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")]


def test_every_fault_is_named_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    rows = [
        f"{HEADER},dx,note",
        "a,1,0,0,0,0,0,0,mel,",
        "b,1,0,0,0,0,1.0,0,mel,",
        "c,0,0,0,0,0,0,0,,",
        "a,1,0,0,0,0,0,0,mel,",
        "gone,0,1,0,0,0,0,0,nv,",
        "d,0,yes,0,0,0.5,0,0,nv,",
        ",0,1,0,0,0,0,0,nv,",
        "e,0,1,0,0,0,0,0,nv,",
    ]
    path.write_text("\n".join(rows))
    with pytest.raises(DataFaults) as raised:
        read_truth(path, [*SOURCES, Source(Path("in/e.png"))], CLASSES)
    assert raised.value.faults == [
        "unknown column 'dx'",
        "unknown column 'note'",
        "row 3: two classes: MEL and DF",
        "row 4: no class",
        "row 5: image a stands in an earlier row too",
        "row 6: image gone is not among the images",
        "row 7: NV is 'yes', not 0 or 1, BKL is '0.5', not 0 or 1",
        "row 8: image is empty",
        "row 9: image e is there twice: e.jpg, in/e.png",
    ]


def test_what_the_challenge_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    header = f"{HEADER},score_weight,validation_weight"
    rows = ["b,0,1,0,0,0,0,0,1.0,0", "a,1,0,0,0,0,0,0,0.0,1", "gone,0,1,0,0,0,0,0,0,0"]
    path.write_text("\n".join([header, *rows]))
    assert read_truth(path, SOURCES, CLASSES).sources == [SOURCES[1]]
    path.write_text("\n".join([header, "a,1,0,0,0,0,0,0,0.5,1"]))
    with pytest.raises(DataFaults, match=r"row 2: score_weight is '0.5', not 0 or 1"):
        read_truth(path, SOURCES, CLASSES)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("key", ["image_id", "image"])
def test_diagnoses_in_one_column(key: str, separator: str, tmp_path: Path) -> None:
    """As the record has its test set; a suffix in an id, and capitals, are as good."""
    path = tmp_path / "truth.csv"
    rows = [f"lesion_id,{key},dx,age", "L1,b,mel,50", "L1,a.JPG,nv,", "L2,c,BKL,0"]
    path.write_text("\n".join(rows).replace(",", separator))
    truth = read_truth(path, SOURCES, CLASSES)
    assert [source.stem for source in truth.sources] == ["b", "a", "c"]
    assert truth.diagnoses == ["mel", "nv", "bkl"]
    assert truth.lesions == ["L1", "L1", "L2"]
    path.write_text(f"{key},dx\nb,mel\n")
    assert read_truth(path, SOURCES, CLASSES).lesions is None


def test_faults_of_diagnoses_in_one_column(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    rows = [
        "image_id,dx,lesion_id",
        "a,scc,L1",
        "b,,L1",
        "c,nv,",
        "gone,nv,L2",
        "c,nv,L2",
        "c,nv,L3",
    ]
    path.write_text("\n".join(rows))
    known = ", ".join(CLASSES)
    with pytest.raises(DataFaults) as raised:
        read_truth(path, SOURCES, CLASSES)
    assert raised.value.faults == [
        f"diagnosis 'scc', of 1 row, is none of {known}: say by --classes which it is",
        f"diagnosis '', of 1 row, is none of {known}: say by --classes which it is",
        "row 4: lesion_id is empty",
        "row 5: image gone is not among the images",
        "row 7: image c stands in an earlier row too",
    ]
    path.write_text("image_id\na\n")
    with pytest.raises(
        DataError, match="no column MEL, NV, BCC, AKIEC, BKL, DF, VASC, nor dx; found"
    ):
        read_truth(path, SOURCES, CLASSES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "image,MEL,NV,BCC,AKIEC,BKL,DF\na,1,0,0,0,0,0",
            "no column VASC, nor dx; found: image, MEL",
        ),
        (HEADER, "holds no row"),
        (f"{HEADER},MEL\na,1,0,0,0,0,0,0,0", "two columns have the name 'MEL'"),
        ("", "no column image"),
        (f"{HEADER}\na,1,0", "row 2: 3 values in 8 columns"),
        ("\x00", "not a CSV file|no column"),
    ],
)
def test_what_is_no_truth(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "truth.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_truth(tmp_path / "truth.csv", SOURCES, CLASSES)
    with pytest.raises(DataError, match=r"nix\.csv is missing"):
        read_truth(tmp_path / "nix.csv", SOURCES, CLASSES)


@pytest.mark.parametrize("key", ["image", "image_id"])
def test_lesions(tmp_path: Path, key: str) -> None:
    path = tmp_path / "lesions.csv"
    path.write_text(f"lesion_id,{key},x\nL1,a,\nL1,b,\n,c,\n")
    assert read_lesions(path, ["b", "a"]) == ["L1", "L1"]
    with pytest.raises(DataFaults, match="no lesion_id of image c\n  no lesion_id of image d"):
        read_lesions(path, ["a", "c", "d"])
    path.write_text(f"lesion_id,{key}\nL1,a\nL1,a\nL2,b\nL3,b\n")
    with pytest.raises(DataFaults, match="row 5: image b has another lesion_id in an earlier row"):
        read_lesions(path, ["a", "b"])


def test_columns_of_isic_2019(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    header = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC"
    path.write_text(f"{header},UNK\na,0,0,0,0,0,0,0,1.0,0\nb,0,0,0,1.0,0,0,0,0,0\n")
    words = ("ak", "bcc", "bkl", "df", "mel", "nv", "scc", "vasc")
    assert read_truth(path, SOURCES, words).diagnoses == ["scc", "ak"]
    with pytest.raises(DataFaults, match="diagnosis 'scc', of 1 row, is none of akiec, bcc"):
        read_truth(path, SOURCES, CLASSES)
    path.write_text(f"{header},UNK\na,0,0,0,0,0,0,0,0,1\n")
    with pytest.raises(DataFaults, match="diagnosis 'unk', of 1 row, is none of ak, bcc"):
        read_truth(path, SOURCES, words)
    path.write_text(f"{header}\na,0,1,0,0,0,0,0,0\n")
    assert read_truth(path, SOURCES, words).diagnoses == ["nv"]


def test_words_are_those_that_are_known(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text("image,dx\na,Common nevus\nb,melanoma\n")
    words = ("common nevus", "Melanoma")
    assert read_truth(path, SOURCES, words).diagnoses == list(words)
