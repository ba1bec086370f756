"""Samplers, one a file: `sample` in `<name>.py` makes the variant that params.yaml calls `<name>`.

    sample(images, labels, clinical, *, setting=..., ...) -> Added

images: uint8 (n, height, width, 3), labels: int64 (n,) and clinical: int64 (n, 3) (tasks.clinical)
of the training fold, and of nothing else. The keyword-only parameters are the keys that
`oversample.<name>` in params.yaml may set, checked by their annotations. Every stage reads those,
so heavy libraries are imported inside.
"""
