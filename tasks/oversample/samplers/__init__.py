"""Samplers, one a file: `sample` in `<name>.py` is what `sampling: <name>` in params.yaml names.

    sample(images, labels, clinical, *, setting=..., ...) -> Added

images: pixels, uint8 (n, height, width, 3), or what a frozen network made of them, float16
(n, flips, h, w, channels); labels: int64 (n,); clinical: int64 (n, 3) (tasks.clinical). They are of
the training fold, and of nothing else. The keyword-only parameters are the keys that its line under
`oversample` in params.yaml may set, and an experiment's line, checked by their annotations. Every
stage reads those, so heavy libraries are imported inside.
"""
