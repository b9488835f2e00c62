"""Joint augmentation: one random deformation for the image, its labels and its weights.

Paper: Ronneberger, Fischer, Brox 2015, section 3.1.
"""

from math import isfinite
from numbers import Real

import torch
from torch.nn.functional import interpolate
from torchvision import tv_tensors
from torchvision.transforms import v2

SIGMA = 10.0  # pixels: standard deviation of the displacements (paper, section 3.1)
FLOATS = (torch.float32, torch.float64)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
MIRROR = v2.RandomHorizontalFlip(p=0.5)


def augment(image, labels, weights, strength=1.0):
    """Turn, mirror and deform an image, its labels and its weights alike; vary the grey values.

    image: float (C, H, W). labels: integer (H, W). weights: float (H, W). -> three tensors of
    the same shapes and dtypes.
    - Turned by 0, 90, 180 or 270 degrees (0 or 180 if H and W differ) and mirrored or not.
    - Deformed by `elastic_displacement` with a sigma of 10 pixels x strength. What would come
      from beyond the edge is mirrored.
    - Image only: brightness and contrast by `vary_grey`.
    The image is interpolated bilinearly; labels and weights take their nearest pixel's value,
    so no new value arises. strength 0 changes nothing at all. All chance comes from torch's
    global generator, and one seed gives the same field at every strength above 0, only larger.

    Raises TypeError and ValueError for other kinds, shapes that differ, a side under 2 pixels, a
    label above 2^24 (torchvision moves labels as float32) or a strength under 0.
    """
    check_joint(image, labels, weights)
    check_strength(strength)
    if strength == 0:
        return image, labels, weights
    height, width = labels.shape
    turns = int(torch.randint(4, ())) if height == width else 2 * int(torch.randint(2, ()))
    image, labels, weights = (x.rot90(turns, (-2, -1)) for x in (image, labels, weights))
    joint = MIRROR(tv_tensors.Image(image), tv_tensors.Mask(labels), tv_tensors.Mask(weights))
    field = elastic_displacement(height, width, SIGMA * strength)  # (2, H, W)
    image, labels, weights = (deform(x, field).as_subclass(torch.Tensor) for x in joint)
    return vary_grey(image, strength), labels, weights


def elastic_displacement(height, width, sigma=SIGMA):
    """How far down and to the right each pixel fetches its value: (2, H, W) float32, in pixels.

    Gaussian vectors of standard deviation `sigma` at a coarse grid of 3 x 3 points, the outer
    ones at the edges of the image, and bicubic interpolation between them (paper, section 3.1).
    """
    coarse = sigma * torch.randn(1, 2, 3, 3)
    return interpolate(coarse, (height, width), mode="bicubic", align_corners=True)[0]


def deform(x, displacement):
    """Fetch every pixel of x from where `displacement` (2, H, W) points, mirrored at the edges.

    x: tv_tensors.Image (C, H, W), interpolated bilinearly, or tv_tensors.Mask (H, W), nearest.
    """
    moves = []
    for axis, size in enumerate(x.shape[-2:]):
        here = torch.arange(size).view((-1, 1) if axis == 0 else (1, -1))
        there = here + displacement[axis]  # (H, W)
        last = size - 1
        there = last - (there.remainder(2 * last) - last).abs()  # 0, 1, ..., last, ..., 1, 0, 1
        moves.append((there - here) * 2 / size)  # torchvision measures in half image sides
    grid = torch.stack(moves[::-1], dim=-1)[None]  # (1, H, W, 2): right, down
    return v2.functional.elastic(x, grid)


def vary_grey(image, strength=1.0):
    """Scale the contrast about the mean by 0.8 to 1.25 and add -0.1 to 0.1, at strength 1.

    (C, H, W) -> (C, H, W). torchvision's ColorJitter would clamp to [0, 1], and the grey values
    of `normalise` may lie beyond.
    """
    contrast, brightness = (strength * (2 * torch.rand(2) - 1)).tolist()
    return (image - image.mean()) * 1.25**contrast + image.mean() + 0.1 * brightness


def check_joint(image, labels, weights):
    """Raise unless the three are tensors that lie on each other and can be deformed."""
    for name, x, allowed, shape in (
        ("image", image, FLOATS, ("C", "H", "W")),
        ("labels", labels, INTEGERS, ("H", "W")),
        ("weights", weights, FLOATS, ("H", "W")),
    ):
        if not isinstance(x, torch.Tensor):
            raise TypeError(f"augment: {name}: give a torch.Tensor, not a {type(x).__name__}")
        if x.dtype not in allowed:
            kinds = ", ".join(str(dtype).removeprefix("torch.") for dtype in allowed)
            raise TypeError(f"augment: {name} must be one of {kinds}, not {x.dtype}")
        if x.dim() != len(shape):
            want = ", ".join(shape)
            raise ValueError(f"augment: {name} must be ({want}), not {tuple(x.shape)}")
    if not image.shape[1:] == labels.shape == weights.shape:
        shapes = [tuple(x.shape) for x in (image, labels, weights)]
        raise ValueError(
            f"augment: image {shapes[0]}, labels {shapes[1]} and weights {shapes[2]} "
            "must have the same height and width"
        )
    if min(labels.shape) < 2:
        raise ValueError(f"augment: each side must be 2 pixels or more, not {tuple(labels.shape)}")
    if int(labels.max()) > 2**24:
        raise ValueError(f"augment: a label must be {2**24} or less, not {labels.max()}")


def check_strength(strength):
    """Raise unless `strength` is a finite number, 0 or more."""
    if isinstance(strength, bool) or not isinstance(strength, Real):
        raise TypeError(f"strength must be a number, not {strength!r} ({type(strength).__name__})")
    if not (strength >= 0 and isfinite(strength)):
        raise ValueError(f"strength must be 0 or more, not {strength}; the nearest is 0")
