"""Ship a trained network: as a program of torch.export, or as an ONNX file.

Both hold the layers and the weights, run without this package, and take any batch and every legal
size. An illegal size is an error there too, not a silent crop.
"""

from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn
from torch.export import Dim

from unet_lesson import shapes
from unet_lesson.checkpoint import write_whole
from unet_lesson.model import UNet
from unet_lesson.tile_plan import margin


class Layers(nn.Module):
    """The layers of a UNet in their order, without its checks: same input, same output.

    The checks are Python that looks at one size; a program for all sizes cannot keep them. What
    it can keep is a sum that does not work out: each skip is cut by its margin, which is the same
    at all legal sizes. At an illegal one a pooling drops a row, and `cat` gets maps that differ.
    """

    def __init__(self, unet):
        super().__init__()
        self.unet = unet
        self.margins = shapes.crop_margins(unet.config)  # (4, 16, 40, 88) at depth 4

    def forward(self, image):
        contracting, expansive = self.unet.contracting, self.unet.expansive
        features = [contracting.blocks[0].layers(image)]
        for block in contracting.blocks[1:]:
            features.append(block.layers(contracting.pool(features[-1])))
        x = features.pop()
        for block, cut in zip(expansive.blocks, self.margins, strict=True):
            inside = slice(cut, -cut or None)
            skip = features.pop()[:, :, inside, inside]
            x = block.conv.layers(torch.cat([block.up(x), skip], dim=1))
        return self.unet.head(x)  # (N, num_classes, H', W')


def smallest_exported(config):
    """The smallest size an exported network takes, in px; the others follow in steps of 2 ** depth.

    It is `shapes.smallest_legal`, except with padding: there the smallest legal size leaves one
    pixel at the bottom, and torch.export makes a size of 1 a case of its own.
    """
    return max(shapes.smallest_legal(config), 2 ** (config.depth + 1))


def export_program(model):
    """Turn a trained UNet into a torch.export.ExportedProgram.

    model: a UNet; it stays as it is, and the program shares nothing with it. The program is on
    the CPU and in eval mode; `program.module()` is called as the model is:
    (N, in_channels, H, W) -> (N, num_classes, H', W') logits, with H and W from
    `smallest_exported(config)` in steps of 2 ** depth. Another size raises torch's own
    AssertionError or RuntimeError. `torch.export.save(program, "unet.pt2")` writes a file.

    Raises TypeError for what is no UNet, and for a subclass, whose own forward would be lost.
    """
    if type(model) is not UNet:
        raise TypeError(f"only a plain UNet can be exported, not a {type(model).__name__}")
    network = deepcopy(model).cpu().eval().requires_grad_(False)
    smallest, step = smallest_exported(model.config), 2**model.config.depth
    height, width = (step * Dim(k, min=smallest // step) + smallest % step for k in ("k", "l"))
    shape = (2, model.config.in_channels, smallest + step, smallest + 2 * step)
    program = torch.export.export(
        Layers(network),
        (network.head.weight.new_zeros(shape),),
        dynamic_shapes={"image": {0: Dim("batch", min=1), 2: height, 3: width}},
    )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it would name the folders of this machine
    return program


def export_onnx(model, path):
    """Write a trained UNet into one new ONNX file, for ONNX Runtime and the like.

    Sizes as `export_program`: input "image" (N, in_channels, H, W), output "logits"
    (N, num_classes, H', W'), in the model's dtype; ONNX Runtime convolves float32 and float16.
    The file's metadata says "smallest" and "step", the sizes it takes, and "margin", the pixels
    lost at each side: H' = H - 2 * margin. Folders that are missing are made.

    Raises TypeError as `export_program`, FileExistsError if there is a file already, and
    ImportError without the packages that `pip install -e ".[onnx]"` brings.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists; move it away, or name another file")
    if missing := [name for name in ("onnx", "onnxscript") if find_spec(name) is None]:
        what = " and ".join(missing)
        raise ImportError(f'{what} missing; to write ONNX files: pip install -e ".[onnx]"')
    exported = torch.onnx.export(
        export_program(model),
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes={"image": {0: "batch", 2: "height", 3: "width"}},
        dynamo=True,
        verbose=False,
    )
    config = model.config
    sizes = {"smallest": smallest_exported(config), "step": 2**config.depth}
    for name, pixels in (sizes | {"margin": margin(config)}).items():
        exported.model.metadata_props[name] = str(pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda file: file.write(exported.model_proto.SerializeToString()))
