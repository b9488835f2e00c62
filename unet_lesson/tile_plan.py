"""Where the tiles of an image lie. Pure Python, no torch: an explorer of tiles opens at once.

Height and width never mix, so a plan is made along one axis at a time. `tiling` follows it.
"""

from math import ceil, prod
from typing import NamedTuple

from unet_lesson import shapes
from unet_lesson.config import check_config, check_count, check_whole

LARGEST_MAP = 256 * 2**20  # bytes; all maps of a tile together take about seven times as much


class Tile(NamedTuple):
    """One tile along one axis, in pixels of the image.

    read_start, read_stop: what the network reads; below 0 and beyond the image it is mirrored.
    start, stop: the part of the result that comes from this tile.
    """

    read_start: int
    read_stop: int
    start: int
    stop: int


def margin(config):
    """Pixels that the network takes from each side: 92 at depth 4 without padding, 0 with."""
    smallest = shapes.smallest_legal(config)
    return (smallest - shapes.output_size(config, smallest, smallest)[0]) // 2


def halo(config):
    """Pixels at each inner side of a tile that padding has spoilt; 0 for a network without.

    What a block of 2 ** depth output pixels reads beyond itself, rounded up to such blocks, for
    tiles start on them: 8, 24, 48, 96 at depth 1 to 4. From the output down to the bottom two
    3x3 convolutions add two pixels a level and the next level's are twice as large (bilinear
    upsampling looks one pixel further); back up the contracting path the same in reverse.
    """
    if not check_config(config).padding:
        return 0
    reach = 0
    for _ in range(config.depth):
        reach += 2
        reach = reach // 2 + 1 if config.up == "bilinear" else ceil(reach / 2)
    for _ in range(config.depth):
        reach = 2 * (reach + 2)
    block = 2**config.depth
    return ceil((reach + 2) / block) * block


def whole_side(config, size):
    """The side of the one input tile that covers an axis of `size` pixels."""
    return shapes.nearest_legal(config, size + 2 * margin(config))[1]


def smallest_tile(config):
    """The smallest input tile that can be laid in steps: one block is left inside its rim."""
    block = 2**config.depth
    return shapes.nearest_legal(config, 2 * (margin(config) + halo(config)) + block)[1]


def tile_step(config, tile):
    """From one tile to the next, in pixels: the most blocks of 2 ** depth inside the rim.

    An output of 388 is laid every 384. Only in such steps do the poolings of all tiles fall on
    the same pixels of the image.
    """
    block = 2**config.depth
    return (tile - 2 * (margin(config) + halo(config))) // block * block


def plan_axis(config, size, tile):
    """Lay input tiles of side `tile` along one axis of `size` pixels -> a list of `Tile`.

    All have the same side; it is smaller than `tile` if one such tile covers the axis. The last
    one is moved back to the end of the axis, by whole blocks. At the first and the last pixel a
    padded network sees its own zeros there, so nothing is cut off.
    Raises ValueError for a tile that does not fit the network, or too small to be laid in steps.
    """
    problem = shapes.axis_sizes(check_config(config), check_whole("tile", tile)).problem
    if problem:
        raise ValueError(shapes.misfit(config, tile, "tile", problem))
    size, whole = check_count("size", size), whole_side(config, size)
    side = min(tile, whole)
    last = whole - side  # from the first tile to the last
    if last and side < smallest_tile(config):
        raise ValueError(
            f"tile {tile} is too small for an image of {size} pixels: nothing is left inside its "
            f"rim to step by; the smallest that works: {smallest_tile(config)}"
        )
    at = [*range(0, last, tile_step(config, side)), last] if last else [0]
    starts = [0, *(x + halo(config) for x in at[1:])]
    reads = [x - margin(config) for x in at]
    stops = [*starts[1:], size]
    return [Tile(r, r + side, *part) for r, *part in zip(reads, starts, stops, strict=True)]


def choose_tile(config, height, width, batch_size=1):
    """The input side that costs least: pixels read in all, large maps counting up to half more.

    The larger the tile, the less of the work is overlap. But a map above some 32 MiB is given
    back to the system after use, and fetching fresh pages takes time; and no map shall be larger
    than LARGEST_MAP, unless the smallest tile needs it. So an image of some 700 x 700 is one tile.
    """
    wholes, smallest = [whole_side(config, n) for n in (height, width)], smallest_tile(config)
    rim = 2 * margin(config)

    def largest_map(sides):  # the joined one of level 1 in float32, in parts of LARGEST_MAP
        pixels = prod(side - rim for side in sides)
        return 4 * batch_size * 2 * config.base_channels * pixels / LARGEST_MAP

    costs = {}
    for tile in shapes.legal_sizes(config, smallest, max(*wholes, smallest) + 1):
        sides, step = [min(tile, whole) for whole in wholes], tile_step(config, tile)
        if tile > smallest and largest_map(sides) > 1:
            break
        tiles = prod(1 + ceil((whole - min(tile, whole)) / step) for whole in wholes)
        costs[tile] = tiles * prod(sides) * (1 + largest_map(sides) / 2)
    return min(costs, key=costs.get)
