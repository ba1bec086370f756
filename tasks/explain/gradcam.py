"""Grad-CAM: R. Selvaraju and others, "Grad-CAM: Visual Explanations from Deep Networks via
Gradient-based Localization", ICCV 2017.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from tasks.embed.flips import flipped
from tasks.errors import UserError
from tasks.explain.place import POOLING, Grid, grid_of, placed
from tasks.train.archive import takes_clinical

LAST = (*POOLING, layers.Dropout, layers.SpatialDropout2D)
"""Layers between the last feature map and what makes vectors of it."""

Maps = Callable[[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]


def explainer(model: keras.Model) -> Maps:
    """A function (images, clinical, classes) -> maps, float32 (n, height, width), not negative.

    images: uint8 (n, height, width, 3); clinical: codes (n, 3); classes: int64 (n,), the class of
    each image to explain. A map is made of the model's last feature map before it is pooled or
    flattened, each cell of it placed where it looks (tasks.explain.place), and is zero where
    nothing speaks for the class.

    Where a model predicts the mean over an image's flips, so is the map, each flipped back.

    Raises UserError when the model has no such feature map, or ends in no softmax.
    """
    front, back, grid = cut(model)
    height, width = model.inputs[0].shape[1:3]
    flips = isinstance(model.layers[-1], layers.Average)

    def maps(images: Any, clinical: Any, classes: Any) -> NDArray[np.float32]:
        each = [
            placed(gradcam(front, back, view, clinical, classes), grid, height, width)
            for view in flipped(images, flips)
        ]
        # A flip undoes itself, so that the n-th view of the n-th map is the n-th flipped back.
        upright = [flipped(one[..., None], flips)[n][..., 0] for n, one in enumerate(each)]
        return np.mean(upright, axis=0, dtype=np.float32)

    return maps


def gradcam(
    front: Callable[..., Any], back: Callable[..., Any], images: Any, clinical: Any, classes: Any
) -> NDArray[np.float32]:
    """Features weighted by the mean gradient of the class's logit, rectified.

    front: from images to features (n, h, w, k); back: from those and clinical codes to logits.
    """
    features = front(images)
    with tf.GradientTape() as tape:
        tape.watch(features)
        chosen = tf.gather(back(features, clinical), classes, axis=1, batch_dims=1)
    weights = tf.reduce_mean(tape.gradient(chosen, features), axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * features, axis=-1)).numpy()


def cut(model: keras.Model) -> tuple[Callable[..., Any], Callable[..., Any], Grid]:
    """`front` and `back` of `gradcam`: the model before and after its last feature map.

    And where the cells of that look.
    """
    # tasks.train.transfer makes a model of two.
    parts = [part for part in model.layers if isinstance(part, keras.Model)] or [model]
    found = [(number, feature_map(part)) for number, part in enumerate(parts)]
    number, features = next(
        ((number, features) for number, features in reversed(found) if features is not None),
        (0, None),
    )
    if features is None:
        raise UserError(f"{model.name} has no feature map to explain: it convolves nothing")
    before = [*parts[:number], keras.Model(parts[number].inputs[0], features)]
    *others, last = parts
    clinical = last.inputs[1:] if takes_clinical(model) else []
    end = logits(last)
    if number == len(others):
        after = [keras.Model([features, *clinical], end)]
    else:
        after = [keras.Model(features, parts[number].output), *parts[number + 1 : -1]]
        after.append(keras.Model(last.inputs, end))

    def front(images: Any) -> Any:
        for part in before:
            images = part(images, training=False)
        return images

    def back(x: Any, codes: Any) -> Any:
        *early, end = after
        for part in early:
            x = part(x, training=False)
        return end([x, tf.convert_to_tensor(codes)] if clinical else x, training=False)

    return front, back, grid_of(before)


def feature_map(part: keras.Model) -> keras.KerasTensor | None:
    """The last tensor (n, h, w, k), larger than 1x1, that a layer makes vectors of.

    Taken before the pooling that stands in front of that layer: it has more places to tell apart.
    """
    made_by = {id(layer.output): layer for layer in part.layers}
    for layer in reversed(part.layers):
        before = layer.input
        if isinstance(before, list) or len(before.shape) != 4:
            continue
        if math.prod(layer.output.shape[1:-1]) > 1:  # a vector may stand in one place, (n, 1, 1, k)
            continue
        while isinstance(made_by.get(id(before)), LAST):
            before = made_by[id(before)].input
        # An input is no feature map: nothing was made of it here.
        if before.shape[1] * before.shape[2] > 1 and id(before) not in map(id, part.inputs):
            return before
    return None


def logits(part: keras.Model) -> keras.KerasTensor:
    """What the softmax at the end of a model is taken of."""
    last = part.layers[-1]
    if getattr(last, "activation", None) is not keras.activations.softmax:
        if isinstance(last, layers.Softmax):
            return last.input
        raise UserError(f"{part.name} ends in no softmax, and Grad-CAM explains what stands before")
    if isinstance(last, layers.Activation):
        return last.input
    return keras.ops.matmul(last.input, last.kernel) + last.bias
