"""Descriptions of data sets: those that come along, and what is said of one with faults."""

import re
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT
from ruamel.yaml import YAML

from tasks.sets.handed_on import hand_on
from tasks.sets.read import described_sets, read_set
from tasks.yaml import SettingsError

SETS = PROJECT / "data/sets"
SOUND: dict[str, Any] = {
    "title": "Ours",
    "licence": "none",
    "citation": "us",
    "classes": {"mel": {"name": "melanoma", "malignant": True}, "nv": {"name": "naevus"}},
    "questions": {"melanoma": ["mel"]},
    "tables": [{"file": "ours.csv", "image": "file", "diagnosis": "class"}],
    "images": {"files": "photos"},
}


def written(folder: Path, **changes: Any) -> Path:
    with (folder / "ours.yaml").open("w") as stream:
        YAML().dump({**SOUND, **changes}, stream)
    return folder


@pytest.mark.parametrize("name", described_sets(SETS))
def test_set_that_comes_along_is_sound(name: str) -> None:
    described = read_set(name, SETS)
    assert len(described.codes) >= 2
    assert "melanoma" in described.asked()


@pytest.mark.parametrize("name", ["ham10000", "synthetic"])
def test_ham10000_is_as_its_committed_results_know_it(name: str) -> None:
    described = read_set(name, SETS)
    assert described.codes == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
    assert described.names["nv"] == "melanocytic naevus"
    assert described.asked() == {"malignant": ("akiec", "bcc", "mel"), "melanoma": ("mel",)}
    assert hand_on(described).coding.levels == (20, 3, 15)
    assert described.sites.index("upper extremity") == 13


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"title": None}, "title: must be text (is None)", id="no text"),
        pytest.param(
            {"classes": {"mel": {"nam": "melanoma"}, "nv": {"name": "naevus"}}},
            "classes.mel.name: missing",
            id="a key that is missing",
        ),
        pytest.param(
            {"classes": {"mel": {"name": "m", "malign": True}, "nv": {"name": "naevus"}}},
            "classes.mel.malign: unknown key; allowed here: name, malignant, word",
            id="an unknown key of a class",
        ),
        pytest.param(
            {"tables": [{"file": "a.csv", "image": "i", "diagnosis": "d", "sx": "s"}]},
            "tables.0.sx: unknown key; allowed here: file, image, diagnosis, one_hot, lesion,",
            id="an unknown key of a table",
        ),
        pytest.param(
            {"masks": {"files": "masks", "nam": "x"}},
            "masks.nam: unknown key; allowed here: files, name",
            id="an unknown key of what may be absent",
        ),
        pytest.param({"classes": {"mel": {"name": "m"}}}, "classes: ", id="one class"),
        pytest.param(
            {"questions": {"melanoma": ["melanoma"]}},
            "questions.melanoma: no class melanoma; one of mel, nv",
            id="a question about no class",
        ),
        pytest.param(
            {"questions": {"malignant": ["mel"]}},
            "questions.malignant: mark the classes `malignant: true` instead",
            id="what is malignant, twice",
        ),
        pytest.param(
            {"tables": [{"file": "a.csv", "image": "file"}]},
            "one table must have `diagnosis: COLUMN` or `one_hot: true`, and only one",
            id="no diagnosis",
        ),
        pytest.param(
            {"tables": [{"file": "a.csv", "image": "i", "diagnosis": "d", "sex": "sex"}]},
            "a column of sexes and its words, `sexes: [...]`, go together",
            id="a column without words",
        ),
        pytest.param(
            {
                "tables": [
                    {"file": "a.csv", "image": "i", "diagnosis": "d", "age": "age"},
                    {"file": "b.csv", "image": "i", "age": "age"},
                ]
            },
            "two tables give age: leave one",
            id="a column in two tables",
        ),
        pytest.param(
            {"images": {"files": "photos", "suffixes": ["jpg"]}},
            "images.suffixes.0: must be a dot and small letters, such as .jpg (is 'jpg')",
            id="a suffix without its dot",
        ),
    ],
)
def test_fault_names_file_key_and_remedy(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as raised:
        read_set("ours", written(tmp_path, **changes))
    lines = str(raised.value).splitlines()
    assert any(line.startswith(f"{tmp_path}/ours.yaml: {message}") for line in lines), lines


def test_every_fault_is_told(tmp_path: Path) -> None:
    changes = {"licence": "", "images": {"files": "x", "kinds": []}}
    with pytest.raises(SettingsError) as raised:
        read_set("ours", written(tmp_path, **changes))
    assert len(str(raised.value).splitlines()) == 2


def test_set_that_is_not_described(tmp_path: Path) -> None:
    message = "unknown data set 'our' (did you mean ours?); one of ours. `python -m flows.data new`"
    with pytest.raises(SettingsError, match=re.escape(message)):
        read_set("our", written(tmp_path))


def test_what_is_no_mapping(tmp_path: Path) -> None:
    for text in ("", "- a\n"):
        (tmp_path / "ours.yaml").write_text(text)
        with pytest.raises(SettingsError, match=r"ours\.yaml"):
            read_set("ours", tmp_path)
