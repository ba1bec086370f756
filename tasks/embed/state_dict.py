"""PyTorch's state dicts, read without torch and without trusting the file.

`torch.save` wrote, before its format became a zip archive, five pickles (a magic number, the
format's version, facts of the machine, the state dict, the keys of its storages), and after them
each storage: the number of its elements in eight bytes, and the elements. A pickle can call any
function there is. This reader knows three names, none of which does anything but hold values.
"""

import io
import math
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UserError

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class Storage(NamedTuple):
    """Numbers that tensors are cut from."""

    dtype: str
    key: str
    size: int


class Tensor(NamedTuple):
    """What a tensor's pickle says of it: the arguments of `torch._utils._rebuild_tensor_v2`."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    requires_grad: bool
    hooks: Any


class Unpickler(pickle.Unpickler):
    """Refuses everything that a plain state dict does not need."""

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                # A function of its own each time: a pickle may set attributes on what it is given.
                return lambda *arguments: Tensor(*arguments)
            case "torch", name if name in STORAGES:
                return STORAGES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no state dict needs")

    def persistent_load(self, pid: Any) -> Storage:
        kind, dtype, key, _device, size, view = pid
        if kind != "storage" or dtype not in STORAGES.values() or view is not None:
            raise pickle.UnpicklingError(f"it refers to {kind!r} in an unknown way")
        return Storage(dtype, key, size)


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """Name -> tensor, float32 or int64, in the order of the file.

    Raises UserError when `path` is no such file, is damaged, or holds anything but plain tensors.
    """
    try:
        return _read(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except Exception as error:  # a damaged pickle raises nearly everything
        raise UserError(
            f"{path} is no PyTorch state dict of plain tensors, or a damaged one: {error}\n"
            "Install the package that it came with anew, or name another file."
        ) from error


def _read(content: bytes) -> dict[str, NDArray[Any]]:
    stream = io.BytesIO(content)
    magic, version, machine, tensors, keys = (Unpickler(stream).load() for _ in range(5))
    if (magic, version) != (MAGIC, VERSION) or not machine["little_endian"]:
        raise ValueError("it was written in another format")
    if any(type(tensor) is not Tensor for tensor in tensors.values()):
        raise ValueError("it holds other things than tensors")

    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    arrays: dict[str, NDArray[Any]] = {}
    position = stream.tell()
    for key in keys:
        storage = storages[key]
        if (written := int.from_bytes(content[position : position + 8], "little")) != storage.size:
            raise ValueError(f"{written} numbers where {storage.size} should be")
        arrays[key] = np.frombuffer(content, storage.dtype, storage.size, position + 8)
        position += 8 + arrays[key].nbytes
    if position != len(content):
        raise ValueError(f"{len(content) - position} bytes too many")
    return {name: _cut(arrays[tensor.storage.key], tensor) for name, tensor in tensors.items()}


def _cut(numbers: NDArray[Any], tensor: Tensor) -> NDArray[Any]:
    """The array of `tensor`, whose axes may lie in any order in its storage.

    By index and not by strides of NumPy's own, which would read wherever a file sends them.
    """
    shape, offset = tensor.shape, tensor.offset
    if math.prod(shape) > numbers.size or min((offset, *tensor.strides, *shape)) < 0:
        raise ValueError(f"it holds a tensor {shape} that is no part of {numbers.size} numbers")
    places = np.full(shape, offset)
    for axis, (length, step) in enumerate(zip(shape, tensor.strides, strict=True)):
        places += step * np.arange(length).reshape(-1, *[1] * (len(shape) - axis - 1))
    return np.asarray(numbers[places])
