"""The cached tasks of the stage `preprocess`."""

from tasks.cache.task import cached
from tasks.reading.decode import decode

decode_shard = cached("decode shard")(decode)
