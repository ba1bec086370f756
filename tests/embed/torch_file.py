"""Files as `torch.save` wrote them, made without torch."""

import io
import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from tasks.embed.state_dict import MAGIC, VERSION

MACHINE = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"int": 4}}


def _rebuild_tensor_v2(*arguments: Any) -> None:
    """Only its name is written."""


FLOATS = type("FloatStorage", (), {"__module__": "torch"})
LONGS = type("LongStorage", (), {"__module__": "torch"})


class Stored:
    """A tensor to write: by default all of `numbers`, in its shape and order."""

    def __init__(
        self,
        numbers: NDArray[Any],
        offset: int = 0,
        shape: tuple[int, ...] | None = None,
        strides: tuple[int, ...] | None = None,
    ) -> None:
        self.numbers = np.ascontiguousarray(numbers).reshape(numbers.shape)
        self.offset = offset
        self.shape = numbers.shape if shape is None else shape
        steps = tuple(step // numbers.itemsize for step in self.numbers.strides)
        self.strides = steps if strides is None else strides

    def __reduce__(self) -> tuple[Any, ...]:
        storage = Storage(self.numbers)
        hooks: Any = OrderedDict()
        return _rebuild_tensor_v2, (storage, self.offset, self.shape, self.strides, False, hooks)


class Storage:
    def __init__(self, numbers: NDArray[Any]) -> None:
        self.numbers = numbers


class Pickler(pickle.Pickler):
    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, protocol=2)
        self.storages: list[NDArray[Any]] = []

    def persistent_id(self, thing: Any) -> Any:
        if not isinstance(thing, Storage):
            return None
        self.storages.append(thing.numbers)
        kind = LONGS if thing.numbers.dtype == np.int64 else FLOATS
        key = str(len(self.storages) - 1)
        return "storage", kind, key, "cpu", thing.numbers.size, None


def contents(tensors: Any) -> bytes:
    """The file's bytes; `tensors` is a mapping of names to arrays or to Stored, or is malicious."""
    if isinstance(tensors, Mapping):
        tensors = OrderedDict(
            (name, Stored(value) if isinstance(value, np.ndarray) else value)
            for name, value in tensors.items()
        )
        tensors._metadata = OrderedDict(version=1)
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    vars(torch).update(FloatStorage=FLOATS, LongStorage=LONGS, _utils=utils)
    vars(utils).update(_rebuild_tensor_v2=_rebuild_tensor_v2)
    stream = io.BytesIO()
    pickler = Pickler(stream)
    with (
        mock.patch.dict(sys.modules, {"torch": torch, "torch._utils": utils}),
        mock.patch.object(_rebuild_tensor_v2, "__module__", "torch._utils"),
    ):
        pickler.dump(tensors)
    head = b"".join(pickle.dumps(part, protocol=2) for part in (MAGIC, VERSION, MACHINE))
    keys = pickle.dumps([str(key) for key in range(len(pickler.storages))], protocol=2)
    body = [struct.pack("<q", array.size) + array.tobytes() for array in pickler.storages]
    return b"".join([head, stream.getvalue(), keys, *body])


def write(path: Path, tensors: Any) -> Path:
    path.write_bytes(contents(tensors))
    return path
