"""Drills on the whole network: functions that draw a U-Net with valid convolutions and ask."""

# ruff: noqa: RUF001 (Chinese has its own comma)

from unet_lesson import UNetConfig, shapes
from unet_lesson.practice.drill_layers import Task, told
from unet_lesson.practice.network_sizes import LEGAL_MISTAKES, legal_above


def _drawn(rng):
    """A network and an input size that fits it."""
    config = UNetConfig.paper(base_channels=rng.choice((8, 16, 32, 64)), depth=rng.randint(2, 4))
    return config, rng.choice(shapes.legal_sizes(config, 40, 700))


def _named(config):
    """The network in words, English and Chinese."""
    return (
        f"U-Net with {config.depth} poolings and two valid 3x3 convolutions a level",
        f"一个 U-Net 有 {config.depth} 次池化、每层两个 valid 3x3 卷积",
    )


def _way(sizes, level):
    """The sizes of the way down, to the end of `level`, as text."""
    return ", halved ".join(f"{n + 4} - 4 = {n}" for n in sizes.contracting[:level])


def map_size(rng):
    """The map after the two convolutions of a level, on the way down."""
    config, n = _drawn(rng)
    level = rng.randint(1, config.depth + 1)
    sizes, (english, chinese) = shapes.axis_sizes(config, n), _named(config)
    answer = sizes.contracting[level - 1]
    return Task(
        f"A {english} gets an image of {n} x {n}. How many pixels a side is "
        f"the map after the two convolutions of level {level} on the way down? Level 1 is the top.",
        f"{chinese}，输入 {n} x {n}。下采样路径第 {level} 层两次卷积之后，特征图边长是多少？"
        "（最上面为第 1 层）",
        answer,
        "pixels",
        _way(sizes, level) + ".",
        [
            (answer + 2, "Each level has two convolutions, and each takes 2: you are one short."),
            (answer + 4, "This enters the level. Its two convolutions take 4 more."),
            (answer // 2, "This is pooled already. It is asked for before."),
            (n // 2 ** (level - 1), "These are sizes with padding. Valid convolutions take 4."),
            (_without_pairs(n, level), "One convolution a level in yours. There are two."),
            (n // 2 ** (level - 1) - 4, "The convolutions of the levels above take pixels too."),
            ((n - 4 * level) // 2 ** (level - 1), "The 4 are taken at each level's own scale."),
            (sizes.contracting[max(level - 2, 0)], "This is one level higher. Level 1 is the top."),
        ],
    )


def _without_pairs(n, level):
    """The size with one convolution a level, halves dropped."""
    for _ in range(level - 1):
        n = (n - 2) // 2
    return n - 2


def map_size_up(rng):
    """The map after the two convolutions of a level, on the way up."""
    config, n = _drawn(rng)
    level = rng.randint(1, config.depth)
    sizes, (english, chinese) = shapes.axis_sizes(config, n), _named(config)
    at = config.depth - level
    answer, bottom = sizes.expansive[at], sizes.contracting[-1]
    ups = [f"doubled {up} - 4 = {up - 4}" for up in sizes.upsampled[: at + 1]]
    return Task(
        f"A {english} gets an image of {n} x {n}; the map at the bottom ends "
        f"with {bottom} a side. How many pixels a side is the map after the two convolutions of "
        f"level {level} on the way up? Level 1 is the top.",
        f"{chinese}，输入 {n} x {n}，最底层输出边长 {bottom}。上采样路径第 {level} 层两次卷积之后，"
        "特征图边长是多少？（最上面为第 1 层）",
        answer,
        "pixels",
        f"{bottom}, {', '.join(ups)}.",
        [
            (answer + 4, "This is the map before the two convolutions of the level. They take 4."),
            (answer + 2, "Each level has two convolutions, and each takes 2: you are one short."),
            (sizes.contracting[level - 1], "This is the way down, so the skip before the crop."),
            (bottom * 2 ** (at + 1), "The convolutions on the way up take 4 a level, too."),
            (bottom * 2 ** (at + 1) - 4, "The convolutions of the levels below take 4 as well."),
            (bottom * 2 ** (at + 1) - 4 * (at + 1), "What is taken below is doubled on the way."),
            (2 * answer, "This is enlarged once too often."),
        ],
    )


def output_size(rng):
    """The output of the whole network."""
    config, n = _drawn(rng)
    sizes, (english, chinese) = shapes.axis_sizes(config, n), _named(config)
    answer, levels = sizes.expansive[-1], config.depth
    bottom = sizes.contracting[-1]
    ups = [f"{up} - 4 = {up - 4}" for up in sizes.upsampled]
    return Task(
        f"A {english}, as in the paper, gets an image of {n} x {n}. How many "
        "pixels a side is the output?",
        f"{chinese}（与原论文相同的结构），输入 {n} x {n}，输出边长是多少？",
        answer,
        "pixels",
        f"Down: {_way(sizes, levels + 1)}. Up, doubled each time: {', '.join(ups)}.",
        [
            (n, "The output is as large as the input only with padding."),
            (bottom * 2**levels, "The convolutions on the way up take 4 a level, too."),
            (n - 4 * (2 * levels + 1), "A pixel taken at level 2 is worth 2 of the image."),
            (answer + 4, "The two convolutions of the last level take 4 more."),
            (sizes.contracting[0], "This is the skip of level 1, before it is cut."),
            (_one_convolution(n, levels), "One convolution a level in yours. There are two."),
            (answer - 2, "The last convolution is 1x1 and takes nothing."),
        ],
    )


def _one_convolution(n, depth):
    n = _without_pairs(n, depth + 1)
    for _ in range(depth):
        n = 2 * n - 2
    return n


def joined_channels(rng):
    """Channels after the concatenation of a level."""
    config, _ = _drawn(rng)
    level = rng.randint(1, config.depth)
    english, chinese = _named(config)
    c = config.channels[level - 1]
    return Task(
        f"A {english} has {config.base_channels} channels at level 1 and "
        f"twice as many at each level below. An up-convolution halves the channels. How many are "
        f"there after the concatenation of level {level}?",
        f"{chinese}，第 1 层 {config.base_channels} 通道，逐层加倍，上卷积使通道数减半。"
        f"第 {level} 层拼接（concat）之后有多少个通道？",
        2 * c,
        "channels",
        f"{c} from below, halved by the up-convolution, and {c} from the skip.",
        [
            (c, "You forget the concatenation, or take the number after the convolutions."),
            (3 * c, "The up-convolution halves the channels before they are joined."),
            (4 * c, "This is the concatenation of the level below."),
            (2 * c + config.base_channels, "The skip comes from the same level, not from the top."),
        ],
    )


def crop(rng):
    """Pixels cut from each side of a skip connection."""
    config, n = _drawn(rng)
    level = rng.randint(1, config.depth)
    sizes, (english, chinese) = shapes.axis_sizes(config, n), _named(config)
    at = config.depth - level
    answer, skip, up = sizes.crops[at], sizes.contracting[level - 1], sizes.upsampled[at]
    others = [
        (value, f"This is the crop of level {config.depth - i}. Level 1 is the top.")
        for i, value in enumerate(sizes.crops)
    ]
    return Task(
        f"A {english} gets an image of {n} x {n}. How many pixels are cut "
        f"from each side of the skip connection of level {level}? Level 1 is the top.",
        f"{chinese}，输入 {n} x {n}。第 {level} 层的跳跃连接每一侧要裁掉多少像素？"
        "（最上面为第 1 层）",
        answer,
        "pixels",
        f"The skip is {skip} a side, the upsampled map {up}: ({skip} - {up}) / 2.",
        [
            (skip - up, "This is cut in all, from two sides together."),
            (0, "Nothing is cut only with padding."),
            (answer + 2, "The crop comes before the convolutions: to the map's size as upsampled."),
            (up, "This is what is left of the skip after the crop."),
            *others,
        ],
    )


def legal_input(rng):
    """The smallest input above a size that fits."""
    depth = rng.randint(2, 4)
    n = rng.randint(60, 700)
    english, chinese = _named(UNetConfig.paper(depth=depth))
    answer = legal_above(n, depth)
    way = _way(shapes.axis_sizes(UNetConfig.paper(depth=depth), answer), depth + 1)
    keys = ("minimum_forgotten", "multiple_of_block", "evenness_once", "size_below", "step_added")
    keys += ("way_up_forgotten", "bottom_even", "first_level_only", "one_level_more")
    keys += ("one_level_less", "multiple_of_16", "one_convolution", "evenness_forgotten")
    return Task(
        f"What is the smallest input size larger than {n} that fits a {english}, so that every map "
        "that is pooled is even and none is empty?",
        f"{chinese}。大于 {n} 的最小合法输入边长是多少（每次池化前边长为偶数，且特征图不为空）？",
        answer,
        "pixels",
        f"{way}; the legal sizes follow each other in steps of {2**depth}.",
        told(LEGAL_MISTAKES, keys, n, depth),
    )
