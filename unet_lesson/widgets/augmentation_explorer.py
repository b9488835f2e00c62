"""One image and its labels before and after the joint augmentation, at any strength."""

from itertools import product

import numpy as np
import traitlets

from unet_lesson.widgets import stills_data
from unet_lesson.widgets.base import Explorer, script
from unet_lesson.widgets.weight_map_explorer import check_picture, outlined

DRAWS = range(1, 7)  # each the seed of one draw
STEP = 10
PERCENT = range(0, 201, STEP)  # of the paper's strength
SETTINGS = list(product(DRAWS, PERCENT))
TURNED = {0: "not turned", 1: "turned by 90 degrees", 2: "turned by 180", 3: "turned by 270"}


def augmented(image, draw, strength):
    """`augment` with `draw` as the seed: the new image (H, W), and from which pixel each came.

    That is row * W + column, (H, W): labels that number the pixels tell. torch's global generator
    is left as it was.
    """
    import torch

    from unet_lesson.data.augment import augment

    image = torch.tensor(image)
    index = torch.arange(image.numel()).view(image.shape)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(draw)
        new, came_from, _ = augment(image[None], index, image, strength)
    return new[0].numpy(), came_from.numpy()


def turn_of(came_from):
    """How a picture was turned and mirrored, in words, when nothing else was done to it."""
    index = np.arange(came_from.size).reshape(came_from.shape)
    for turns, mirrored in product(TURNED, (False, True)):
        there = np.rot90(index, turns)
        if np.array_equal(there[:, ::-1] if mirrored else there, came_from):
            return f"{TURNED[turns]}{' and mirrored' if mirrored else ', not mirrored'}"
    raise ValueError("the picture was not only turned and mirrored")


def before_and_after(image, labels, draw, percent, turned):
    """The picture after one draw, as bytes, and three lines that say what happened to it.

    turned: from which pixel each came (H, W) when this draw only turned and mirrored.
    """
    strength = percent / 100
    new, came_from = augmented(image, draw, strength)
    new_labels = labels.ravel()[came_from]
    picture = outlined(new, new_labels, *np.percentile(image, (1, 99.9)))
    if not percent:
        return picture, ["strength 0: nothing is changed at all", "", ""]
    places = [np.stack(np.divmod(index, labels.shape[1])) for index in (came_from, turned)]
    moved = np.hypot(*(places[0] - places[1]))  # (H, W), pixels
    count = [len(np.setdiff1d(x, 0)) for x in (labels, new_labels)]
    share = [100 * np.mean(x > 0) for x in (labels, new_labels)]
    return picture, [
        f"{turn_of(turned)}; then deformed, sigma {10 * strength:.0f} px: "
        f"pixels moved by {moved.mean():.0f} px on average, {moved.max():.0f} at most",
        f"grey values: mean {image.mean():.2f} -> {new.mean():.2f}, "
        f"spread {image.std():.2f} -> {new.std():.2f}",
        f"objects: {count[0]} -> {count[1]}, on {share[0]:.0f} -> {share[1]:.0f} % of the pixels",
    ]


class AugmentationExplorer(Explorer):
    """Slide the strength of `augment` and choose one of six draws; see the image with its mask.

    image: (H, W) floats. labels: (H, W) integers, 0 background, each object its own number; sides
    of 16 to 96 pixels. percent: strength, 0 to 200 in steps of 10; 100 is the paper's sigma of
    10 px. draw: 1 to 6. One draw is the same deformation at every strength, only larger.

    Raises TypeError and ValueError for an image and labels that do not fit, and TraitError for a
    number out of its range or between two steps.
    """

    _esm = script("augmentation_explorer")
    percent = traitlets.Int(100, min=PERCENT[0], max=PERCENT[-1]).tag(sync=True)
    draw = traitlets.Int(1, min=DRAWS[0], max=DRAWS[-1]).tag(sync=True)
    limits = traitlets.Dict().tag(sync=True)  # first, last and step of both
    size = traitlets.List().tag(sync=True)  # height and width
    before = traitlets.Bytes().tag(sync=True)  # as `outlined` gives them
    after = traitlets.Bytes().tag(sync=True)  # one for each of the SETTINGS
    lines = traitlets.Dict().tag(sync=True)  # "draw percent": what happened, in words

    def __init__(self, image, labels, percent=100, draw=1):
        image, labels = check_picture(image, labels)
        turned = {n: augmented(image, n, 1e-6)[1] for n in DRAWS}  # hardly any strength
        results = [before_and_after(image, labels, n, p, turned[n]) for n, p in SETTINGS]
        super().__init__(
            percent=percent,
            draw=draw,
            limits={"percent": [0, PERCENT[-1], STEP], "draw": [DRAWS[0], DRAWS[-1], 1]},
            size=list(labels.shape),
            before=outlined(image, labels, *np.percentile(image, (1, 99.9))).tobytes(),
            after=np.stack([picture for picture, _ in results]).tobytes(),
            lines={f"{n} {p}": words for (n, p), (_, words) in zip(SETTINGS, results, strict=True)},
        )

    @traitlets.validate("percent")
    def _on_a_step(self, proposal):
        value = proposal.value
        if value % STEP:
            nearest = STEP * round(value / STEP)
            raise traitlets.TraitError(
                f"percent must be a multiple of {STEP}, not {value}; the nearest is {nearest}"
            )
        return value

    def facts(self):
        words = "; ".join(filter(None, self.lines[f"{self.draw} {self.percent}"]))
        return f"draw {self.draw}, strength {self.percent} %: {words}."

    def picture(self):
        at = SETTINGS.index((self.draw, self.percent))
        before = np.frombuffer(self.before, np.uint8).reshape(self.size)
        after = np.frombuffer(self.after, np.uint8).reshape(-1, *self.size)[at]
        return stills_data.before_and_after(before, after, self.facts())
