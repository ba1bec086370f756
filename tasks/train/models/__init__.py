"""Models, one a file: `build` in `<name>.py` makes what `model: <name>` in params.yaml names.

    build(pixels, x, coding, *, setting=..., ...) -> keras.Model, uncompiled
    build(activations, x, coding, *, setting=..., ...) -> keras.Model, uncompiled

The first parameter's name says what the model sees: `pixels` (`input: prepared`), or `activations`,
what a frozen network makes of them (`input: embedded/<name>`). It is the model's input, a Keras
tensor, and x is where the model begins: the pixels standardised by the training fold's moments
(n, height, width, 3), or the features (n, k) that the network's own last layers, trained too, make
of the activations. The model returns probabilities, float32 (n, k), in the order of coding.classes
(tasks.coding). All that is done to an image before x is part of the saved model, so that a
prediction cannot drift from what was done in training.

The keyword-only parameters are the keys that an experiment's line in params.yaml may set, checked
by their annotations. Every stage reads those, so Keras is imported inside. One that is called
`clinical`, where it is true, gives the model the second input of tasks.train.clinical.

The paper gives the structure of its two networks in words and their sizes in figures that are not
available; the sizes here reproduce its numbers.
"""
