"""Figures inside a page."""

import re
from collections import Counter

from matplotlib.figure import Figure

from tasks.page.svg import drawn


def figure() -> Figure:
    one = Figure(figsize=(2, 2))
    axes = one.add_subplot()
    axes.plot([0, 1], [0, 1])
    axes.text(0.5, 0.5, "words")
    return one


def test_two_figures_share_no_id_and_refer_to_their_own() -> None:
    page = drawn(figure(), "a", "A", "First") + drawn(figure(), "b", "B", "Second")
    ids = Counter(re.findall(r'\bid="([^"]+)"', page))
    assert len(ids) > 10
    assert set(ids.values()) == {1}
    referred = re.findall(r'(?:href="|url\()#([^")]+)', page)
    assert referred
    assert set(referred) <= set(ids)


def test_figure_says_in_words_what_it_shows() -> None:
    svg = drawn(figure(), "a", "Loss & accuracy", "It falls.")
    assert '<title id="a-title">Loss &amp; accuracy</title>' in svg
    assert '<desc id="a-desc">It falls.</desc>' in svg
    assert 'role="img"' in svg
    assert 'aria-labelledby="a-title a-desc"' in svg
    assert "<metadata" not in svg


def test_lines_take_the_page_s_colour_and_the_ground_is_the_page_s() -> None:
    svg = drawn(figure(), "a", "A", "")
    assert "stroke: currentColor" in svg
    assert "#000000" not in svg
    assert "fill: #ffffff" not in svg
    assert ">words</" in svg
