"""Which images show one lesion."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SAME_LESION: tuple[tuple[str, str], ...] = tuple(
    (f"ISIC_{first}", f"ISIC_{second}")
    for first, second in (
        ("0033481", "0033421"), ("0033556", "0032634"), ("0029152", "0033173"),
        ("0029036", "0027027"), ("0027820", "0028209"), ("0027689", "0032647"),
        ("0030906", "0024879"), ("0033391", "0034186"), ("0025226", "0030074"),
        ("0026087", "0025664"), ("0024736", "0029748"), ("0024770", "0027811"),
        ("0027162", "0029061"), ("0024602", "0032283"), ("0029625", "0024629"),
        ("0030000", "0031392"), ("0024437", "0031299"), ("0033374", "0033417"),
    )
)  # fmt: skip
"""Pairs of HAM10000 images that show one lesion under two lesion ids: Abhishek, Jain, Hamarneh,
"Investigating the Quality of DermaMNIST and Fitzpatrick17k Dermatological Image Datasets",
Scientific Data 12:196 (2025)."""


def join_lesions(
    images: Sequence[str],
    lesions: Sequence[str],
    same: Sequence[tuple[str, str]] = SAME_LESION,
) -> list[str]:
    """The lesion of each image after joining lesions that `same` says are one.

    A joined lesion bears the first of its ids in alphabetical order. Pairs with an image that is
    not in `images` are passed over (a data set of one's own has none of them).
    """
    names, codes = np.unique(np.asarray(lesions, dtype=str), return_inverse=True)
    code_of = dict(zip(images, codes, strict=True))
    links = [(code_of[a], code_of[b]) for a, b in same if a in code_of and b in code_of]
    first, second = np.array(links, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(links)), (first, second)), shape=(len(names), len(names)))
    _, component = connected_components(graph, directed=False)
    # names is sorted, so a component's first occurrence is its smallest id.
    _, first_of = np.unique(component, return_index=True)
    return [str(names[first_of[component[code]]]) for code in codes]
