"""The cached tasks of the stage `split`."""

from tasks.cache.task import cached
from tasks.split import folds

split_images = cached("split images")(folds.split_images)
