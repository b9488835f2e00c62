"""Live pictures for JupyterLab: drag, and the network's arithmetic follows."""

from unet_lesson.widgets.augmentation_explorer import AugmentationExplorer
from unet_lesson.widgets.convolution_explorer import ConvolutionExplorer
from unet_lesson.widgets.crop_explorer import CropExplorer
from unet_lesson.widgets.design_explorer import DesignExplorer
from unet_lesson.widgets.feature_map_browser import FeatureMapBrowser
from unet_lesson.widgets.relatives_explorer import RelativesExplorer
from unet_lesson.widgets.shape_explorer import ShapeExplorer
from unet_lesson.widgets.threshold_explorer import ThresholdExplorer
from unet_lesson.widgets.tile_explorer import TileExplorer
from unet_lesson.widgets.training_monitor import TrainingMonitor
from unet_lesson.widgets.weight_map_explorer import WeightMapExplorer

__all__ = [
    "AugmentationExplorer",
    "ConvolutionExplorer",
    "CropExplorer",
    "DesignExplorer",
    "FeatureMapBrowser",
    "RelativesExplorer",
    "ShapeExplorer",
    "ThresholdExplorer",
    "TileExplorer",
    "TrainingMonitor",
    "WeightMapExplorer",
]
