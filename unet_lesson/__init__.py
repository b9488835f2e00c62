"""Learn U-Net by building it. The notebooks are in ../notebooks; this is what they build.

`shapes` and `UNetConfig` come without torch; the network is loaded when first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from unet_lesson import shapes
from unet_lesson.config import UNetConfig

if TYPE_CHECKING:
    from unet_lesson.model import (
        ContractingPath,
        DoubleConv,
        ExpansivePath,
        UNet,
        UpBlock,
        center_crop,
        device,
    )

__all__ = [
    "ContractingPath",
    "DoubleConv",
    "ExpansivePath",
    "UNet",
    "UNetConfig",
    "UpBlock",
    "center_crop",
    "device",
    "shapes",
]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module 'unet_lesson' has no attribute {name!r}")
    return getattr(import_module("unet_lesson.model"), name)


def __dir__():
    return __all__
