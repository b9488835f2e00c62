"""What the widgets for practice share: which questions, three faces, words sent both ways."""

from collections import Counter
from html import escape
from pathlib import Path

import traitlets

from unet_lesson.config import check_choice
from unet_lesson.practice.questions import (
    TOPICS,
    bank,
    check_level,
    link,
    notebook_of,
    notebooks,
)
from unet_lesson.widgets.base import Explorer, script

HERE = Path(__file__).parent


def board_script(name):
    """The browser side of one of them: base.js, board.js, then NAME.js of this folder."""
    return script("board", name, folder=HERE)


def chosen(topic=None, level=None, notebook=None, judged=False):
    """The bank's questions of one topic, one level, one notebook; None means all.

    judged: only those with choices or a number, so that an answer can be judged.
    Raises TypeError or ValueError for a topic, a level or a notebook that is none, and if there
    are no such questions.
    """
    check_choice("topic", topic, (None, *TOPICS))
    check_choice("notebook", notebook, (None, *notebooks()))
    check_level(level)
    found = [
        question
        for question in bank()
        if topic in (None, question.topic)
        and level in (None, question.level)
        and notebook in (None, notebook_of(question))
        and (question.choices or question.number or not judged)
    ]
    if not found:
        asked = f"topic {topic!r}, level {level} and notebook {notebook!r}"
        raise ValueError(f"the bank has no such question of {asked}; None means all")
    return found


def counted(words):
    """How often each of `words` comes: "loss 3, metrics 2"."""
    return ", ".join(f"{word} {count}" for word, count in Counter(words).items())


def where(question):
    """Where the notebooks show it: {"href": the link, "text": its words}."""
    notebook, _, heading = question.heading.partition("#")
    text = f"{notebook.partition('_')[0]}, {heading}"
    return {"href": link(question), "text": text}


def folded(summary, *paragraphs):
    """HTML that is read without a kernel: `summary` to click, and what it hides."""
    return f"<details><summary>{escape(summary)}</summary>{''.join(paragraphs)}</details>"


def paragraph(text, lang=None):
    """One paragraph of HTML."""
    return f"<p{f' lang={lang!r}' if lang else ''}>{escape(text)}</p>"


def linked(to):
    """A paragraph with the link that `where` gives."""
    return f'<p>Shown in <a href="{escape(to["href"])}">{escape(to["text"])}</a></p>'


class Board(Explorer):
    """A page that Python fills and the browser draws.

    A subclass sets `_esm = board_script("its_name")`, keeps `page` up to date, and gives `facts()`
    and `html()`, what is read without a kernel. A message {"do": name, ...} from the browser calls
    the method `name` with the rest of the message, if `doing` lists it. `_notice` is the last word
    on the progress file.
    """

    _css = Explorer._css + (HERE / "board.css").read_text("utf-8")
    doing = ()
    page = traitlets.Dict().tag(sync=True)

    def __init__(self):
        super().__init__()
        self._notice = ""
        self.on_msg(self._heed)

    def _say(self, sentence):
        self._notice = sentence

    def _heed(self, _, message, __):
        given = dict(message)
        name = given.pop("do", None)
        try:
            if name in self.doing:
                getattr(self, name)(**given)
        finally:  # else the browser would wait for ever
            self.send({"done": name})

    def html(self):
        """The questions with their answers folded away."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super(Explorer, self)._repr_mimebundle_(**kwargs)
        return {**data, "text/plain": self.facts(), "text/html": self.html()}, metadata
