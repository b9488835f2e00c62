"""Images with instance labels: drawn offline, downloaded, or your own; and what training adds."""

from unet_lesson.data.augment import augment
from unet_lesson.data.folder import FolderPairs
from unet_lesson.data.images import contrast, normalise, read_image
from unet_lesson.data.nuclei import nuclei
from unet_lesson.data.synthetic import em_like, nuclei_like
from unet_lesson.data.tiles import Tiles
from unet_lesson.data.weights import border_weights, classes

__all__ = [
    "FolderPairs",
    "Tiles",
    "augment",
    "border_weights",
    "classes",
    "contrast",
    "em_like",
    "normalise",
    "nuclei",
    "nuclei_like",
    "read_image",
]
