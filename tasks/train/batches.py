"""Batches of stored activations."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tasks.train.plan import Examples


class Batches(keras.utils.PyDataset):
    """Batches of activations, of each image one flip at random, in an order that seed fixes."""

    def __init__(
        self,
        examples: Examples,
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        """examples: of activations (n, flips, h, w, channels); weights: in the loss, (n,)."""
        super().__init__()
        self.examples, self.targets, self.weights = examples, targets, weights
        self.batch_size = batch_size
        self.random = np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        self.order = self.random.permutation(len(self.targets))
        self.flip = self.random.integers(0, self.examples.images.shape[1], len(self.targets))

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        x: Any = self.examples.images[rows, self.flip[rows]].astype(np.float32)
        if self.examples.clinical is not None:
            x = (x, self.examples.clinical[rows])
        return x, self.targets[rows], self.weights[rows]
