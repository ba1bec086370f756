"""The cached tasks of the stage `evaluate`."""

from tasks.cache.task import cached
from tasks.evaluate import experiment

score_experiment = cached("score")(experiment.score_experiment)
