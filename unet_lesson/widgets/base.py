"""What every explorer shares: three faces, one script prelude, one style sheet."""

from io import BytesIO
from pathlib import Path

import anywidget
import matplotlib.pyplot as plt

HERE = Path(__file__).parent


def script(*names, folder=HERE):
    """The browser side of an explorer: the prelude base.js, then each NAME.js of `folder`."""
    files = [HERE / "base.js", *(folder / f"{name}.js" for name in names)]
    return "".join(file.read_text("utf-8") for file in files)


class Explorer(anywidget.AnyWidget):
    """A live picture with a still picture and a sentence behind it.

    A subclass sets `_esm = script("its_name")` and gives `facts()`, the sentence that stands
    for the picture in plain text, and `picture()`, a matplotlib figure on white. JupyterLab
    shows the live view; a fresh clone, GitHub and a print show the still picture.
    """

    _css = (HERE / "base.css").read_text("utf-8")

    def facts(self):
        """One stable sentence that says what the explorer shows."""
        raise NotImplementedError

    def picture(self):
        """The still picture: a matplotlib figure on opaque white."""
        raise NotImplementedError

    def __repr__(self):
        return self.facts()

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        figure = self.picture()
        png = BytesIO()
        figure.savefig(png, format="png", dpi=100, facecolor="white", metadata={"Software": None})
        plt.close(figure)
        return {**data, "text/plain": self.facts(), "image/png": png.getvalue()}, metadata
