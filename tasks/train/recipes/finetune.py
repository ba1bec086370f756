"""What comes after a frozen network, trained on its stored activations."""

from tasks.errors import UserError
from tasks.ranges import Fraction, Portion, Positive
from tasks.train.plan import Data, Fitting


def recipe(
    activations: Data,
    seed: int,
    epochs: int,
    *,
    batch_size: Positive,
    learning_rate: Fraction,
    weight_decay: Portion,
    ema: Portion,
    label_smoothing: Portion,
) -> Fitting:
    """AdamW, with a rate that falls to 0 along a cosine; every epoch sees one flip of each image.

    ema: momentum of the moving average of the weights, which is kept. The validation figures of an
    epoch are of it, on images that are not flipped.

    Raises UserError when the sampler transforms pixels.
    """
    import numpy as np
    from keras import callbacks, losses, optimizers

    from tasks.train.batches import Batches

    if activations.transform:
        raise UserError(
            "the sampler transforms pixels, which this model does not see: take a sampler that "
            "adds, repeats or weighs images"
        )
    train, validation = activations.train, activations.validation
    weights = activations.class_weights
    of_class = weights if len(weights) else np.ones(activations.classes)
    one_hot = np.eye(activations.classes, dtype=np.float32)
    batches = Batches(
        train,
        one_hot[train.labels],
        of_class[train.labels].astype(np.float32),
        batch_size=batch_size,
        seed=seed,
    )
    unflipped = validation.inputs(validation.images[:, 0].astype(np.float32))
    return Fitting(
        compile={
            "optimizer": optimizers.AdamW(
                optimizers.schedules.CosineDecay(learning_rate, epochs * len(batches)),
                weight_decay=weight_decay,
                use_ema=True,
                ema_momentum=ema,
            ),
            "loss": losses.CategoricalCrossentropy(label_smoothing=label_smoothing),
        },
        fit={
            "x": batches,
            "validation_data": (unflipped, one_hot[validation.labels]),
            "validation_batch_size": 256,
        },
        callbacks=[callbacks.SwapEMAWeights(swap_on_epoch=True)],
    )
