"""The still pictures refuse what they cannot draw; what they draw is tested with the explorers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from unet_lesson import figures

MAP = np.zeros((4, 6))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: figures.u_shape(None, 572, 572), TypeError, "config must be a UNetConfig"),
        (lambda: figures.image_row([], []), ValueError, "0 images, 0 titles"),
        (lambda: figures.image_row([MAP], ["a", "b"]), ValueError, "1 images, 2 titles"),
        (lambda: figures.image_row([MAP[None]], ["a"]), ValueError, r"\(H, W\), not \(1, 4, 6\)"),
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
