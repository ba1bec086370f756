"""The paper's protocol: Adam, and a learning rate that falls when validation stands still."""

from typing_extensions import TypedDict

from tasks.ranges import Fraction, Positive
from tasks.train.plan import Data, Fitting

STEPS = 32  # that TensorFlow runs before Python hears of them: a tenth faster for small models


class Plateau(TypedDict):
    """ReduceLROnPlateau, once on validation loss and once on validation accuracy."""

    factor: Fraction
    patience: Positive
    min_learning_rate: Fraction


def recipe(
    pixels: Data,
    seed: int,
    epochs: int,
    *,
    batch_size: Positive,
    learning_rate: Fraction,
    plateau: Plateau,
) -> Fitting:
    """Adam on categorical cross-entropy."""
    import numpy as np
    from keras import callbacks, optimizers
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    train, validation = pixels.train, pixels.validation
    data = {"x": train.inputs(), "y": train.labels, "batch_size": batch_size}
    if pixels.transform:
        # preprocessing_function comes last: the model's input is uint8, and a cast truncates.
        generator = ImageDataGenerator(**pixels.transform, preprocessing_function=np.rint)
        batches = generator.flow(train.inputs(), train.labels, batch_size=batch_size, seed=seed)
        data = {"x": batches}
    return Fitting(
        compile={
            "optimizer": optimizers.Adam(learning_rate),
            # Categorical cross-entropy on class indices, not one-hot rows: the same function.
            "loss": "sparse_categorical_crossentropy",
            "steps_per_execution": STEPS,
        },
        fit={
            **data,
            "class_weight": dict(enumerate(pixels.class_weights)) or None,
            "validation_data": (validation.inputs(), validation.labels),
            "validation_batch_size": 512,
        },
        callbacks=[
            callbacks.ReduceLROnPlateau(
                monitor,
                factor=plateau["factor"],
                patience=plateau["patience"],
                min_lr=plateau["min_learning_rate"],
            )
            for monitor in ("val_loss", "val_accuracy")
        ],
    )
