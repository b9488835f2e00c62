"""Live pictures for JupyterLab: drag, and the network's arithmetic follows."""

from unet_lesson.widgets.convolution_explorer import ConvolutionExplorer
from unet_lesson.widgets.crop_explorer import CropExplorer
from unet_lesson.widgets.feature_map_browser import FeatureMapBrowser
from unet_lesson.widgets.shape_explorer import ShapeExplorer

__all__ = ["ConvolutionExplorer", "CropExplorer", "FeatureMapBrowser", "ShapeExplorer"]
