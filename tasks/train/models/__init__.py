"""Models, one a folder: `<name>/__init__.py` makes the model that params.yaml calls `<name>`.

On pixels (`input: prepared`):

    build(shape, mean, variance) -> keras.Model, uncompiled

shape: (height, width, 3); mean and variance: three numbers each, of the training fold's channels in
grey levels. The model takes raw pixels, uint8 (n, height, width, 3), and returns probabilities,
float32 (n, 7), in the order of CLASSES. Standardisation is its first layer, so that nothing a
caller does to an image before prediction can drift from what was done in training. It may have a
second input `clinical`, int64 (n, 3) (tasks.train.clinical), and then says CLINICAL = True. What a
`best.json` beside it has as `network` is handed to `build` as keywords; its other values stand in
for those of the section `train`.

On what a frozen network makes of the images (`input: embedded/<name>`):

    CLINICAL: bool
    head(features) -> probabilities (n, 7), or head(features, clinical) where CLINICAL is true

features: (n, k), after the network's tail (tasks.embed.networks).

The paper gives the structure of its two networks in words and their sizes in figures that are not
available; the sizes here reproduce its numbers.
"""
