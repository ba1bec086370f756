"""Figures as SVG inside a page: they take its colours, and say in words what they show."""

import io
import re
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from tasks.report.figures import STYLE

SVG = "http://www.w3.org/2000/svg"
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")

GROUND, BLACK = "#ffffff", "#000000"


def drawn(figure: Figure, key: str, title: str, description: str) -> Markup:
    """A figure of matplotlib as `inline` SVG."""
    content = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(content, format="svg", transparent=True)
    return inline(content.getvalue(), key, title, description)


def inline(svg: str, key: str, title: str, description: str) -> Markup:
    """An SVG document, as matplotlib writes it, as an element of a page.

    key: what the page knows it by, letters and digits; its ids become the figure's own by it.
    title and description: its text alternative. What is black follows the colour of the page's
    text, and a white ground becomes no ground.
    """
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}title"):
                parent.remove(child)
    for element in root.iter():
        for name, value in element.attrib.items():
            element.set(name, adapted(element.tag, name, value, key))
    for tag, text in (("desc", description), ("title", title)):
        words = ElementTree.Element(f"{{{SVG}}}{tag}", id=f"{key}-{tag}")
        words.text = text
        root.insert(0, words)
    root.attrib.update(role="img", **{"aria-labelledby": f"{key}-title {key}-desc"})
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def adapted(tag: str, name: str, value: str, key: str) -> str:
    """An attribute's value with ids that are the figure's own, and with the page's colours."""
    if name == "id":
        return f"{key}-{value}"
    if name.endswith("href"):
        return value.replace("#", f"#{key}-")
    value = value.replace("url(#", f"url(#{key}-").replace(BLACK, "currentColor")
    if not tag.endswith("text"):
        value = re.sub(rf"fill: {GROUND}\b", "fill: none", value)
    return value
