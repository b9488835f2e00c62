"""Watch a training: the loss, the score and the prediction after each epoch."""

from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import traitlets

from unet_lesson.figures import BLUE, INK, ORANGE, errors
from unet_lesson.widgets.base import Explorer, script


class TrainingMonitor(Explorer):
    """Give it to `fit` as `on_epoch`: the picture follows the training.

    image: (H, W) floats that are not trained on. labels: (H, W) instance labels.
    Raises ValueError if the two differ in size.
    """

    _esm = script("training_monitor")
    png = traitlets.Bytes().tag(sync=True)
    words = traitlets.Unicode().tag(sync=True)

    def __init__(self, image, labels):
        self.image, self.target = image, np.asarray(labels) > 0
        self.mask, self.history = np.zeros_like(self.target), []
        super().__init__()
        self.send()

    def __call__(self, history, network):
        """Take the history of `fit` and the network as it is now."""
        from unet_lesson.tiling import predict

        self.history = list(history)
        self.mask = predict(network, self.image)[1] > 0.5
        self.send()

    def send(self):
        """Draw the picture and send it to the browser."""
        png, figure = BytesIO(), self.picture()
        figure.savefig(png, format="png", dpi=80, facecolor="white", metadata={"Software": None})
        plt.close(figure)
        self.png, self.words = png.getvalue(), self.facts()

    def facts(self):
        if not self.history:
            return "Training monitor: no epoch yet."
        row = self.history[-1]
        scores = f", object F1 {row['f1_50']:.2f}" if "f1_50" in row else ""
        return f"Epoch {row['epoch']}: loss {row['loss']:.3f}{scores}."

    def picture(self):
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), facecolor="white")
        epochs = [row["epoch"] for row in self.history]
        left.plot(epochs, [row["loss"] for row in self.history], color=BLUE, label="loss")
        scores = [row.get("f1_50", np.nan) for row in self.history]
        left.plot(epochs, scores, "o--", color=ORANGE, label="object F1, new images")
        left.set(xlabel="epoch", ylim=(0, 1.2), xlim=(0, max([10, *epochs])))
        left.legend(loc="upper right", fontsize=9)
        right.imshow(errors(self.image, self.mask, self.target))
        right.set_title("blue hit, orange missed, red-purple false", fontsize=10, color=INK)
        right.set_axis_off()
        figure.tight_layout()
        return figure
