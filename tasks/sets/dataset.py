"""What a data set is: its classes, its tables, its images. `data/sets/<name>.yaml` describes one.

Pairs of images that show one lesion under two ids are not here: data/same_lesion.csv holds those of
every set, and whoever reads it leaves out what belongs to another.
"""

import re
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, model_validator

from tasks.reading.names import SUFFIXES

IMAGE, LESION, DIAGNOSIS, DX_TYPE, AGE, SEX, SITE = COLUMNS = (
    "image_id", "lesion_id", "dx", "dx_type", "age", "sex", "localization",
)  # fmt: skip
"""The columns of data/prepared/images.csv, whatever those of a set's own tables are called."""

RESERVED = {*COLUMNS, "fold", "seed", "lesion_images", "clinical", "part"}
"""Columns of predictions, beside which each class has one."""

MALIGNANT = "malignant"
"""The question whose classes are those that are marked so."""

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)
"""Nothing is converted: what a stage gets is what DVC, which reads the file by itself, records."""

Text = Annotated[str, Field(min_length=1)]


def shaped(pattern: str, wanted: str) -> AfterValidator:
    """A validator of text that says what is wanted."""

    def check(value: str) -> str:
        if not re.search(pattern, value):
            raise ValueError(f"must {wanted} (is {value!r})")
        return value

    return AfterValidator(check)


Code = Annotated[str, shaped(r"^[a-z][a-z0-9_]*$", "be made of a-z, 0-9 and _")]
Suffix = Annotated[str, shaped(r"^\.[a-z]+$", "be a dot and small letters, such as .jpg")]
Texts = Annotated[tuple[Text, ...], Strict(False)]  # of a list, as YAML has it


class Section(BaseModel):
    model_config = STRICT


class Class(Section):
    """A diagnosis. word: what the table says for it, or its column's name, if not the code."""

    name: Text
    malignant: bool = False
    word: Text | None = None


class Table(Section):
    """A CSV with a row an image, and the names that its columns have.

    diagnosis: the column that names the class; one_hot instead: each class has a column of its
    own, which is 1. lesion or patient: what stays on one side of a split; lesion_gaps: it may be
    empty, and the image is then its own lesion. dx_type: how the diagnosis was made. optional:
    columns to keep if the file has them.
    """

    file: Text
    image: Text
    diagnosis: Text | None = None
    one_hot: bool = False
    lesion: Text | None = None
    lesion_gaps: bool = False
    patient: Text | None = None
    dx_type: Text | None = None
    age: Text | None = None
    sex: Text | None = None
    site: Text | None = None
    optional: Texts = ()

    @property
    def columns(self) -> dict[str, str]:
        """The file's name of each of COLUMNS that it has, but for one-hot diagnoses."""
        names = {
            IMAGE: self.image,
            LESION: self.lesion or self.patient,
            DIAGNOSIS: self.diagnosis,
            DX_TYPE: self.dx_type,
            AGE: self.age,
            SEX: self.sex,
            SITE: self.site,
        }
        return {column: name for column, name in names.items() if name}


class Files(Section):
    """Where images are: a folder, or zip archives, by a pattern, `.` for the whole folder.

    suffixes: of what counts as an image, in folders and archives at any depth.
    """

    files: Text
    suffixes: Annotated[tuple[Suffix, ...], Strict(False)] = SUFFIXES


class Masks(Section):
    """Where the lesions' masks are, likewise. name: of the mask of {image}."""

    files: Text
    name: Annotated[str, shaped(r"\{image\}", "hold {image}, such as {image}_mask.png")]


class Published(Section):
    """The record at Harvard Dataverse, and the MD5 of each of its files that the set consists of.

    A record can be published again with other files in it: these win over what Dataverse lists.
    """

    doi: Text
    md5: dict[Text, Annotated[str, shaped("^[0-9a-f]{32}$", "be 32 digits of 0-9a-f")]]


class Dataset(Section):
    """A data set.

    classes: by code, in the order of every array of probabilities. questions: what operating
    points answer, each the classes that are a yes, beside MALIGNANT. sexes, sites: the words of
    these columns, in the order of their codes; not_known: words that say that it is not known.
    """

    title: Text
    licence: Text
    citation: Text
    classes: Annotated[dict[Code, Class], Field(min_length=2)]
    questions: dict[Code, Texts] = {}
    tables: Annotated[tuple[Table, ...], Strict(False), Field(min_length=1)]
    sexes: Texts = ()
    sites: Texts = ()
    not_known: Texts = ()
    images: Files
    masks: Masks | None = None
    published: Published | None = None

    @model_validator(mode="after")
    def holds_together(self) -> "Dataset":
        if faults := list(self._faults()):
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        of_diagnosis = [table for table in self.tables if table.diagnosis or table.one_hot]
        if len(of_diagnosis) != 1 or (of_diagnosis[0].diagnosis and of_diagnosis[0].one_hot):
            yield "one table must have `diagnosis: COLUMN` or `one_hot: true`, and only one"
        counts = Counter(name for table in self.tables for name in table.columns if name != IMAGE)
        if twice := [name for name, count in counts.items() if count > 1]:
            yield f"two tables give {', '.join(twice)}: leave one"
        if any(table.lesion and table.patient for table in self.tables):
            yield "give `lesion` or `patient`, not both: the images of one stay together"
        for column, key, words in ((SEX, "sexes", self.sexes), (SITE, "sites", self.sites)):
            if (column in counts) != bool(words):
                yield f"a column of {key} and its words, `{key}: [...]`, go together"
        for key, words in (
            ("the words of the classes", tuple(self.words)),
            ("sexes", (*self.not_known, *self.sexes)),
            ("sites", (*self.not_known, *self.sites)),
        ):
            if doubled := [word for word, count in Counter(words).items() if count > 1]:
                yield f"{key}: {', '.join(doubled)} stands twice"
        if reserved := RESERVED & set(self.classes):
            yield f"classes: {', '.join(sorted(reserved))} is the name of another column: rename it"
        for question, answers in self.questions.items():
            if question == MALIGNANT:
                yield "questions.malignant: mark the classes `malignant: true` instead"
            elif strange := [code for code in answers if code not in self.classes]:
                known = ", ".join(self.classes)
                yield f"questions.{question}: no class {', '.join(strange)}; one of {known}"

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(self.classes)

    @property
    def words(self) -> list[str]:
        """What a table says for each class."""
        return [one.word or code for code, one in self.classes.items()]

    @property
    def names(self) -> dict[str, str]:
        """The name of each class, by code."""
        return {code: one.name for code, one in self.classes.items()}

    def asked(self) -> dict[str, tuple[str, ...]]:
        """The classes that are a yes to each question, MALIGNANT first."""
        malignant = tuple(code for code, one in self.classes.items() if one.malignant)
        return {**({MALIGNANT: malignant} if malignant else {}), **self.questions}

    def has(self, column: str) -> bool:
        """Whether a table has one of COLUMNS."""
        return any(column in table.columns for table in self.tables)

    @property
    def patients(self) -> bool:
        """Whether what stays together is a patient, with lesions of several diagnoses."""
        return any(table.patient for table in self.tables)

    @property
    def needed(self) -> list[str]:
        """Names and patterns of what a folder with the set holds, but for masks."""
        if self.published:
            return [name for name in self.published.md5 if not self._is_mask(name)]
        return [*(table.file for table in self.tables), self.images.files]

    @property
    def optional(self) -> list[str]:
        """The same of the masks."""
        if self.published:
            return [name for name in self.published.md5 if self._is_mask(name)]
        return [self.masks.files] if self.masks else []

    def _is_mask(self, name: str) -> bool:
        return self.masks is not None and fnmatchcase(name, self.masks.files)


def packed(pattern: str) -> str:
    """The archive that `download` makes of a folder of images."""
    return "images.zip" if pattern == "." else f"{pattern.strip('/').replace('/', '-')}.zip"


def matching(folder: Path, pattern: str) -> list[Path]:
    """The files and folders in `folder` that a pattern of a description names, in order."""
    if pattern == ".":
        return [folder] if folder.is_dir() else []
    return sorted(folder.glob(pattern))
