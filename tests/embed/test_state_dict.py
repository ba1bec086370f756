"""PyTorch files, sound, damaged and malicious."""

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch_file import Stored, contents, write

from tasks.embed.state_dict import read_state_dict
from tasks.embed.weights import packaged
from tasks.errors import UserError

NUMBERS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
SOUND: dict[str, NDArray[Any]] = {
    "a.weight": NUMBERS,
    "a.count": np.array(7),
    "b": np.array([1.5, -2.5], np.float32),
}


def test_tensors_come_back_by_name_in_order(tmp_path: Path) -> None:
    tensors = read_state_dict(write(tmp_path / "w.pth", SOUND))
    assert list(tensors) == list(SOUND)
    for name, tensor in tensors.items():
        assert tensor.dtype == SOUND[name].dtype
        np.testing.assert_array_equal(tensor, SOUND[name])


def test_a_tensor_may_be_a_part_of_its_storage_in_another_order(tmp_path: Path) -> None:
    part = Stored(NUMBERS, offset=4, shape=(4, 2), strides=(1, 12))
    tensors = read_state_dict(write(tmp_path / "w.pth", {"part": part}))
    np.testing.assert_array_equal(tensors["part"], NUMBERS[:, 1].T)


def test_the_published_file() -> None:
    tensors = read_state_dict(packaged())
    assert len(tensors) == 296
    trained = [tensor for tensor in tensors.values() if tensor.dtype == np.float32]
    assert sum(tensor.size for tensor in trained) == 4_694_024
    assert tensors["_bn1.num_batches_tracked"].shape == ()
    assert all(np.isfinite(tensor).all() for tensor in trained)


class Malicious:
    """Calls a function when it is read by an unpickler that trusts its file."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def harm(marker: Path) -> dict[str, Malicious]:
    """What a file could do, each by another function."""
    return {
        "system": Malicious(os.system, f"touch {marker}"),
        "open": Malicious(open, str(marker), "w"),
        "eval": Malicious(eval, f"open({str(marker)!r}, 'w')"),
        "import": Malicious(__import__, "antigravity"),
        "getattr": Malicious(getattr, "", "join"),
    }


@pytest.mark.parametrize("kind", ["system", "open", "eval", "import", "getattr"])
@pytest.mark.parametrize("place", ["tensor", "whole"])
def test_a_malicious_file_is_refused_before_it_does_anything(
    tmp_path: Path, kind: str, place: str
) -> None:
    marker = tmp_path / "harmed"
    malicious = harm(marker)[kind]
    path = write(tmp_path / "w.pth", {**SOUND, "c": malicious} if place == "tensor" else malicious)
    with pytest.raises(UserError, match=r"w.pth is no PyTorch state dict.*no state dict needs"):
        read_state_dict(path)
    assert not marker.exists()


def test_a_malicious_first_pickle_is_refused(tmp_path: Path) -> None:
    marker = tmp_path / "harmed"
    first = Malicious(os.system, f"touch {marker}")
    path = tmp_path / "w.pth"
    path.write_bytes(pickle.dumps(first, protocol=2) + contents(SOUND))
    with pytest.raises(UserError, match="no state dict needs"):
        read_state_dict(path)
    assert not marker.exists()


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = contents(SOUND)
    path = tmp_path / "w.pth"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="or a damaged one"):
            read_state_dict(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(UserError, match="1 bytes too many"):
        read_state_dict(path)


@pytest.mark.parametrize(
    "tensor",
    [
        Stored(NUMBERS, strides=(12, 4, 2)),
        Stored(NUMBERS, offset=1),
        Stored(NUMBERS, offset=-1),
        Stored(NUMBERS, strides=(-12, 4, 1)),
        Stored(NUMBERS, shape=(5, 5), strides=(0, 0)),
        Stored(NUMBERS, strides=(12, 4)),
    ],
    ids=["stride", "offset", "before", "backwards", "swollen", "axes"],
)
def test_a_tensor_that_does_not_lie_in_its_storage_is_refused(
    tmp_path: Path, tensor: Stored
) -> None:
    with pytest.raises(UserError, match=r"w\.pth is no PyTorch state dict"):
        read_state_dict(write(tmp_path / "w.pth", {"a": tensor}))


def test_other_things_than_tensors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it holds other things than tensors"):
        read_state_dict(write(tmp_path / "w.pth", {**SOUND, "epoch": 3}))


def test_a_storage_of_another_length_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "w.pth", {"a": NUMBERS})
    content = bytearray(path.read_bytes())
    content[-NUMBERS.nbytes - 8] = 23
    path.write_bytes(content)
    with pytest.raises(UserError, match="23 numbers where 24 should be"):
        read_state_dict(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    with pytest.raises(UserError, match=r"w\.zip is no PyTorch state dict"):
        read_state_dict(tmp_path / "w.zip")
    with pytest.raises(UserError, match=r"none\.pth is missing"):
        read_state_dict(tmp_path / "none.pth")
