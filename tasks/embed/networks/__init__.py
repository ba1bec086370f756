"""Networks that ImageNet trained, one a file: `embed.<name>.network` in params.yaml names it.

A network is cut in two. Its trunk is frozen: what it makes of an image never changes, so that its
activations are stored and only what comes after is trained.

    trunk(shape, weights) -> keras.Model
    tail(activations, weights) -> KerasTensor (None, features)

shape: (height, width, 3). The trunk takes raw pixels, uint8 (n, height, width, 3), and returns
activations (n, h, w, channels); what the network wants done to pixels is its first layers. The tail
adds its layers to a model, after `activations`: an Input of a trunk's output shape to train on what
was stored, or a trunk's output for a model from pixels on. Neither is a model inside a model, so
that a model of both saves, loads and shows its layers as one. weights: the file of
`tasks.embed.weights`.
"""
