"""A page to look at pairs of images: both, and the second laid over the first."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from PIL import Image

from tasks.progress import Bar
from tasks.reading.images import Source, as_uri, picture
from tasks.same_lesion.agreement import Agreement, agreement
from tasks.same_lesion.keypoints import LONGEST, detect

SHOWN = 400  # pixels of a picture's longer side, at most
TEMPLATE = Path(__file__).with_name("sheet.html")


def sheet(pairs: pd.DataFrame, images: pd.DataFrame, sources: Mapping[str, Source]) -> str:
    """Return an HTML page of `pairs`, those without a verdict first, then by inliers.

    pairs: as `read_pairs` returns them; images: the metadata, a row an image; sources: by image id.
    """
    facts = images.set_index("image_id").to_dict("index")
    order = pairs.assign(open=pairs["verdict"] == "", number=pd.to_numeric(pairs["inliers"]))
    order = order.sort_values(["open", "number"], ascending=False, kind="stable")
    rows = []
    with Bar("same_lesion: pictures", len(order), "pair") as bar:
        for pair in order.to_dict("records"):
            ids = pair["image_1"], pair["image_2"]
            rows.append({**pair, "facts": [facts[image] for image in ids]})
            rows[-1]["pictures"] = pictures(*(sources[image] for image in ids))
            bar.advance()
    template = jinja2.Template(TEMPLATE.read_text(encoding="utf-8"), autoescape=True)
    return template.render(rows=rows)


def pictures(one: Source, other: Source) -> list[str]:
    """Return both images, and the second where the first is by their keypoints, as data URIs."""
    keypoints = detect([one, other])
    found = {flag: agreement(keypoints, 0, 1, mirrored=flag) for flag in (False, True)}
    mirrored = found[True].inliers > found[False].inliers
    first, second = picture(one, SHOWN), picture(other, SHOWN)
    third = laid_over(first, second, found[mirrored], mirrored)
    return [as_uri(image, quality=90) for image in (first, second, third)]


def laid_over(
    one: Image.Image, other: Image.Image, found: Agreement, mirrored: bool
) -> Image.Image:
    """Return `other` turned, scaled and shifted to where `one` is, on grey."""
    # Places were found in smaller images.
    of_one, of_other = (max(*image.size, LONGEST) / LONGEST for image in (one, other))
    turn, shift = found.turn * of_other / of_one, found.shift * of_other
    flip = -1 if mirrored else 1
    places: Any = (
        flip * turn.real,
        -turn.imag,
        shift.real,
        flip * turn.imag,
        turn.real,
        shift.imag,
    )
    return other.transform(
        one.size, Image.Transform.AFFINE, places, Image.Resampling.BILINEAR, fillcolor="grey"
    )
