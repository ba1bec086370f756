"""A model file tampered with, a pickle in the task cache, `.npy` with objects: all refused.

A model that brings code, as Keras itself would save it, and files that are no models:
tests/predict/test_flows.py::test_models_that_cannot_be_used. A pickle as the weights that `embed`
reads: tests/embed/test_state_dict.py.
"""

import base64
import io
import json
import os
import pickle
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from ham10000 import CODING
from prefect import flow
from saved import tell

from tasks import process
from tasks.cache.task import cached
from tasks.folds import read_fold
from tasks.oversample.added import read_added

Members = dict[str, bytes]
HERE = "test_models"
MARK = "code-ran"


class Evil:
    """A pickle that makes a file where it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (MARK,)


def members_of(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed_config(members: Members, change: Callable[[dict[str, Any]], None]) -> Members:
    config = json.loads(members["config.json"])
    change(config)
    return {**members, "config.json": json.dumps(config).encode()}


def layer(config: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in config["config"]["layers"] if one["class_name"] == name)


def lambda_layer(config: dict[str, Any]) -> None:
    """Python's byte code instead of a layer."""
    code = {"class_name": "__lambda__", "config": {"code": "4wE=", "defaults": None}}
    found = layer(config, "ReLU")
    found["class_name"] = "Lambda"
    found["config"] = {"name": "evil", "trainable": True, "function": code}


def foreign_class(config: dict[str, Any]) -> None:
    found = layer(config, "ReLU")
    found.update(module="os", class_name="mkdir", registered_name=None, config={"path": MARK})


def foreign_function(config: dict[str, Any]) -> None:
    found = layer(config, "Dense")["config"]
    found["activation"] = {"module": "os", "class_name": "function", "config": "getcwd"}


def utility_of_keras(config: dict[str, Any]) -> None:
    """One that fetches files."""
    layer(config, "ReLU").update(module="keras.utils", class_name="get_file")


def enormous_layer(config: dict[str, Any]) -> None:
    """A kernel of 12 terabytes."""
    layer(config, "Dense")["config"]["units"] = 10**12


def large_layer(config: dict[str, Any]) -> None:
    """A kernel of 6 gigabytes: no allocation fails, the machine gets slow."""
    layer(config, "Dense")["config"]["units"] = 5 * 10**8


def link_in_weights(members: Members) -> Members:
    """A name in the weights that leads to another file."""
    import h5py

    stream = io.BytesIO(members["model.weights.h5"])
    with h5py.File(stream, "a") as file:
        variables = file["layers/dense/vars"]
        del variables["0"]
        variables["0"] = h5py.ExternalLink("/etc/passwd", "/")
    return {**members, "model.weights.h5": stream.getvalue()}


def weights_outside(members: Members) -> Members:
    """Weights whose bytes stand in another file."""
    import h5py

    stream = io.BytesIO(members["model.weights.h5"])
    with h5py.File(stream, "a") as file:
        variables = file["layers/dense/vars"]
        shape = variables["0"].shape
        del variables["0"]
        outside = [("/etc/passwd", 0, 4 * int(np.prod(shape)))]
        variables.create_dataset("0", shape, "float32", external=outside)
    return {**members, "model.weights.h5": stream.getvalue()}


def config(change: Callable[[dict[str, Any]], None]) -> Callable[[Members], Members]:
    return lambda members: changed_config(members, change)


TAMPERED: dict[str, tuple[Callable[[Members], Members], int, str]] = {
    "Lambda": (config(lambda_layer), zipfile.ZIP_STORED, "cannot be loaded"),
    "a class of another package": (config(foreign_class), zipfile.ZIP_STORED, "cannot be loaded"),
    "a function of another package": (
        config(foreign_function),
        zipfile.ZIP_STORED,
        "cannot be loaded",
    ),
    "a utility of Keras": (config(utility_of_keras), zipfile.ZIP_STORED, "cannot be loaded"),
    "an enormous layer": (config(enormous_layer), zipfile.ZIP_STORED, "cannot be loaded"),
    "a large layer": (config(large_layer), zipfile.ZIP_STORED, "cannot be loaded"),
    "path traversal": (
        lambda members: {**members, "../../evil.txt": b"evil"},
        zipfile.ZIP_STORED,
        "was not saved by the stage `train`: it holds .*evil.txt",
    ),
    "an absolute path": (
        lambda members: {**members, "/tmp/evil.txt": b"evil"},
        zipfile.ZIP_STORED,
        "was not saved by the stage `train`: it holds .*evil.txt",
    ),
    "assets": (
        lambda members: {**members, "assets/a.txt": b"a"},
        zipfile.ZIP_STORED,
        "was not saved by the stage `train`: it holds .*assets",
    ),
    "a bomb of weights": (
        lambda members: {**members, "model.weights.h5": bytes(2**24)},
        zipfile.ZIP_DEFLATED,
        "it is compressed, and would be 16,",
    ),
    "a bomb of metadata": (
        lambda members: {**members, "metadata.json": b" " * 2**24},
        zipfile.ZIP_DEFLATED,
        "it is compressed, and would be 16,",
    ),
    "a link in the weights": (link_in_weights, zipfile.ZIP_STORED, "cannot be loaded"),
    "weights in another file": (weights_outside, zipfile.ZIP_STORED, "cannot be loaded"),
    "weights that are none": (
        lambda members: {**members, "model.weights.h5": b"none"},
        zipfile.ZIP_STORED,
        "cannot be loaded",
    ),
    "weights left out": (
        lambda members: {name: members[name] for name in members if not name.endswith("h5")},
        zipfile.ZIP_STORED,
        "it holds config.json, metadata.json, instead of",
    ),
    "a configuration nested without end": (
        lambda members: {**members, "config.json": b"[" * 100_000},
        zipfile.ZIP_STORED,
        "cannot be loaded",
    ),
    "no classes": (
        lambda members: {**members, "metadata.json": b'{"classes": null}'},
        zipfile.ZIP_STORED,
        "was not saved by the stage `train`",
    ),
    "a class that is no word": (
        lambda members: {**members, "metadata.json": b'{"classes": ["nv", "m\\u001bel"]}'},
        zipfile.ZIP_STORED,
        "was not saved by the stage `train`: its classes are not all words",
    ),
    "a class twice": (
        lambda members: {**members, "metadata.json": b'{"classes": ["nv", "nv"]}'},
        zipfile.ZIP_STORED,
        "was not saved by the stage `train`: its classes are not all different",
    ),
    "words of a column that are numbers": (
        lambda members: {**members, "metadata.json": b'{"classes": ["a", "b"], "sexes": [1, 2]}'},
        zipfile.ZIP_STORED,
        "was not saved by the stage `train`: its sexes are not all words",
    ),
    "one class": (
        lambda members: {**members, "metadata.json": b'{"classes": ["nv"]}'},
        zipfile.ZIP_STORED,
        "was not saved by the stage `train`: it has fewer than two classes",
    ),
    "more classes than outputs": (
        lambda members: {
            **members,
            "metadata.json": json.dumps({"classes": [*"abcdefgh"]}).encode(),
        },
        zipfile.ZIP_STORED,
        r" gives \[\('float32', 7\)\], where .* and gives \[\('float32', 8\)\]: name another",
    ),
}


def load_each(*, paths: dict[str, Path], report: Any) -> None:
    """In a child: what is said of each, and how much memory all of it took."""
    from tasks.errors import UserError
    from tasks.trained.models import load

    for name, path in paths.items():
        try:
            load(path)
            said = "loaded"
        except UserError as error:
            said = str(error)
        report((name, said))
    status = Path("/proc/self/status").read_text()
    report(("peak", next(line for line in status.splitlines() if line.startswith("VmHWM"))))


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `flows.predict` would say of each file, all asked in one process."""
    folder = tmp_path_factory.mktemp("tampered")
    sound = tiny.make(folder, seeds=1) / "plain" / "seed-0" / "model.keras"
    paths = {"sound": sound}
    for number, (name, (change, compression, _)) in enumerate(TAMPERED.items()):
        paths[name] = folder / f"{number}.keras"
        with zipfile.ZipFile(paths[name], "w", compression) as archive:
            for member, content in change(members_of(sound)).items():
                archive.writestr(member, content)
    twice = paths["a member twice"] = folder / "twice.keras"
    with zipfile.ZipFile(twice, "w") as archive:
        for member, content in members_of(sound).items():
            archive.writestr(member, content)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("config.json", b"{}")
    said: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        patch.chdir(folder)
        process.call(f"{HERE}:load_each", report=lambda news: said.update([news]), paths=paths)
    assert not (folder / MARK).exists(), "code of the file ran"
    assert not list(folder.parent.rglob("evil.txt"))
    return said


def test_sound_model_is_loaded(said: dict[str, str]) -> None:
    assert said["sound"] == "loaded"


@pytest.mark.parametrize("name", [*TAMPERED, "a member twice"])
def test_model_file(said: dict[str, str], name: str) -> None:
    message = TAMPERED[name][2] if name in TAMPERED else "it holds .*config.json, .*config.json"
    assert re.search(message, said[name]), said[name]
    assert len(said[name].splitlines()) == 1
    assert ".keras " in said[name], "the file is named"


def test_attempts_take_little_memory(said: dict[str, str]) -> None:
    kilobytes = int(said["peak"].split()[1])
    assert kilobytes < 3 * 2**20


def odd(name: str) -> Any:
    """A model that is none from pixels to probabilities, though its file is sound."""
    import keras
    from keras import layers, ops

    shape = {"any size": (None, None, 3), "huge pixels": (2**13, 2**12, 3)}.get(name, (8, 12, 3))
    number = {"five inputs": 5, "two inputs": 2}.get(name, 1)
    inputs = [keras.Input(shape, dtype="uint8") for _ in range(number)]
    x = ops.cast(inputs[0], "float32")
    if name == "a huge result":
        x = layers.UpSampling2D(3600)(x)
    x = layers.GlobalAveragePooling2D()(x)
    if name == "no inputs":
        return keras.Sequential([layers.Dense(7)])
    if name == "other codes":
        inputs.append(keras.Input((5,), dtype="int64", name="clinical"))
    if name == "two classes":
        return keras.Model(inputs, layers.Dense(2, activation="softmax")(x))
    last = layers.Dense(
        7, activation={"linear": None, "independent": "sigmoid"}.get(name, "softmax")
    )
    outputs = last(x)
    last.set_weights([np.full((3, 7), np.nan if name == "nan" else 0), np.linspace(-1, 1, 7)])
    return keras.Model(inputs, [outputs] * (2 if name == "two outputs" else 1))


TAKES = " takes .* and gives .*, where a model of the stage `train` takes pixels, "
NO_PROBABILITIES = " does not give probabilities, from 0 to 1 that add up to 1, but such as "
ODD = {
    "five inputs": TAKES,
    "two inputs": TAKES,
    "no inputs": " cannot be loaded: ",
    "other codes": TAKES,
    "two classes": TAKES,
    "two outputs": TAKES,
    "any size": TAKES,
    "huge pixels": TAKES,
    "linear": NO_PROBABILITIES + "-1, -0.667, ",
    "independent": NO_PROBABILITIES + "0.269, ",
    "nan": NO_PROBABILITIES + "nan, nan",
    "a huge result": " takes more than 1.25 GiB of memory for 1 images: it is no model for this",
}
"""What is said of each."""


def ask_each(*, folder: Path, report: Any) -> None:
    """In a child."""
    from tasks.errors import UserError
    from tasks.trained.models import ask_all, load_all

    for name in ODD:
        path = folder / f"{name}.keras"
        odd(name).save(path)
        tell(path, CODING)
        try:
            pixels, codes = np.zeros((1, 8, 12, 3), np.uint8), np.zeros((1, 3), np.int64)
            ask_all([path], load_all([path]), pixels, codes)
        except UserError as error:
            report((name, str(error)))


@pytest.fixture(scope="module")
def said_of_odd(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    said: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        folder = tmp_path_factory.mktemp("odd")
        process.call(f"{HERE}:ask_each", report=lambda news: said.update([news]), folder=folder)
    return said


@pytest.mark.parametrize("name", ODD)
def test_model_that_gives_no_probabilities(said_of_odd: dict[str, str], name: str) -> None:
    assert re.search(f"{name}.keras{ODD[name]}", said_of_odd[name])
    assert len(said_of_odd[name].splitlines()) == 1


CALLS: list[str] = []


def produce(out: Path) -> None:
    CALLS.append("called")
    (out / "product.txt").write_text("sound")


produced = cached("produce")(produce)


@flow
def producing() -> None:
    produced.submit(Path("out"), label="produce")()


def pickled(record: dict[str, Any]) -> None:
    """The record says itself how it is to be read."""
    record["metadata"]["serializer"] = {"type": "pickle"}
    record["result"] = base64.b64encode(pickle.dumps(Evil())).decode()


def pickled_and_compressed(record: dict[str, Any]) -> None:
    record["metadata"]["serializer"] = {
        "type": "compressed",
        "serializer": {"type": "pickle"},
        "compressionlib": "zlib",
    }
    record["result"] = base64.b64encode(zlib.compress(base64.b64encode(pickle.dumps(Evil()))))
    record["result"] = record["result"].decode()


def function_of_its_own(record: dict[str, Any]) -> None:
    """JSON that a function of the record's choice decodes."""
    record["metadata"]["serializer"]["object_decoder"] = "test_models.decode"


def decode(value: Any) -> Any:
    os.mkdir(MARK)
    return value


def products(**found: str) -> Callable[[dict[str, Any]], None]:
    return lambda record: record.update(result=json.dumps(found))


RECORDS: dict[str, Callable[[dict[str, Any]], None]] = {
    "a pickle": pickled,
    "a compressed pickle": pickled_and_compressed,
    "a function of its own": function_of_its_own,
    "a product outside of the folder": products(**{"../../evil.txt": "0" * 64}),
    "a hash that is a path": products(**{"product.txt": "../../../secret"}),
    "no products": lambda record: record.update(result="[1, 2]"),
    "no result": lambda record: record.pop("result"),
}


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: str) -> Path:
    """The record of finished work in the task cache."""
    monkeypatch.chdir(tmp_path)
    producing()
    CALLS.clear()
    (found,) = Path(".cache/results").iterdir()
    return found


@pytest.mark.parametrize("name", RECORDS)
def test_task_cache(record: Path, name: str) -> None:
    """What is refused is made anew."""
    content = json.loads(record.read_text())
    RECORDS[name](content)
    record.write_text(json.dumps(content))
    Path("out/product.txt").unlink()
    producing()
    assert not Path(MARK).exists(), "code of the record ran"
    assert CALLS == ["called"]
    assert Path("out/product.txt").read_text() == "sound"
    producing()
    assert CALLS == ["called"], "the new record is a good one"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", base64.b64encode(pickle.dumps(Evil())), b"[" * 100_000]
)
def test_task_cache_with_a_record_that_is_none(record: Path, content: bytes) -> None:
    record.write_bytes(content)
    producing()
    assert not Path(MARK).exists(), "code of the record ran"
    assert CALLS == ["called"]


@pytest.mark.parametrize("reader", ["the images of a fold", "a variant"])
def test_npy_with_objects(reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    objects = np.array([Evil()], dtype=object)
    if reader == "a variant":
        np.savez("a.npz", rows=objects)
        with pytest.raises(ValueError, match="allow_pickle=False"):
            read_added(Path("a.npz"))
    else:
        np.save("a.npy", objects, allow_pickle=True)
        Path("split.csv").write_text("image_id,lesion_id,dx,fold\na,b,nv,train\n")
        Path("table.csv").write_text("image_id,age,sex,localization\na,1,male,back\n")
        with pytest.raises(ValueError, match=r"Python objects in dtype|allow_pickle=False"):
            read_fold(Path("a.npy"), Path("table.csv"), Path("split.csv"), "train", 0, CODING)
    assert not Path(MARK).exists(), "code of the file ran"
