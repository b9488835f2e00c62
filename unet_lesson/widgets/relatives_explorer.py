"""The relatives of U-Net, one button each: what each changes in our U, what it costs, when."""

import traitlets

from unet_lesson.relatives_data import NAMES, check_name, relative
from unet_lesson.relatives_page import LINES, PAGE
from unet_lesson.relatives_pictures import draw
from unet_lesson.widgets.base import Explorer, script

FIELDS = {  # of WORDS, each with its heading
    "crosses": "Crosses the U",
    "cost": "Costs",
    "choose": "Choose it for",
    "avoid": "Not for",
}
WORDS = {  # of each relative, in the order of FIELDS
    "fcn": (
        "Maps added: class scores of pool3 and pool4, one channel for each class.",
        "Little on the way up, where nothing but scores is upsampled. The backbone is heavy: the "
        "first dense layer of VGG16 becomes a 7x7 convolution with 4096 filters.",
        "A baseline from a pretrained classifier, and large objects.",
        "Thin structures and exact borders: the last step enlarges eight times at once.",
    ),
    "unet": (
        "Maps concatenated: all channels of the contracting path, on each of the four levels.",
        "The maps of the contracting path wait in memory until they are joined, and the "
        "convolution behind a join reads twice the channels.",
        "Few images, exact borders, small and touching objects. The first thing to try.",
        "Answers that hang on context farther away than its receptive field.",
    ),
    "segnet": (
        "Pooling indices: where in each 2x2 window the maximum was. Maps are not concatenated.",
        "In prediction less memory than ours: an index needs 2 bits where the map has four values. "
        "The unpooled map is three quarters zeros, and convolutions have to fill it.",
        "Prediction with little memory, as on a small device.",
        "Fine detail: an index says where the maximum was, not what stood around it.",
    ),
    "vnet": (
        "Maps concatenated, as in our U, but each map is a volume.",
        "A third axis in every map, so memory sets the patch: 3D U-Net reads 132 x 132 x 116 "
        "voxels for 44 x 44 x 28 and has 19.07M parameters. V-Net also has shortcuts.",
        "Volumes in which neighbouring slices explain each other, as in CT and MRI.",
        "Slices much farther apart than pixels, or little memory: try a 2D network on slices.",
    ),
    "deeplab": (
        "Nothing in the first versions; v3+ concatenates one early map.",
        "A dilated 3x3 kernel has nine weights like any other, but the maps stay large, and with "
        "them memory and time.",
        "Large scenes in which context counts, with a pretrained backbone.",
        "Borders to the pixel and thin objects: they come out of one big upsampling.",
    ),
    "resunet": (
        "Maps concatenated, as in our U. Added are maps within a block, which do not cross.",
        "Little: a 1x1 convolution on a shortcut wherever the number of channels changes.",
        "A deep network that is hard to train: the gradient has a way around every block.",
        "A small U with BatchNorm that trains well as it is: expect little.",
    ),
    "unetpp": (
        "Nested maps: each block of a level is concatenated to all later blocks of that level.",
        "9.04M parameters against 7.76M of the U-Net in its paper, and half of the new blocks "
        "stand at the top, where the maps are largest.",
        "A depth chosen after training: each head ends a smaller U-Net.",
        "Little memory, or a task on which a plain U-Net has not been tried yet.",
    ),
    "attention": (
        "Gated maps: each position times a weight from 0 to 1, then concatenated. The "
        "topmost skip connection has no gate.",
        "A few small convolutions and a map of weights at each gate.",
        "One small organ in a large image. The weights are no proof of where the network looks.",
        "Objects everywhere, as in a dish of cells: there is little to gate away.",
    ),
    "diffusion": (
        "Maps concatenated, as in our U. The time step does not cross: it enters each block.",
        "A whole pass for every step of the drawing. Attention grows with the square of the number "
        "of pixels, so it stands only at 16 x 16, wherever that lies, and at the bottom.",
        "Images that are to be made or restored rather than labelled.",
        "Masks, where you have labels: one pass of a plain U-Net answers.",
    ),
    "nnunet": (
        "Maps concatenated, as in our U.",
        "Training time: several configurations, five folds each. The network itself costs what a "
        "U-Net costs.",
        "A new medical dataset and no time to tune; and as the baseline a new idea must beat.",
        "Prediction that must be fast or small, or choices you want to make yourself.",
    ),
    "transunet": (
        "Maps concatenated on three levels; at full size nothing crosses.",
        "Many more parameters than our U, and weights trained on ImageNet to start from. Attention "
        "compares all pairs of tokens, so a larger image costs more than in proportion.",
        "Parts far from each other that must be compared, where pretrained weights suit.",
        "Few images and no pretrained weights.",
    ),
}


def relatives_table():
    """Everything the browser needs: for each name its words and its picture, worked out."""
    return {name: _entry(name) for name in NAMES}


def _entry(name):
    picture = relative(name)
    about = {word: getattr(picture, word) for word in ("title", "year", "paper", "sentence")}
    return {**about, **dict(zip(FIELDS, WORDS[name], strict=True)), **picture.drawn()}


class RelativesExplorer(Explorer):
    """Press a relative of U-Net and see what it changes in our U, what it costs, and when it fits.

    name: "fcn", "unet", "segnet", "vnet" (3D U-Net and V-Net), "deeplab", "resunet", "unetpp",
    "attention", "diffusion", "nnunet" or "transunet". It can be set from Python. "Hide the name"
    draws one of them and lets the learner say which.

    Raises TypeError or ValueError for a name that is none, naming the nearest.
    """

    _esm = script("relatives_explorer")
    name = traitlets.Unicode("unet").tag(sync=True)
    names = traitlets.List(list(NAMES)).tag(sync=True)  # in order of time
    fields = traitlets.Dict(FIELDS).tag(sync=True)
    lines = traitlets.Dict(LINES).tag(sync=True)
    page = traitlets.List(list(PAGE)).tag(sync=True)
    table = traitlets.Dict().tag(sync=True)

    def __init__(self, name="unet"):
        super().__init__(name=check_name(name), table=relatives_table())

    @traitlets.validate("name")
    def _known(self, proposal):
        return check_name(proposal["value"])

    def facts(self):
        picture = relative(self.name)
        crosses = WORDS[self.name][0]
        return (
            f"{picture.title} ({picture.paper}). {picture.sentence} What crosses the U: {crosses}"
        )

    def picture(self):
        return draw(self.name)
