"""Models, one a file: `build` in `<name>.py` makes the model that params.yaml calls `<name>`.

    build(shape, mean, variance) -> keras.Model, uncompiled

shape: (height, width, 3); mean and variance: three numbers each, of the training fold's channels in
grey levels. The model takes raw pixels, uint8 (n, height, width, 3), and returns probabilities,
float32 (n, 7), in the order of CLASSES. Standardisation is its first layer, so that nothing a
caller does to an image before prediction can drift from what was done in training.

The paper gives the structure of its two networks in words and their sizes in figures that are not
available; the sizes here reproduce its numbers.
"""
