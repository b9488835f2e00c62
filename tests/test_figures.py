"""The still pictures refuse what they cannot draw; what they draw is tested with the explorers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from unet_lesson import figures

MAP = np.zeros((4, 6))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: figures.u_shape(None, 572, 572), TypeError, "config must be a UNetConfig"),
        (lambda: figures.image_row([], []), ValueError, "0 images, 0 titles"),
        (lambda: figures.image_row([MAP], ["a", "b"]), ValueError, "1 images, 2 titles"),
        (lambda: figures.image_row([MAP[None]], ["a"]), ValueError, r"in colour, not \(1, 4, 6\)"),
        (lambda: figures.overlay(MAP, MAP[1:]), ValueError, r"alike, not \(4, 6\), \(3, 6\)"),
        (lambda: figures.errors(MAP, MAP, MAP[:, 1:]), ValueError, r"not \(4, 6\), \(4, 5\)"),
        (lambda: figures.overlay(MAP[None], MAP[None]), ValueError, r"not \(1, 4, 6\)"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_image_row_takes_arrays_tensors_and_lists():
    row = [MAP, torch.ones(3, 3, requires_grad=True), [[1, 2], [3, 4]]]
    figure = figures.image_row(row, ["a", "b", "c"], numbers=True)
    shown = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert [len(texts) for texts in shown] == [24, 9, 4]
    assert shown[2] == ["1", "2", "3", "4"]
    plt.close(figure)


def test_overlay_tints_objects_outlines_them_and_leaves_the_rest_grey():
    labels = np.zeros((9, 12), int)
    labels[2:7, 1:6], labels[2:7, 6:11] = 1, 2  # they touch
    picture = figures.overlay(np.linspace(0, 1, 108).reshape(9, 12), labels)
    assert picture.shape == (9, 12, 3) and 0 <= picture.min() and picture.max() <= 1
    grey = np.ptp(picture, axis=2) < 1e-9
    assert np.array_equal(grey, labels == 0)
    assert not np.allclose(picture[4, 5], picture[4, 6]), "the two objects can be told apart"
    assert not np.allclose(picture[4, 1], picture[4, 3]), "the outline is not the tint"


def test_errors_has_a_colour_of_its_own_for_each_case():
    prediction, target = torch.tensor([[0, 1], [1, 0]]), torch.tensor([[0, 1], [0, 1]])
    picture = figures.errors(torch.zeros(2, 2), prediction, target)
    for at, colour in {(0, 1): figures.SKY, (1, 1): figures.ORANGE, (1, 0): figures.PURPLE}.items():
        np.testing.assert_allclose(picture[at], 0.6 * np.array(to_rgb(colour)))
    assert picture[0, 0].tolist() == [0, 0, 0]
