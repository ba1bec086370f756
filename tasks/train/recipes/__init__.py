"""Recipes, ways to train, one a file: `recipe` in `<name>.py` is what `recipe: <name>` names.

    recipe(pixels, seed, epochs, *, setting=..., ...) -> Fitting
    recipe(activations, seed, epochs, *, setting=..., ...) -> Fitting

The first parameter is tasks.train.plan.Data, and its name says what it can be of: `pixels`
(`input: prepared`) or `activations` (`input: embedded/<name>`). A recipe decides loss, optimizer,
callbacks and how batches are made; the rest is alike for all (tasks.train.loop).

Beside `runs` and `epochs` the keyword-only parameters are the keys of its line under `recipes` in
params.yaml, checked by their annotations; an experiment's line may have others. Every stage reads
those, so Keras is imported inside.
"""
