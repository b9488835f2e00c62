"""UNetConfig and the arithmetic: their defaults, and what they refuse. One row, one bad input."""

import dataclasses

import numpy as np
import pytest

from unet_lesson import UNetConfig, shapes

VALID = UNetConfig()
COUNTS = ("in_channels", "num_classes", "base_channels", "depth")
NOT_COUNTS = [  # value, error, what the message must say
    (0, ValueError, "must be 1 or more, not 0; the nearest is 1"),
    (-3, ValueError, "must be 1 or more, not -3; the nearest is 1"),
    (4.0, TypeError, "must be a whole number, not 4.0 (float)"),
    (True, TypeError, "must be a whole number, not True (bool)"),
    ("4", TypeError, "must be a whole number, not '4' (str)"),
    (None, TypeError, "must be a whole number, not None (NoneType)"),
    ([4], TypeError, "must be a whole number, not [4] (list)"),
]
UP = "up must be one of 'bilinear', 'transpose', 'nearest', not "
BAD_CONFIGS = [
    *(({name: v}, error, f"{name} {words}") for name in COUNTS for v, error, words in NOT_COUNTS),
    ({"padding": 2}, ValueError, "padding must be 0 (valid) or 1 (same size), not 2; the nearest"),
    ({"padding": -1}, ValueError, "padding must be 0 or more, not -1; the nearest is 0"),
    ({"padding": "same"}, TypeError, "padding must be a whole number, not 'same' (str)"),
    ({"padding": True}, TypeError, "padding must be a whole number, not True (bool)"),
    ({"padding": 0.5}, TypeError, "padding must be a whole number, not 0.5 (float)"),
    ({"batch_norm": 1}, TypeError, "batch_norm must be True or False, not 1 (int)"),
    ({"batch_norm": "yes"}, TypeError, "batch_norm must be True or False, not 'yes' (str)"),
    ({"batch_norm": None}, TypeError, "batch_norm must be True or False, not None (NoneType)"),
    ({"up": "transposed"}, ValueError, UP + "'transposed'; did you mean 'transpose'?"),
    ({"up": "Bilinear"}, ValueError, UP + "'Bilinear'; did you mean 'bilinear'?"),
    ({"up": "neareast"}, ValueError, UP + "'neareast'; did you mean 'nearest'?"),
    ({"up": "xyz"}, ValueError, UP + "'xyz'"),
    ({"up": ""}, ValueError, UP + "''"),
    ({"up": 2}, TypeError, UP + "2 (int)"),
    ({"up": None}, TypeError, UP + "None (NoneType)"),
]
NO_CONFIG = "config must be a UNetConfig, not "
BLOG_572 = "at level 1 the map is 569 {} and cannot be halved; nearest sizes that fit: 572, 588"
BAD_SIZES = [  # function, arguments, error, what the message must say
    *(
        (function, (config, *sizes), TypeError, f"{NO_CONFIG}{config!r}")
        for config in ({"depth": 4}, "paper", None, UNetConfig)
        for function, *sizes in (
            (shapes.axis_sizes, 572),
            (shapes.trace, 572, 572),
            (shapes.output_size, 572, 572),
            (shapes.check_contracting, 572, 572),
            (shapes.activation_bytes, 572, 572),
            (shapes.legal_sizes, 0, 600),
            (shapes.nearest_legal, 572),
            (shapes.smallest_legal,),
            (shapes.crop_margins,),
            (shapes.parameter_count,),
            (shapes.receptive_field,),
        )
    ),
    *(
        (function, (VALID, *sizes), error, f"{axis} {words}")
        for value, error, words in NOT_COUNTS
        if error is TypeError
        for function, axis, sizes in (
            (shapes.axis_sizes, "width", (value,)),
            (shapes.trace, "height", (value, 572)),
            (shapes.trace, "width", (572, value)),
            (shapes.output_size, "height", (value, 572)),
            (shapes.output_size, "width", (572, value)),
            (shapes.check_contracting, "width", (572, value)),
            (shapes.activation_bytes, "height", (value, 572)),
            (shapes.nearest_legal, "size", (value,)),
        )
    ),
    *(
        (
            function,
            (VALID, *sizes),
            ValueError,
            f"{value} does not fit: there is no image; the smallest that fits: {smallest}",
        )
        for value in (0, -3)
        for function, smallest, sizes in (
            (shapes.trace, 188, (value, 572)),
            (shapes.output_size, 188, (572, value)),
            (shapes.check_contracting, 140, (572, value)),
            (shapes.activation_bytes, 188, (value, 572)),
        )
    ),
    *(
        (function, (VALID, *sizes), ValueError, f"{axis} 573 does not fit: {BLOG_572.format(word)}")
        for function in (shapes.trace, shapes.output_size, shapes.activation_bytes)
        for axis, word, sizes in (("height", "high", (573, 572)), ("width", "wide", (572, 573)))
    ),
    (
        shapes.check_contracting,
        (VALID, 572, 574),
        ValueError,
        "width 574 does not fit: at level 2 the map is 281 wide and cannot be halved",
    ),
    (
        shapes.output_size,
        (VALID, 187, 572),
        ValueError,
        "height 187 does not fit: at level 1 the map is 183 high and cannot be halved; "
        "the smallest that fits: 188",
    ),
    (
        shapes.output_size,
        (VALID, 572, 4),
        ValueError,
        "at level 1 of the contracting path the map is 4 wide and two valid 3x3 convolutions, "
        "which take 4, leave nothing; the smallest that fits: 188",
    ),
    (
        shapes.output_size,
        (VALID, 572, 140),
        ValueError,
        "at level 4 of the expansive path the map is 2 wide",
    ),
    (
        shapes.output_size,
        (UNetConfig.padded(), 512, 500),
        ValueError,
        "width 500 does not fit: at level 3 the map is 125 wide and cannot be halved; "
        "nearest sizes that fit: 496, 512",
    ),
    (shapes.output_size, (UNetConfig.padded(), 9, 16), ValueError, "the smallest that fits: 16"),
    (shapes.legal_sizes, (VALID, -1, 600), ValueError, "start must be 0 or more, not -1"),
    (shapes.legal_sizes, (VALID, 0, 600.0), TypeError, "stop must be a whole number, not 600.0"),
    (shapes.legal_sizes, (VALID, "0", 600), TypeError, "start must be a whole number, not '0'"),
]


@pytest.mark.parametrize(("fields", "error", "words"), BAD_CONFIGS)
@pytest.mark.parametrize("preset", [UNetConfig, UNetConfig.paper])
def test_a_config_refuses(refused, preset, fields, error, words):
    refused(lambda: preset(**fields), error, words)


@pytest.mark.parametrize(("function", "arguments", "error", "words"), BAD_SIZES)
def test_the_arithmetic_refuses(refused, function, arguments, error, words):
    refused(lambda: function(*arguments), error, words)


def test_every_function_has_a_bad_input():
    """The tables above leave out none of the functions that take a config."""
    print(f"\n{2 * len(BAD_CONFIGS)} bad configs and {len(BAD_SIZES)} bad sizes tried")
    public = {
        name
        for name, thing in vars(shapes).items()
        if getattr(thing, "__module__", "") == "unet_lesson.shapes"
        and not isinstance(thing, type)
        and not name.startswith("_")
    }
    helpers = {"misfit", "saved_values"}  # they word and count what the others have checked
    assert {function.__name__ for function, *_ in BAD_SIZES} == public - helpers
    fields = {field.name for field in dataclasses.fields(UNetConfig)}
    assert {name for row in BAD_CONFIGS for name in row[0]} == fields


def test_presets():
    assert UNetConfig.blog() == UNetConfig() == UNetConfig(1, 2, 64, 4, 0, True, "bilinear")
    assert UNetConfig.paper() == UNetConfig(1, 2, 64, 4, 0, False, "transpose")
    assert UNetConfig.padded() == UNetConfig(1, 2, 64, 4, 1, True, "bilinear")
    assert UNetConfig.paper(depth=2, num_classes=5).num_classes == 5
    assert UNetConfig.padded(padding=0) == UNetConfig()
    assert UNetConfig().channels == (64, 128, 256, 512, 1024)


def test_whole_numbers_of_any_kind_become_ints():
    config = UNetConfig(in_channels=np.int64(3), padding=np.int8(1))
    assert config == UNetConfig(in_channels=3, padding=1)
    assert type(config.in_channels) is type(config.padding) is int
    assert hash(config) == hash(UNetConfig(in_channels=3, padding=1))


def test_a_config_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        UNetConfig().depth = 3
    assert dataclasses.replace(UNetConfig(), depth=3) == UNetConfig(depth=3)
