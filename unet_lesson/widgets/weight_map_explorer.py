"""The weight map of a few nuclei, for every height w0 and width sigma of the border term."""

from itertools import product

import matplotlib as mpl
import numpy as np
import traitlets

from unet_lesson.widgets import stills_data
from unet_lesson.widgets.base import Explorer, script

SIDES = 16, 96  # pixels: smallest and largest side of a picture that is sent to the browser
LIMITS = {"w0": (0, 20), "sigma": (1, 10)}
SETTINGS = list(product(*(range(low, high + 1) for low, high in LIMITS.values())))
PAPER = 10, 5  # w0 and sigma of the paper
FARTHEST = 40  # pixels: how far the curve of the border term is drawn


def check_picture(image, labels):
    """Return image and labels as arrays if they lie on each other and have a fitting size."""
    from unet_lesson.data.weights import check_labels

    image, labels = np.asarray(image, dtype=float), check_labels(labels)
    if image.shape != labels.shape:
        raise ValueError(f"image is {image.shape} and labels {labels.shape}; both must be alike")
    least, most = SIDES
    if min(labels.shape) < least or max(labels.shape) > most:
        raise ValueError(
            f"the explorer takes sides of {least} to {most} pixels, not {labels.shape}; "
            f"try image[:{most}, :{most}] and labels[:{most}, :{most}]"
        )
    return image, labels


def outlined(image, labels, low, high):
    """Grey bytes (H, W): 0 at `low` to 254 at `high` and above, and 255 on an object's outline."""
    from skimage.segmentation import find_boundaries

    grey = np.clip((image - low) / max(high - low, 1e-12), 0, 1) * 254
    return np.where(find_boundaries(labels, mode="inner"), 255, grey.round()).astype(np.uint8)


def points(labels):
    """Four pixels worth a look: [letter, what it is, row, column, d1 + d2].

    A: where two objects are closest. B: a background pixel about 5 px from either of two objects.
    C: the background pixel farthest from two objects. D: the pixel deepest inside an object.
    d1, d2: distance to the nearest and second nearest object in px; their sum is None in an object.
    """
    from unet_lesson.data.weights import classes, two_distances

    inside = classes(labels)
    objects = np.where(inside, labels, 0)
    if len(np.unique(objects)) < 3:
        raise ValueError("labels must hold two objects or more, with background between them")
    d1, d2 = two_distances(objects, reach=sum(labels.shape))
    depth, _ = two_distances(1 - inside, reach=sum(labels.shape))
    found = []
    for letter, what, object_, rank in (
        ("A", "between two objects", False, d1 + d2),
        ("B", "in a gap", False, abs(d1 - 5) + abs(d2 - 5)),
        ("C", "far from two objects", False, -d1 - d2),
        ("D", "inside an object", True, -depth),
    ):
        rank = np.where(inside == object_, rank, np.inf)[4:-4, 4:-4]  # a letter needs some room
        y, x = (int(i) + 4 for i in np.unravel_index(rank.argmin(), rank.shape))
        found.append([letter, what, y, x, None if object_ else float((d1 + d2)[y, x])])
    return found


class WeightMapExplorer(Explorer):
    """Slide w0 and sigma; see the weight of every pixel in the loss (paper, equation 2).

    image: (H, W) floats. labels: (H, W) integers, 0 background, each object its own number; two
    objects or more; sides of 16 to 96 pixels. w0: height of the border term, 0 to 20. sigma: its
    width in pixels, 1 to 10.

    Raises TypeError and ValueError for labels as `border_weights`, for one object only, another
    size or an image of another size than the labels, and TraitError for a number out of its range.
    """

    _esm = script("weight_map_explorer")
    w0 = traitlets.Int(PAPER[0], min=LIMITS["w0"][0], max=LIMITS["w0"][1]).tag(sync=True)
    sigma = traitlets.Int(PAPER[1], min=LIMITS["sigma"][0], max=LIMITS["sigma"][1]).tag(sync=True)
    limits = traitlets.Dict(LIMITS).tag(sync=True)
    size = traitlets.List().tag(sync=True)  # height and width
    picture_bytes = traitlets.Bytes().tag(sync=True)  # as `outlined` gives them
    maps = traitlets.Bytes().tag(sync=True)  # a map for each of the SETTINGS: 255 is `top`
    top = traitlets.Float().tag(sync=True)
    points = traitlets.List().tag(sync=True)
    table = traitlets.Dict().tag(sync=True)  # "w0 sigma": numbers for this setting
    viridis = traitlets.Bytes().tag(sync=True)  # 256 x RGB

    def __init__(self, image, labels, w0=PAPER[0], sigma=PAPER[1]):
        from unet_lesson.data.weights import border_weights, class_balance, classes

        image, labels = check_picture(image, labels)
        spots = points(labels)
        weights = {setting: border_weights(labels, *setting) for setting in SETTINGS}
        top = float(max(weight.max() for weight in weights.values()))
        maps = np.stack(list(weights.values())) / top * 255  # (settings, H, W)
        balance = class_balance(classes(labels))
        colours = (mpl.colormaps["viridis"](range(256)) * 255).round().astype(np.uint8)
        super().__init__(
            w0=w0,
            sigma=sigma,
            size=list(labels.shape),
            picture_bytes=outlined(image, labels, *np.percentile(image, (1, 99.9))).tobytes(),
            maps=maps.round().astype(np.uint8).tobytes(),
            top=top,
            points=spots,
            table={f"{s[0]} {s[1]}": numbers(s, weights[s], balance, spots) for s in SETTINGS},
            viridis=colours[:, :3].tobytes(),
        )

    @property
    def answer(self):
        return self.table[f"{self.w0} {self.sigma}"]

    def facts(self):
        weights = [weight for _, _, weight in self.answer["points"]]
        said = (
            f"{letter} {what}{'' if d is None else f' (d1 + d2 = {d:.1f} px)'} {weight:.2f}"
            for (letter, what, _, _, d), weight in zip(self.points, weights, strict=True)
        )
        return f"w0 {self.w0}, sigma {self.sigma} px: weights from {self.answer['low']:.2f} to " + (
            f"{self.answer['high']:.2f}. {'; '.join(said)}."
        )

    def picture(self):
        at = SETTINGS.index((self.w0, self.sigma))
        shape = -1, *self.size
        grey = np.frombuffer(self.picture_bytes, np.uint8).reshape(self.size)
        weights = np.frombuffer(self.maps, np.uint8).reshape(shape)[at] / 255 * self.top
        return stills_data.weight_map(
            grey, weights, self.top, self.points, self.answer["curve"], self.facts()
        )


def numbers(setting, weights, balance, spots):
    """What the browser writes and draws for one setting of w0 and sigma.

    points: for each spot class balance, border term and their sum, the weight. curve: the border
    term where d1 + d2 is 0, 1, 2, ... px.
    """
    from unet_lesson.data.weights import border_term

    found = []
    for _, _, y, x, d in spots:
        border = 0.0 if d is None else float(border_term(d, *setting))
        found.append([float(balance[y, x]), border, float(weights[y, x])])
    return {
        "low": float(weights.min()),
        "high": float(weights.max()),
        "points": found,
        "curve": border_term(np.arange(FARTHEST + 1), *setting).round(4).tolist(),
    }
