"""EfficientNet-Lite0, cut after its eleventh block, with ImageNet weights.

M. Tan, Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML
2019; Lite is its authors' edition for small devices: no squeeze-and-excitation, ReLU6 for swish.
The weights were trained in TensorFlow and carried to PyTorch, whence names and layout of the file.
"""

from pathlib import Path
from typing import Any

import keras
from keras import layers
from numpy.typing import NDArray

from tasks.embed.state_dict import read_state_dict
from tasks.errors import UserError

# blocks, kernel, stride of the first block, expansion, filters
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
BLOCKS = tuple(
    (kernel, 1 if block else stride, expansion, filters)
    for blocks, kernel, stride, expansion, filters in STAGES
    for block in range(blocks)
)
CUT = 11
"""Blocks in the trunk: those at a 16th of the image's size, 112 channels at their end."""
FEATURES = 1280


def trunk(shape: tuple[int, int, int], weights: Path) -> keras.Model:
    """Stem and blocks 0 to 10, frozen: from pixels to (n, height / 16, width / 16, 112)."""
    pixels = keras.Input(shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="scale")(pixels)
    model = keras.Model(pixels, front(x, weights), name="efficientnet_lite0_trunk")
    model.trainable = False
    return model


def front(x: keras.KerasTensor, weights: Path) -> keras.KerasTensor:
    """The trunk's layers, on pixels that are scaled to [-1, 1]."""
    net = Net(weights, ("_conv_stem", "_bn0", *(f"_blocks.{block}" for block in range(CUT))))
    x = net.convolution(x, "_conv_stem", "_bn0", filters=32, kernel=3, stride=2)
    for block in range(CUT):
        x = net.block(x, block)
    net.check_all_used()
    return x


def tail(activations: keras.KerasTensor, weights: Path) -> keras.KerasTensor:
    """Blocks 11 to 15, the head's convolution and global average pooling, all trainable."""
    blocks = range(CUT, len(BLOCKS))
    parts = ("_conv_head", "_bn1", *(f"_blocks.{block}" for block in blocks))
    net = Net(weights, parts)
    x = activations
    for block in blocks:
        x = net.block(x, block)
    x = net.convolution(x, "_conv_head", "_bn1", filters=FEATURES)
    net.check_all_used()
    return layers.GlobalAveragePooling2D(name="features")(x)


class Net:
    """Makes layers and gives them their weights, by the names in the file.

    Raises UserError when the file lacks a tensor, has one of another shape, or (by
    `check_all_used`) one too many.
    """

    def __init__(self, weights: Path, parts: tuple[str, ...]) -> None:
        """parts: names of the modules to take from the file; "_bn1" means "_bn1.weight" etc."""
        prefixes = tuple(f"{part}." for part in parts)
        self.weights = weights
        self.tensors = {
            name: tensor
            for name, tensor in read_state_dict(weights).items()
            # num_batches_tracked counts PyTorch's training steps.
            if name.startswith(prefixes) and not name.endswith(".num_batches_tracked")
        }

    def block(self, x: keras.KerasTensor, number: int) -> keras.KerasTensor:
        """An inverted residual block: expand, convolve each channel by itself, project."""
        kernel, stride, expansion, filters = BLOCKS[number]
        channels = x.shape[-1]
        name = f"_blocks.{number}"
        y = x
        if expansion > 1:
            y = self.convolution(
                y, f"{name}._expand_conv", f"{name}._bn0", filters=expansion * channels
            )
        y = self.convolution(
            y, f"{name}._depthwise_conv", f"{name}._bn1", kernel=kernel, stride=stride
        )
        y = self.convolution(
            y, f"{name}._project_conv", f"{name}._bn2", filters=filters, activate=False
        )
        if stride == 1 and channels == filters:
            return layers.Add(name=layer_name(f"{name}._add"))([y, x])
        return y

    def convolution(
        self,
        x: keras.KerasTensor,
        name: str,
        norm: str,
        *,
        filters: int | None = None,
        kernel: int = 1,
        stride: int = 1,
        activate: bool = True,
    ) -> keras.KerasTensor:
        """Convolution, batch normalisation and ReLU6; without `filters`, each channel by itself."""
        options: dict[str, Any] = {
            "kernel_size": kernel,
            "strides": stride,
            "padding": "same",
            "use_bias": False,
            "name": layer_name(name),
        }
        if filters is None:
            convolve, axes = layers.DepthwiseConv2D(**options), (2, 3, 0, 1)
        else:
            convolve, axes = layers.Conv2D(filters, **options), (2, 3, 1, 0)
        x = convolve(x)
        self._fill(convolve, [self._take(f"{name}.weight", 4).transpose(axes)])
        normalise = layers.BatchNormalization(epsilon=1e-3, name=layer_name(norm))
        x = normalise(x)
        parts = ("weight", "bias", "running_mean", "running_var")
        self._fill(normalise, [self._take(f"{norm}.{part}", 1) for part in parts])
        return layers.ReLU(6.0, name=layer_name(f"{norm}._relu"))(x) if activate else x

    def check_all_used(self) -> None:
        if self.tensors:
            raise UserError(self._fault(f"{', '.join(self.tensors)} has no place in the network"))

    def _take(self, name: str, axes: int) -> NDArray[Any]:
        tensor = self.tensors.pop(name, None)
        if tensor is None or tensor.ndim != axes:
            raise UserError(self._fault(f"no {name} of {axes} axes"))
        return tensor

    def _fill(self, layer: keras.Layer, tensors: list[NDArray[Any]]) -> None:
        wanted = [tuple(variable.shape) for variable in layer.weights]
        found = [tensor.shape for tensor in tensors]
        if found != wanted:
            raise UserError(self._fault(f"{layer.name} has the shapes {found}, not {wanted}"))
        layer.set_weights(tensors)

    def _fault(self, what: str) -> str:
        return f"{self.weights} holds no weights of EfficientNet-Lite0: {what}"


def layer_name(name: str) -> str:
    """A name of the file as Keras' layer: "_blocks.3._bn0" is "blocks_3_bn0"."""
    return name.replace("._", "_").replace(".", "_").removeprefix("_")
