"""Which images show one lesion: the file of pairs, and chains of them."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd
import pytest
from conftest import PROJECT, RECORD
from hypothesis import given
from hypothesis import strategies as st

from tasks.split.lesions import (
    COLUMNS,
    SAME,
    PairsError,
    join_lesions,
    pairs_to_join,
    read_pairs,
)

CHECKSUM = 15552959020  # of the pairs as printed
METADATA = RECORD / "HAM10000_metadata.csv"


def pairs(images: Collection[str] = ()) -> pd.DataFrame:
    return read_pairs(PROJECT / "data/same_lesion.csv", images)


def test_the_18_published_pairs_are_joined() -> None:
    published = pairs()[lambda table: table["note"].str.startswith("published")]
    assert (published["verdict"] == SAME).all()
    assert (published["joined"] == "").all()
    numbers = published[["image_1", "image_2"]].map(lambda image: int(image.removeprefix("ISIC_")))
    assert numbers.stack().nunique() == 36
    assert (numbers["image_1"] * numbers["image_2"]).sum() == CHECKSUM


@pytest.mark.skipif(not METADATA.exists(), reason="needs HAM10000")
def test_pairs_are_of_ham10000_and_join_what_they_say() -> None:
    table = pd.read_csv(METADATA).set_index("image_id")
    before = table["lesion_id"]
    read = pairs(before.index.tolist())
    for number in "12":
        assert (before[read[f"image_{number}"]].to_numpy() == read[f"lesion_{number}"]).all()
    same = pairs_to_join(read, before.index.tolist(), "lesion")
    after = pd.Series(
        join_lesions(before.index.tolist(), before.tolist(), same), index=before.index
    )
    for first, second in same:
        assert before[first] != before[second]
        assert after[first] == after[second] <= min(before[first], before[second])
    paired = before.isin([before[image] for pair in same for image in pair])
    assert (before == after)[~paired].all()


def test_joins_run_through_lesions_and_bear_the_first_id() -> None:
    """Images 2 and 3 are one lesion already, and link the pairs (1, 2) and (3, 4)."""
    joined = join_lesions(
        ["1", "2", "3", "4", "5"], ["D", "C", "C", "A", "B"], same=[("1", "2"), ("4", "3")]
    )
    assert joined == ["A", "A", "A", "A", "B"]


@given(
    lesions=st.lists(st.sampled_from("ABCDEFGH"), min_size=1, max_size=20),
    pairs=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=10),
)
def test_joined_exactly_what_a_chain_links(
    lesions: list[str], pairs: list[tuple[int, int]]
) -> None:
    images = [str(number) for number in range(len(lesions))]
    expected = list(lesions)
    pairs = [pair for pair in pairs if max(pair) < len(lesions)]
    for a, b in pairs * len(pairs):  # enough rounds for the longest chain
        low, high = sorted((expected[a], expected[b]))
        expected = [low if lesion == high else lesion for lesion in expected]
    assert join_lesions(images, lesions, [(str(a), str(b)) for a, b in pairs]) == expected


HEADER = ",".join(COLUMNS)


def written(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "pairs.csv"
    path.write_text("\n".join([header, *rows, ""]))
    return path


def test_joined_are_pairs_of_this_data_set_with_the_verdict_same(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "1,2,A,B,20,same,,published",
        "3,4,C,D,20,same,not yet,",
        "5,6,E,F,8,different,,",
        "7,8,G,H,9,,,",
        "0,9,K,L,9,same,crossval,",
        "X,Y,I,J,,same,,another data set",
    )
    images = [str(number) for number in range(10)]
    pairs = read_pairs(path, images)
    assert pairs_to_join(pairs, images, "lesion") == [("1", "2")]
    assert pairs_to_join(pairs, images, "crossval") == [("1", "2"), ("0", "9")]


def test_every_fault_of_the_file_is_told_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "1,2,A,B,20,Same,,",
        "3,4,C,D,20,same,later,",
        "5,O6,E,F,8,same,,",
        "1,1,A,A,8,same,,",
        "2,1,B,A,8,same,,",
        "7,8,G,H,9",
    )
    with pytest.raises(PairsError) as raised:
        read_pairs(path, [str(number) for number in range(10)])
    assert str(raised.value).splitlines() == [
        f"{path}: correct or remove",
        "  row 2: verdict 'Same' is neither empty nor same nor different",
        "  row 3: joined 'later' is neither empty nor crossval nor not yet",
        "  row 4: there is no image 'O6' in the data set",
        "  row 5: image '1' stands twice",
        "  row 6: the pair stands in row 2 too",
        "  row 7: 5 values in 8 columns",
    ]


def test_no_file_of_pairs(tmp_path: Path) -> None:
    with pytest.raises(PairsError, match=r"pairs\.csv: the first line must be `image_1,"):
        read_pairs(written(tmp_path, header="image_1,image_2"), [])
    with pytest.raises(PairsError, match=r"none\.csv is missing: .* write the line `image_1,"):
        read_pairs(tmp_path / "none.csv", [])
