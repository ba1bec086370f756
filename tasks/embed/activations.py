"""Compute what a frozen trunk makes of images, in a process of its own (tasks.process)."""

import pkgutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tasks.embed.flips import flipped
from tasks.reading.decode import decode

BATCH = 32  # images, each as often as there are flips; fixed, for it may change the last bits


def embed(
    out: Path,
    *,
    archive: Path,
    images: Sequence[str],
    width: int,
    height: int,
    trunk: str,
    weights: Path,
    flips: bool,
    suffixes: Sequence[str],
    report: Callable[[int], None],
) -> None:
    """Write `activations.npy`, float16 (n, 4 or 1, h, w, channels), into the folder `out`.

    trunk: "module:function" that builds it (tasks.embed); flips: whether to embed each image in
    the four ways of `flipped`, in that order, or as it is; report: called with the number of images
    done since the last call.

    Raises DataError that lists every image whose data are damaged, of the first BATCH with any.
    """
    tf.config.experimental.enable_op_determinism()
    model = pkgutil.resolve_name(trunk)((height, width, 3), weights)
    shape = (len(images), 4 if flips else 1, *model.output_shape[1:])
    activations = np.lib.format.open_memmap(
        out / "activations.npy", mode="w+", dtype=np.float16, shape=shape
    )
    for start in range(0, len(images), BATCH):
        some = images[start : start + BATCH]
        decode(out, archive=archive, images=some, width=width, height=height, suffixes=suffixes)
        for flip, pixels in enumerate(flipped(np.load(out / "pixels.npy"), flips)):
            activations[start : start + BATCH, flip] = model.predict_on_batch(pixels)
        report(len(some))
    activations.flush()
    (out / "pixels.npy").unlink()
