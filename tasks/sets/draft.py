"""A first description of a data set, guessed from a folder of images and CSV files."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from tasks.reading.archives import opened
from tasks.reading.faults import DataError, printable
from tasks.reading.names import SUFFIXES, image_id, is_image
from tasks.reading.tables import read_csv

COLUMNS = {
    "diagnosis": ("dx", "diagnosis", "class", "label", "target", "category"),
    "lesion": ("lesion_id", "lesion", "lesionid"),
    "patient": ("patient_id", "patient", "patientid"),
    "dx_type": ("dx_type", "diagnosis_confirm_type"),
    "age": ("age", "age_approx", "age_years"),
    "sex": ("sex", "gender"),
    "site": ("localization", "localisation", "site", "anatom_site_general", "location", "region"),
}
"""What columns are often called, in small letters."""

MALIGNANT = re.compile("melanoma|carcinoma|malignan|^(mel|mm|bcc|scc)$")
MOST_CLASSES = 50
UNKNOWN = ("unknown", "unk", "na", "n/a", "nan", "none")
TODO = "to be completed"


@dataclass
class Draft:
    """A table, and what its columns seem to be."""

    file: str
    image: str
    columns: dict[str, str] = field(default_factory=dict)
    one_hot: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def draft(name: str, folder: Path) -> str:
    """Return the text of a description that fits what is in `folder`, with what to complete.

    Raises DataError when there are no images, or no CSV that lists them.
    """
    tables = {path.name: read_table(path) for path in sorted(folder.glob("*.csv"))}
    pattern, images, masks = find_images(folder)
    ids = {PurePosixPath(image).stem for image in images}
    drafts = [it for file, table in tables.items() if (it := guess(file, table, ids))]
    diagnosed = [it for it in drafts if "diagnosis" in it.columns or it.one_hot]
    if not diagnosed:
        raise DataError(
            f"{folder}: no CSV has a column of the images' names and one of diagnoses, with 2 to "
            f"{MOST_CLASSES} different words; found: {', '.join(tables) or 'no CSV'}. Put one there"
        )
    main, *others = [diagnosed[0], *(it for it in drafts if it is not diagnosed[0])]
    taken = set(main.columns)
    for other in others:
        other.one_hot = ()
        own = {key: column for key, column in other.columns.items() if key not in taken}
        other.columns = {key: column for key, column in own.items() if key != "diagnosis"}
        taken |= set(other.columns)
    used = [main, *(other for other in others if other.columns)]
    return written(name, used, tables, pattern, images, masks)


def read_table(path: Path) -> pd.DataFrame:
    header, lines = read_csv(path)
    rows = [values for _, values in lines if len(values) == len(header)]
    return pd.DataFrame(rows, columns=header, dtype=str)


def find_images(folder: Path) -> tuple[str, list[str], tuple[str, str] | None]:
    """Where the images are, as a description names it, their names, and the same of the masks:
    where they are, and the name of the mask of {image}.
    """
    folders: dict[str, list[str]] = {}
    for inner, _, names in os.walk(folder):
        images = sorted(name for name in names if is_image(name, SUFFIXES))
        parts = Path(inner).relative_to(folder).parts
        folders.setdefault(parts[0] if parts else ".", []).extend(images)
    archives: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.zip")):
        with opened(path) as members:
            archives[path.name] = [it for it in members.namelist() if is_image(it, SUFFIXES)]
    places = {name: images for name, images in {**folders, **archives}.items() if images}
    masks = [name for name in places if re.search("mask|segment", name.lower())]
    images_in = {name: images for name, images in places.items() if name not in masks}
    if not images_in:
        raise DataError(
            f"{folder}: no image in it ({', '.join(SUFFIXES)}), in folders or zip archives"
        )
    place = max(images_in, key=lambda name: len(images_in[name]))
    several = [name for name in images_in if name in archives]
    if place in several and len(several) > 1:
        place = f"{common_start(several).removesuffix('.zip')}*.zip"
        images = [image for name in several for image in images_in[name]]
    else:
        images = images_in[place]
    named = ((name, mask_name(places[name], images)) for name in masks)
    return place, images, next(((name, mask) for name, mask in named if mask), None)


def mask_name(masks: Sequence[str], images: Sequence[str]) -> str | None:
    """How masks are named after the images, with {image} for an image's id, if they are."""
    ids = {PurePosixPath(image).stem for image in images}
    for name in (PurePosixPath(mask).name for mask in masks):
        for end in range(len(name), 0, -1):  # the longest id: one may begin with another
            if name[:end] in ids:
                return "{image}" + name[end:]
    return None


def common_start(names: Sequence[str]) -> str:
    """What all of them begin with."""
    first, last = min(names), max(names)
    same = [one == other for one, other in zip(first, last, strict=False)]
    return first[: same.index(False) if False in same else len(same)]


def guess(file: str, table: pd.DataFrame, ids: set[str]) -> Draft | None:
    """What the columns of a table seem to be; None where none names the images."""
    if table.empty:
        return None
    names = list(map(str, table.columns))
    shares = {name: float(table[name].map(image_id).isin(ids).mean()) for name in names}
    image = max(shares, key=lambda name: shares[name])
    if not shares[image]:
        return None
    it = Draft(file, image)
    others = [name for name in names if name != image]
    for key, known in COLUMNS.items():
        for name in others:
            if name.lower().strip() in known and key not in it.columns:
                it.columns[key] = name
    if "lesion" in it.columns:  # a description has one of both
        it.columns.pop("patient", None)
    ones = [name for name in others if set(table[name]) <= {"0", "1", "0.0", "1.0"}]
    if len(ones) > 1 and "diagnosis" not in it.columns:
        numbers = table[ones].astype(float)
        if bool((numbers.sum(axis=1) == 1).all()):
            it.one_hot = tuple(name for name in ones if numbers[name].any())
    if (
        "diagnosis" in it.columns
        and not 2 <= table[it.columns["diagnosis"]].nunique() <= MOST_CLASSES
    ):
        del it.columns["diagnosis"]
    read = {*it.columns.values(), *ones} if it.one_hot else set(it.columns.values())
    it.unread = tuple(name for name in others if name not in read)
    return it


def written(
    name: str,
    drafts: Sequence[Draft],
    tables: dict[str, pd.DataFrame],
    pattern: str,
    images: Sequence[str],
    masks: tuple[str, str] | None,
) -> str:
    """The description as YAML."""
    main = drafts[0]
    column = main.columns.get("diagnosis")
    words = sorted(set(tables[main.file][column]) - {""}) if column else list(main.one_hot)
    codes = dict(zip(code_of(words), words, strict=True))
    lines = [
        "# Guessed by `python -m flows.data new`: read it all and complete it, then run",
        f"# `python -m flows.data check FOLDER --set {name}`. ham10000.yaml has every key.",
        f"title: {quoted(name)}",
        f"licence: {TODO}",
        f"citation: {TODO}",
        "",
        "# In this order everywhere. Give each its whole name, and say which are malignant.",
        "classes:",
    ]
    for code, word in codes.items():
        said = "" if code == word else f", word: {quoted(word)}"
        malignant = "true" if MALIGNANT.search(code) else "false"
        lines.append(f"  {code}: {{name: {quoted(word)}, malignant: {malignant}{said}}}")
    melanoma = [code for code in codes if code in ("mel", "melanoma", "mm")]
    lines += [
        "# What operating points answer beside `malignant`, each with the classes that are a yes.",
        f"questions: {{melanoma: [{', '.join(melanoma)}]}}" if melanoma else "questions: {}",
        "",
        "# Keys of a table: diagnosis, or one_hot: true; lesion, or patient: what stays on one",
        "# side of a split (without, each image is its own lesion); dx_type, age, sex, site.",
        "# Leave out what there is not.",
        "tables:",
    ]
    known: dict[str, Counter[str]] = {}
    for one in drafts:
        lines += [f"  - file: {quoted(one.file)}", f"    image: {quoted(one.image)}"]
        lines += ["    one_hot: true"] * bool(one.one_hot)
        lines += [f"    {key}: {quoted(column)}" for key, column in one.columns.items()]
        for key, column in one.columns.items():
            known[key] = Counter(tables[one.file][column])
        if "lesion" in known and known["lesion"][""] and "lesion" in one.columns:
            lines.append("    lesion_gaps: true  # some are empty: the image is its own lesion")
        if one.unread:
            lines.append(f"    # Not read: {', '.join(map(printable, one.unread))}")
    unknown: set[str] = set()
    for key, name_of in (("sex", "sexes"), ("site", "sites")):
        if key in known:
            own = sorted(word for word in known[key] if word.strip())
            unknown |= {word for word in own if word.lower() in UNKNOWN}
            lines.append(f"{name_of}: {listed(word for word in own if word not in unknown)}")
    if unknown:
        lines.append(f"not_known: {listed(sorted(unknown))}")
    suffixes = sorted({PurePosixPath(image).suffix.lower() for image in images})
    lines += [
        "",
        "# A folder, or zip archives by a pattern; every file of these suffixes in it is an image.",
        f"images: {{files: {quoted(pattern)}, suffixes: {listed(suffixes)}}}",
    ]
    if masks:
        lines += [
            "# Of the lesions, white where the lesion is.",
            f'masks: {{files: {quoted(masks[0])}, name: "{masks[1]}"}}',
        ]
    return "\n".join(lines) + "\n"


def code_of(words: Iterable[str]) -> list[str]:
    """A code for each word: small letters, digits and _, each another."""
    codes: list[str] = []
    for word in words:
        code = re.sub("[^a-z0-9]+", "_", word.lower()).strip("_")
        code = code if re.match("[a-z]", code) else f"class_{code}".rstrip("_")
        codes.append(code if code not in codes else f"{code}_{len(codes)}")
    return codes


def quoted(text: str) -> str:
    """`text` in YAML, in quotes where it could be read as something else."""
    plain = re.fullmatch(r"[A-Za-z_.][\w ./()-]*[\w.)]|[a-z]", text) and not text.endswith(" ")
    special = text.lower() in ("true", "false", "null", "yes", "no", "on", "off", ".", "..")
    return text if plain and not special else json.dumps(text, ensure_ascii=False)


def listed(words: Iterable[str]) -> str:
    return f"[{', '.join(map(quoted, words))}]"
