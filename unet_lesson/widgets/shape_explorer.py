"""The whole U under sliders: every map, every crop, and what it all costs."""

from dataclasses import replace

import traitlets

from unet_lesson import figures, shapes
from unet_lesson.config import UP_MODES, UNetConfig, check_config
from unet_lesson.widgets.base import Explorer, script

SMALLEST, LARGEST = 16, 1024  # ends of the height and width sliders, in pixels
KNOBS = ("base_channels", "depth", "padding", "up")  # what the explorer may change in a config


def shape_table(config: UNetConfig) -> dict:
    """Everything the browser needs for one configuration, for all sizes of the sliders.

    maps: (name, channels) of every map. walks: for each size, the sizes of those maps along
    one axis, as far as it gets. stops: for each size, the index of the map that fails, or
    None. refusals: for each axis and size, the oracle's sentence, or None. nearest: for each
    size, the legal sizes beside it that the sliders reach. crops: margin by level, from level 1.
    legal: the first legal size and the step to the next. macs, bytes: see `_growth`.
    """
    sizes = range(SMALLEST, LARGEST + 1)
    walks, stops = zip(*(figures.u_walk(config, n) for n in sizes), strict=True)
    field = shapes.receptive_field(config)
    first, second = _two_legal(config)
    return {
        "start": SMALLEST,
        "maps": figures.u_maps(config),
        "walks": walks,
        "stops": stops,
        "refusals": {
            axis: [_refusal(config, n, axis) for n in sizes] for axis in ("height", "width")
        },
        "nearest": [_in_reach(shapes.nearest_legal(config, n)) for n in sizes],
        "crops": shapes.crop_margins(config)[::-1],
        "legal": (first, second - first),
        "parameters": shapes.parameter_count(config),
        "macs": _growth(config, _macs),
        "bytes": _growth(config, shapes.activation_bytes),
        "field": {"bottom": field.levels[-1], "output": field.output},
        "up": figures.UP_TEXT[config.up],
    }


def _two_legal(config):
    first = shapes.smallest_legal(config)
    return first, shapes.nearest_legal(config, first + 1)[1]


def _refusal(config, size, axis):
    problem = shapes.axis_sizes(config, size, axis).problem
    return problem and shapes.misfit(config, size, axis, problem)


def _in_reach(sizes):
    return [n for n in dict.fromkeys(sizes) if n and SMALLEST <= n <= LARGEST]


def _macs(config, height, width):
    return sum(row.macs for row in shapes.trace(config, height, width))


def _growth(config, total):
    """(a, b, c): total = a + b (i + j) + c i j at the i-th legal height and the j-th legal width.

    Each step to the next legal size makes every map larger by the same amount along that
    axis, and a total is a sum of multiples of height x width of the maps. So three values
    of the oracle give all others, exactly and in whole numbers.
    """
    first, second = _two_legal(config)
    a = total(config, first, first)
    b = total(config, second, first) - a
    return a, b, total(config, second, second) - a - 2 * b


class ShapeExplorer(Explorer):
    """Drag the input's height and width and see every map of the U follow.

    config: a UNetConfig, by default the blog's network; its input channels, classes and
    BatchNorm stay, the rest can be changed. height, width: of the input, 16 to 1024 pixels.
    The traits height, width, depth (1 to 6), base_channels (4 to 128), padding (0 or 1) and
    up can be set from Python. A size that does not fit is shown in red and in words, with
    the nearest sizes that fit to click; it raises nothing.

    Raises TypeError for a config of another type and TraitError for a value out of range.
    """

    _esm = script("shape_explorer")
    height = traitlets.Int(572, min=SMALLEST, max=LARGEST).tag(sync=True)
    width = traitlets.Int(572, min=SMALLEST, max=LARGEST).tag(sync=True)
    depth = traitlets.Int(4, min=1, max=6).tag(sync=True)
    base_channels = traitlets.Int(64, min=4, max=128).tag(sync=True)
    padding = traitlets.Int(0, min=0, max=1).tag(sync=True)
    up = traitlets.Enum(UP_MODES, "bilinear").tag(sync=True)
    table = traitlets.Dict().tag(sync=True)

    def __init__(self, config=None, height=572, width=572):
        self._given = UNetConfig() if config is None else check_config(config)
        self._shown = self._given
        knobs = {name: getattr(self._given, name) for name in KNOBS}
        super().__init__(height=height, width=width, table=shape_table(self._given), **knobs)

    @property
    def config(self):
        """The UNetConfig that is shown now."""
        return replace(self._given, **{name: getattr(self, name) for name in KNOBS})

    @traitlets.observe(*KNOBS)
    def _renew(self, change):
        if self.config != self._shown:
            self._shown = self.config
            self.table = shape_table(self.config)

    def facts(self):
        config, size = self.config, (self.height, self.width)
        try:
            out = shapes.output_size(config, *size)
        except ValueError as error:
            return f"ShapeExplorer: {error}"
        field = shapes.receptive_field(config)
        return (
            f"ShapeExplorer: {config.in_channels} x {size[0]} x {size[1]} -> "
            f"{config.num_classes} x {out[0]} x {out[1]}; "
            f"{shapes.parameter_count(config):,} parameters; "
            f"{_macs(config, *size) / 1e9:.2f} GMACs; "
            f"{shapes.activation_bytes(config, *size) / 2**20:.1f} MiB of activations; "
            f"receptive field {field.levels[-1]} at the bottom, "
            f"{' to '.join(map(str, dict.fromkeys(field.output)))} at the output"
        )

    def picture(self):
        return figures.u_shape(self.config, self.height, self.width)
