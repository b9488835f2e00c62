"""Wrong and right ways to write predict_by_tiles."""

from itertools import product

import numpy as np
import torch
import torch.nn.functional as F

from unet_lesson import shapes, tiling
from unet_lesson.tile_plan import margin


class Predict:
    """The right one; the wrong ones change a part."""

    mode = "reflect"

    def __call__(self, network, image, tile):
        self.tile, self.config = tile, network.config
        network.train(self.train)
        with torch.set_grad_enabled(self.gradients):
            return self.run(network, image)

    train = gradients = False

    def sizes(self):
        """(margin, output of a tile, step)"""
        output = shapes.output_size(self.config, self.tile, self.tile)[0]
        block = 2**self.config.depth
        return (self.tile - output) // 2, output, output // block * block

    def pad(self, image, before, after):
        return F.pad(image[None], (before, after, before, after), mode=self.mode)[0]

    def starts(self, length, step, output):
        return range(0, length, step)

    def of(self, logits):
        return logits

    def change(self, part):
        return part

    def place(self, start, rim):
        return start

    def run(self, network, image):
        (rim, output, step), (_, height, width) = self.sizes(), image.shape
        rows, columns = (self.starts(n, step, output) for n in (height, width))
        after = max(a[-1] + output - n for a, n in ((rows, height), (columns, width))) + rim
        padded = self.pad(image, rim, max(after, rim))
        size = self.config.num_classes, height + 3 * self.tile, width + 3 * self.tile
        out = torch.zeros(size)
        for y, x in product(rows, columns):
            part = self.change(padded[:, y : y + self.tile, x : x + self.tile])
            row, column = self.place(y, rim), self.place(x, rim)
            self.write(
                out[:, row : row + output, column : column + output],
                self.of(network(part[None])[0]),
            )
        return self.end(out[:, :height, :width])

    def write(self, where, logits):
        where[:] = logits

    def end(self, out):
        return out


def made(**parts):
    """The right one with some parts changed."""
    changed = {
        name: staticmethod(part)
        if callable(part) and name in ("of", "change", "end", "place")
        else part
        for name, part in parts.items()
    }
    return type("Changed", (Predict,), changed)()


def sizes(change):
    return lambda self: change(self, *Predict.sizes(self))


def keep(change):
    """`change` of the right result."""
    return made(end=change)


def last_lost(self, length, step, output):
    return range(0, max(length - output, 0) + 1, step)


def no_mirror(network, image, tile):
    """Tiles inside the image only."""
    network.eval()
    rim = margin(network.config)
    output = tile - 2 * rim
    out = torch.zeros(network.config.num_classes, *image.shape[1:])
    with torch.no_grad():
        for y in [*range(0, image.shape[1] - tile, output), image.shape[1] - tile]:
            for x in [*range(0, image.shape[2] - tile, output), image.shape[2] - tile]:
                logits = network(image[None, :, y : y + tile, x : x + tile])[0]
                out[:, y + rim : y + rim + output, x + rim : x + rim + output] = logits
    return out


def no_mirror_unfinished(network, image, tile):
    network.eval()
    rim = margin(network.config)
    output = tile - 2 * rim
    out = torch.zeros(network.config.num_classes, *image.shape[1:])
    with torch.no_grad():
        for y in range(0, image.shape[1] - tile + 1, output):
            for x in range(0, image.shape[2] - tile + 1, output):
                logits = network(image[None, :, y : y + tile, x : x + tile])[0]
                out[:, y + rim : y + rim + output, x + rim : x + rim + output] = logits
    return out


def pieces(network, image, tile):
    """Cuts what is left at the border."""
    network.eval()
    with torch.no_grad():
        rows = [
            torch.cat(
                [
                    network(band[None, :, :, x : x + tile])[0]
                    for x in range(0, image.shape[2], tile)
                ],
                2,
            )
            for band in image.split(tile, 1)
        ]
    return torch.cat(rows, 1)


def at_once(network, image, tile):
    return np.array(tiling.predict(network, image, tile=tile * 4 + 4 * 8))


def whole(network, image, tile):
    rim = margin(network.config)
    sides = [shapes.nearest_legal(network.config, n + 2 * rim)[1] for n in image.shape[1:]]
    down, right = (side - rim - n for side, n in zip(sides, image.shape[1:], strict=True))
    with torch.no_grad():
        out = network.eval()(F.pad(image[None], (rim, right, rim, down), mode="reflect"))[0]
    return out[:, : image.shape[1], : image.shape[2]]


@torch.no_grad()
def as_batch(network, image, tile):
    """Five tiles in a batch, their origins a margin before, mirrored by index."""
    was = network.training
    network.eval()
    rim, block = margin(network.config), 2**network.config.depth
    step = (tile - 2 * rim) // block * block

    def mirror(n, start):
        at = torch.arange(start - rim, start - rim + tile).abs() % (2 * n - 2)
        return torch.where(at < n, at, 2 * n - 2 - at)

    _, h, w = image.shape
    starts = list(product(range(0, h, step), range(0, w, step)))
    batch = torch.stack([image[:, mirror(h, y)][:, :, mirror(w, x)] for y, x in starts])
    out = image.new_empty(network.config.num_classes, h, w)
    results = torch.cat([network(part) for part in batch.split(5)])
    for (y, x), logits in zip(starts, results, strict=True):
        part = logits[:, : min(step, h - y), : min(step, w - x)]
        out[:, y : y + step, x : x + step] = part
    network.train(was)
    return out.softmax(0)


@torch.inference_mode()
def by_rows(network, image, tile):
    """NumPy's pad, and tiles joined instead of written."""
    network.eval()
    rim, block = margin(network.config), 2**network.config.depth
    step = (tile - 2 * rim) // block * block
    _, h, w = image.shape
    padded = np.pad(image.numpy(), [(0, 0), (rim, rim + tile), (rim, rim + tile)], mode="reflect")
    padded = torch.from_numpy(padded).unsqueeze(0)
    rows = []
    for y in range(0, h, step):
        row = [
            network(padded[..., y : y + tile, x : x + tile])[..., :step, :step]
            for x in range(0, w, step)
        ]
        rows.append(torch.cat(row, dim=3))
    return torch.cat(rows, dim=2)[0, :, :h, :w].softmax(dim=0).numpy()


class Back(Predict):
    """The last tile moved back by whole blocks, inside a padded image; overlaps averaged."""

    def starts(self, length, step, output):
        block = 2**self.config.depth
        last = max(-(-(length - output) // block) * block, 0)
        return [*range(0, last, step), last]

    def run(self, network, image):
        self.count = []
        out = super().run(network, image)
        ones = made(starts=Back.starts, write=lambda self, where, logits: where.add_(1))
        ones.tile, ones.config = self.tile, self.config
        return out / Predict.run(ones, network, image)

    def write(self, where, logits):
        where += logits


def adds(self, where, logits):
    where += logits


def normalised(part):
    return (part - part.mean()) / part.std()


def moved(y, rim):
    return y + rim


def packaged(network, image, tile):
    return tiling.predict(network, image, tile=tile, batch_size=3)


def all_at_once(network, image, tile):
    return tiling.predict(network, image, tile=tile, batch_size=10**6)


def tried_in_train_mode(network, image, tile):
    with torch.no_grad():
        network(image[None, :, :tile, :tile])
    return Predict()(network, image, tile)


class Turned(Predict):
    """Reads at (x, y) and writes at (y, x)."""

    def run(self, network, image):
        (rim, output, step), (_, height, width) = self.sizes(), image.shape
        padded = self.pad(image, rim, rim + self.tile)
        out = torch.zeros(self.config.num_classes, height + self.tile, width + self.tile)
        for y, x in product(range(0, height, step), range(0, width, step)):
            part = padded[None, :, x : x + self.tile, y : y + self.tile]
            if part.shape[2:] == (self.tile, self.tile):
                out[:, y : y + output, x : x + output] = network(part)[0]
        return out[:, :height, :width]


def half_steps(self, rim, output, step):
    return rim, output, output // 2 - 1


def last_moved_back(self, length, step, output):
    return [*range(0, length - output, step), length - output]


WRONG = {
    "eval_forgotten": [made(train=True)],
    "keeps_graph": [made(gradients=True)],
    "zeros_at_border": [made(mode="constant")],
    "border_repeated": [
        made(
            pad=lambda self, image, a, b: torch.from_numpy(
                np.pad(image.numpy(), ((0, 0), (a, b), (a, b)), mode="symmetric")
            )
        )
    ],
    "edge_repeated": [made(mode="replicate")],
    "wrapped_around": [made(mode="circular")],
    "step_is_output": [made(sizes=sizes(lambda self, rim, output, step: (rim, output, output)))],
    "step_is_tile": [made(sizes=sizes(lambda self, rim, output, step: (rim, output, self.tile)))],
    "placed_at_input": [made(place=moved)],
    "last_tile_lost": [made(starts=last_lost)],
    "no_mirror": [no_mirror, no_mirror_unfinished],
    "piece_of_a_tile": [pieces, made(pad=lambda self, image, a, b: image)],
    "whole_at_once": [whole],
    "all_tiles_at_once": [all_at_once],
    "eval_too_late": [tried_in_train_mode],
    "end_wrong": [made(starts=last_moved_back)],
    "tile_normalised": [made(change=normalised)],
    "result_normalised": [
        made(of=normalised),
        made(of=lambda z: (z - z.min()) / (z.max() - z.min())),
    ],
    "overlap_added": [made(write=adds)],
    "softmax_wrong_axis": [
        made(of=lambda z: z.softmax(2)),
        keep(lambda out: out.softmax(1)),
        keep(lambda out: out.softmax(-1)),
    ],
    "softmax_twice": [keep(lambda out: out.softmax(0).softmax(0))],
    "other_values": [keep(torch.sigmoid), keep(lambda out: out.log_softmax(0))],
    "one_class_only": [keep(lambda out: out.argmax(0)), keep(lambda out: out.softmax(0)[1])],
    "batch_axis_left": [keep(lambda out: out[None])],
    "channels_last": [keep(lambda out: out.movedim(0, 2))],
    "axes_swapped": [keep(lambda out: out.transpose(1, 2)), Turned()],
    "not_cut_back": [
        keep(lambda out: F.pad(out, (8, 8, 8, 8))),
        keep(lambda out: F.pad(out, (0, 9, 0, 5))),
    ],
    "border_wrong": [keep(lambda out: out + F.pad(0 * out[:, 4:-4, 4:-4], (4, 4, 4, 4), value=1))],
    "wrong_values": [
        keep(torch.zeros_like),
        made(sizes=sizes(half_steps)),
        keep(lambda out: 2 * out),
        keep(lambda out: out - out.mean()),
    ],
    "wrong_shape": [keep(lambda out: out[:, 1:]), keep(lambda out: out.flatten())],
    "changes_input": [
        lambda network, image, tile: Predict()(network, image.sub_(image.mean()), tile)
    ],
    "wrong_return": [
        keep(lambda out: out.tolist()),
        keep(lambda out: [out]),
        keep(lambda out: (out, 1)),
    ],
    "raises": [
        lambda network, image, tile: network(image),
        lambda network, image, tile: network.predict(image, tile),
        lambda network, image, tile: network(torch.tensor(np.pad(image, (8, 36)))[None]),
    ],
    "returns_nothing": [keep(lambda out: None)],
    "wrong_signature": [lambda network, image: image],
    "wrong_kind": [Predict],
    "not_attempted": [None, lambda network, image, tile: None],
}
RIGHT = [
    Predict(),
    packaged,
    as_batch,
    by_rows,
    Back(),
    keep(lambda out: out.softmax(0)),
    keep(lambda out: out.numpy()),
]
