"""Which images show one lesion: the published pairs, and chains of them."""

import pandas as pd
import pytest
from conftest import RECORD
from hypothesis import given
from hypothesis import strategies as st

from tasks.split.lesions import SAME_LESION, join_lesions

CHECKSUM = 15552959020  # of the pairs as printed
METADATA = RECORD / "HAM10000_metadata.csv"


def test_the_18_pairs_are_the_published_ones() -> None:
    assert len(SAME_LESION) == 18
    assert len({image for pair in SAME_LESION for image in pair}) == 36
    numbers = [[int(image.removeprefix("ISIC_")) for image in pair] for pair in SAME_LESION]
    assert sum(first * second for first, second in numbers) == CHECKSUM


@pytest.mark.skipif(not METADATA.exists(), reason="needs HAM10000")
def test_the_18_pairs_of_ham10000_are_joined_and_nothing_else() -> None:
    table = pd.read_csv(METADATA).set_index("image_id")
    before = table["lesion_id"]
    after = pd.Series(join_lesions(before.index.tolist(), before.tolist()), index=before.index)
    for first, second in SAME_LESION:
        assert before[first] != before[second]
        assert after[first] == after[second] == min(before[first], before[second])
    assert (before.nunique(), after.nunique()) == (7470, 7470 - 18)
    paired = before.isin([before[image] for pair in SAME_LESION for image in pair])
    assert (before == after)[~paired].all()


def test_joins_run_through_lesions_and_bear_the_first_id() -> None:
    """Images 2 and 3 are one lesion already, and link the pairs (1, 2) and (3, 4)."""
    joined = join_lesions(
        ["1", "2", "3", "4", "5"], ["D", "C", "C", "A", "B"], same=[("1", "2"), ("4", "3")]
    )
    assert joined == ["A", "A", "A", "A", "B"]


def test_pairs_that_are_not_in_the_data_are_passed_over() -> None:
    assert join_lesions(["1", "2"], ["A", "B"]) == ["A", "B"]
    assert join_lesions(["1", "2"], ["A", "B"], same=[("1", "3"), ("4", "5")]) == ["A", "B"]


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
