"""The arithmetic of a U-Net: sizes, parameters, multiplications, memory, receptive field.

Pure Python, no torch: a table opens at once, and the tests hold it against the real network.
Height and width never mix, so everything here is worked out along one axis at a time.
"""

from dataclasses import dataclass
from math import prod

from unet_lesson.config import UNetConfig, check_config, check_count, check_whole

ADJECTIVE = {"height": "high", "width": "wide"}


@dataclass(frozen=True)
class AxisSizes:
    """The sizes of all maps along one axis, in pixels.

    contracting: after the two convolutions of level 1, 2, ... and the bottom.
    upsampled: after each upsampling, from the deepest to level 1.
    expansive: after the two convolutions that follow, from the deepest to level 1.
    crops: pixels cut from each side of the skip connection, from the deepest to level 1.
    problem: None, or why the size does not fit; the other fields then end where it stopped.
    """

    contracting: tuple[int, ...]
    upsampled: tuple[int, ...]
    expansive: tuple[int, ...]
    crops: tuple[int, ...]
    problem: str | None = None


@dataclass(frozen=True)
class Row:
    """One line of a network table.

    name: the module's name in `UNet.named_modules()`.
    kind: its class, such as "Conv2d".
    shape: its output (C, H, W); for the contracting path a tuple of depth + 1 such shapes.
    parameters: its own weights and biases, without those of the modules inside it.
    macs: multiply-accumulate operations of the convolutions, for one image. Biases,
        normalisation, activation and interpolation count as 0.
    """

    name: str
    kind: str
    shape: tuple
    parameters: int = 0
    macs: int = 0


@dataclass(frozen=True)
class ReceptiveField:
    """Side of the square of input pixels that one value can see, in pixels.

    levels: at the end of level 1, 2, ... and the bottom of the contracting path.
    output: (smallest, largest) over the positions in the output.
    """

    levels: tuple[int, ...]
    output: tuple[int, int]


def axis_sizes(config: UNetConfig, size: int, axis: str = "width") -> AxisSizes:
    """Follow one axis through the U: the paper's figure 1 in numbers.

    An illegal size does not raise: `problem` says what went wrong and at which level.
    Raises TypeError if `size` is not a whole number.
    """
    check_config(config)
    if axis not in ADJECTIVE:
        raise ValueError(f"axis must be 'height' or 'width', not {axis!r}")
    size = check_whole(axis, size)
    if size < 1:
        return AxisSizes((), (), (), (), "there is no image")
    contracting, problem = _down(config, size, axis)
    if problem:
        return AxisSizes(contracting, (), (), (), problem)
    return _up(config, contracting, axis)


def _down(config, size, axis):
    """Sizes after the two convolutions of each level, and what went wrong, or None."""
    lost, sizes = _lost(config), []
    for level in range(1, config.depth + 2):
        problem = _convolution_problem(size, lost, level, "contracting", axis)
        if problem:
            return tuple(sizes), problem
        size -= lost
        sizes.append(size)
        if size % 2 and level <= config.depth:
            problem = f"at level {level} the map is {size} {ADJECTIVE[axis]} and cannot be halved"
            return tuple(sizes), problem
        size //= 2
    return tuple(sizes), None


def _up(config, contracting, axis):
    lost, upsampled, expansive, crops, problem = _lost(config), [], [], [], None
    size = contracting[-1]
    for level in range(config.depth, 0, -1):
        size *= 2
        problem = _convolution_problem(size, lost, level, "expansive", axis)
        if problem:
            break
        upsampled.append(size)
        crops.append((contracting[level - 1] - size) // 2)
        size -= lost
        expansive.append(size)
    return AxisSizes(contracting, tuple(upsampled), tuple(expansive), tuple(crops), problem)


def _lost(config):
    """Pixels per axis that two 3x3 convolutions take: one per side and convolution, or none."""
    return 4 - 4 * config.padding


def _convolution_problem(size, lost, level, path, axis):
    if size > lost:
        return None
    return (
        f"at level {level} of the {path} path the map is {size} {ADJECTIVE[axis]} "
        f"and two valid 3x3 convolutions, which take {lost}, leave nothing"
    )


def legal_sizes(config: UNetConfig, start: int, stop: int) -> list[int]:
    """The input sizes in [start, stop) at which every pooled map is even and nothing is empty.

    For the paper's network: 188, 204, 220, ..., that is 16 k + 12.
    """
    start, stop = check_count("start", start, least=0), check_count("stop", stop, least=0)
    smallest = smallest_legal(config)
    step = 2**config.depth
    first = smallest + max(0, -(-(start - smallest) // step)) * step
    return list(range(first, stop, step))


def smallest_legal(config: UNetConfig) -> int:
    """The smallest input size that fits; the others follow in steps of 2 ** depth.

    With p pixels entering the bottom the output is 2**d (p - 8) + 4: with valid convolutions
    the smallest p is 7 at depth 1 and 8 below. With padding it is 1.
    """
    check_config(config)
    return _input_for(config, 1 if config.padding else 7 if config.depth == 1 else 8)


def _input_for(config, bottom):
    """The input size at which `bottom` pixels enter the bottom: (n - 4) / 2 undone per level."""
    step = 2**config.depth
    return step * bottom + _lost(config) * (step - 1)


def nearest_legal(config: UNetConfig, size: int) -> tuple[int | None, int]:
    """The nearest input sizes that fit: (largest <= size, or None; smallest >= size)."""
    return _nearest(check_whole("size", size), smallest_legal(config), 2**config.depth)


def _nearest(size, smallest, step):
    if size < smallest:
        return None, smallest
    below = size - (size - smallest) % step
    return below, below if below == size else below + step


def output_size(config: UNetConfig, height: int, width: int) -> tuple[int, int]:
    """(H', W') of the output, or ValueError naming level and nearest sizes that fit."""
    return tuple(axis.expansive[-1] for axis in _legal_axes(config, height, width))


def check_contracting(config: UNetConfig, height: int, width: int) -> None:
    """Raise ValueError unless the contracting path alone can take this size.

    It takes smaller images than the whole network: one pixel left at the bottom is enough.
    """
    for axis, size in (("height", height), ("width", width)):
        sizes = axis_sizes(config, size, axis)
        if len(sizes.contracting) <= config.depth:
            smallest = _input_for(config, 1 + _lost(config))
            near = _nearest(size, smallest, 2**config.depth)
            raise ValueError(_refusal(size, axis, sizes.problem, near))


def crop_margins(config: UNetConfig) -> tuple[int, ...]:
    """Pixels cut from each side of every skip, deepest first: (4, 16, 40, 88) at depth 4.

    They do not depend on the input size.
    """
    return axis_sizes(config, smallest_legal(config)).crops


def _legal_axes(config, height, width):
    axes = []
    for axis, size in (("height", height), ("width", width)):
        sizes = axis_sizes(config, size, axis)
        if sizes.problem:
            raise ValueError(misfit(config, size, axis, sizes.problem))
        axes.append(sizes)
    return axes


def misfit(config: UNetConfig, size: int, axis: str, problem: str) -> str:
    """The sentence that refuses a size: what came, where it failed, what would fit."""
    return _refusal(size, axis, problem, nearest_legal(config, size))


def _refusal(size, axis, problem, nearest):
    below, above = nearest
    near = (
        f"nearest sizes that fit: {below}, {above}" if below else f"the smallest that fits: {above}"
    )
    return f"{axis} {size} does not fit: {problem}; {near}"


def trace(config: UNetConfig, height: int, width: int) -> list[Row]:
    """Every module of the network in the order in which it runs, for one image.

    `trace(UNetConfig(), 572, 572)` is the blog's table: 85 rows. As there, the whole network
    has no row of its own, nor has the expansive path (its output is its last block's).
    Raises ValueError for a size that does not fit, as `output_size`.
    """
    vertical, horizontal = _legal_axes(config, height, width)
    down = list(zip(vertical.contracting, horizontal.contracting, strict=True))
    joined = list(zip(vertical.upsampled, horizontal.upsampled, strict=True))
    final = list(zip(vertical.expansive, horizontal.expansive, strict=True))
    channels = config.channels
    rows, before = [], config.in_channels
    for i, (after, size) in enumerate(zip(channels, down, strict=True)):
        if i:
            pooled = (before, down[i - 1][0] // 2, down[i - 1][1] // 2)
            rows.append(Row("contracting.pool", "MaxPool2d", pooled))
        rows += _double_conv_rows(f"contracting.blocks.{i}", config, before, after, size)
        before = after
    features = tuple((c, *size) for c, size in zip(channels, down, strict=True))
    rows.append(Row("contracting", "ContractingPath", features))
    for i, after in enumerate(reversed(channels[:-1])):
        name = f"expansive.blocks.{i}"
        rows += _up_rows(f"{name}.up", config, 2 * after, after, joined[i])
        rows += _double_conv_rows(f"{name}.conv", config, 2 * after, after, final[i])
        rows.append(Row(name, "UpBlock", (after, *final[i])))
    rows.append(_conv_row("head", channels[0], config.num_classes, 1, final[-1]))
    return rows


def _conv_row(name, before, after, kernel, size):
    weights = kernel * kernel * before * after
    return Row(name, "Conv2d", (after, *size), weights + after, weights * prod(size))


def _double_conv_rows(name, config, before, after, size):
    rows, step = [], 2 if config.batch_norm else 1
    shrink = 2 - 2 * config.padding
    first = (size[0] + shrink, size[1] + shrink)
    for i, (channels, map_size) in enumerate(((before, first), (after, size))):
        at = i * (step + 1)
        shape = (after, *map_size)
        rows.append(_conv_row(f"{name}.layers.{at}", channels, after, 3, map_size))
        if config.batch_norm:
            rows.append(Row(f"{name}.layers.{at + 1}", "BatchNorm2d", shape, 2 * after))
        rows.append(Row(f"{name}.layers.{at + step}", "ReLU", shape))
    return [*rows, Row(name, "DoubleConv", (after, *size))]


def _up_rows(name, config, before, after, size):
    if config.up == "transpose":
        weights = 2 * 2 * before * after
        macs = before * after * prod(size)  # each output pixel is reached by one input pixel
        return [Row(name, "ConvTranspose2d", (after, *size), weights + after, macs)]
    return [
        Row(f"{name}.0", "Upsample", (before, *size)),
        _conv_row(f"{name}.1", before, after, 1, size),
        Row(f"{name}.2", "ReLU", (after, *size)),
    ]


def parameter_count(config: UNetConfig) -> int:
    """Number of weights and biases of the network; it does not depend on the input size."""
    smallest = smallest_legal(config)
    return sum(row.parameters for row in trace(config, smallest, smallest))


def saved_values(config: UNetConfig, row: Row) -> int:
    """How many 4-byte values autograd keeps for this row until the backward pass, per image.

    BatchNorm keeps its input and ReLU its result; pooling keeps its result for the next
    convolution and an 8-byte index beside each value; upsampling keeps the enlarged map for
    the 1x1 convolution; an UpBlock keeps the joined map.
    """
    times = {"BatchNorm2d": 1, "ReLU": 1, "Upsample": 1, "MaxPool2d": 3}
    if row.kind in times:
        return times[row.kind] * prod(row.shape)
    if row.kind == "UpBlock":
        channels, height, width = row.shape
        lost = _lost(config)
        return 2 * channels * (height + lost) * (width + lost)
    return 0


def activation_bytes(config: UNetConfig, height: int, width: int) -> int:
    """Bytes that autograd keeps between the forward and the backward pass of one image.

    Counted: float32 maps, pooling indices (int64) and the input image, in train mode.
    Not counted: parameters, their gradients, optimiser state, the loss, BatchNorm's two
    numbers a channel and what a convolution needs for scratch.
    """
    rows = trace(config, height, width)
    return 4 * (config.in_channels * height * width + sum(saved_values(config, r) for r in rows))


def receptive_field(config: UNetConfig) -> ReceptiveField:
    """The receptive field, per level and at the output, away from the image border.

    A layer of kernel k adds (k - 1) times the distance between its neighbouring inputs, in
    pixels of the image; each pooling doubles that distance. At the output the field depends
    on the position: n neighbouring pixels of an enlarged map come from n / 2 or n / 2 + 1
    pixels of the map below, by where they start. What a skip connection sees lies inside.
    """
    levels, field, jump = [], 1, 1
    for _ in range(check_config(config).depth + 1):
        field += 4 * jump  # two 3x3 convolutions
        levels.append(field)
        field += jump  # the 2x2 pooling
        jump *= 2
    least = most = 1  # pixels of the bottom that one output value reads: walk down
    for _ in range(config.depth):
        read = 4 + 2 * (config.up == "bilinear")  # two convolutions; a pixel on either side
        least, most = (least + read + 1) // 2, (most + read) // 2 + 1
    step = 2**config.depth  # from one pixel of the bottom to the next, in pixels of the image
    return ReceptiveField(
        tuple(levels), (levels[-1] + (least - 1) * step, levels[-1] + (most - 1) * step)
    )
