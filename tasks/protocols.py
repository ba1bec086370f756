"""The three folds, and the ways to split."""

TRAIN, VALIDATION, TEST = FOLDS = ("train", "validation", "test")

LESION, IMAGE, CROSSVAL = "lesion", "image", "crossval"
