"""The seven diagnoses of HAM10000, the three folds, the ways to split: one order everywhere."""

CLASSES: tuple[str, ...] = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
"""Alphabetical, as scikit-learn sorts labels: column k of every probability array is CLASSES[k]."""

CLASS_NAMES: dict[str, str] = {
    "akiec": "actinic keratosis / intraepithelial carcinoma",
    "bcc": "basal cell carcinoma",
    "bkl": "benign keratosis-like lesion",
    "df": "dermatofibroma",
    "mel": "melanoma",
    "nv": "melanocytic naevus",
    "vasc": "vascular lesion",
}

TRAIN, VALIDATION, TEST = FOLDS = ("train", "validation", "test")

LESION, IMAGE, CROSSVAL = "lesion", "image", "crossval"
