"""The recall edition of notebooks 01 to 08: `python -m unet_lesson.practice.recall OUT`.

Their headings, and the cells that build a thing, use it first, or are needed for that; no prose.
In what is built there are blanks: single expressions in OUT/level-1, every second line in
OUT/level-2, whole bodies in OUT/level-3. A blank is `blank(3)`: you write what belongs there. As
long as it stands, the cells that need it say so and the notebook runs on.
"""

import argparse
import ast
import json
import os
import re
from contextlib import contextmanager
from html import escape
from pathlib import Path
from symtable import symtable

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LEVELS = 1, 2, 3
BUILT = {  # what a reader should be able to write again
    "01_double_conv": ("convolve", "DoubleConv"),
    "02_contracting_path": ("ContractingPath",),
    "03_expansive_path": ("UpBlock", "ExpansivePath"),
    "04_full_network": ("UNet", "table"),
    "05_data": ("best_threshold", "two_classes", "two_distances", "warp"),
    "06_loss_and_metrics": ("cross_entropy", "soft_dice", "pairs", "rand_error"),
    "07_training": ("my_crop", "my_step"),
    "08_overlap_tile": ("mirrored", "read", "whole", "tiled", "windows", "bell", "sliding_window"),
}
BLANK = re.compile(r"\bblank\((\d+)\)")
BEGIN = "from unet_lesson.practice.recall import begin, blank\n\nbegin(get_ipython())"


# ---- in the notebook --------------------------------------------------------------------------


class NotFilled(Exception):
    """A blank was reached that still stands."""


def blank(number):
    """Stands where you write; raises NotFilled."""
    raise NotFilled(number)


def begin(shell):
    """From the next cell on, a blank that still stands is a sentence and not an error.

    The notebook then runs in the folder of ours, where the small files lie that some cells read.
    """
    os.chdir(NOTEBOOKS)
    waiting = set()  # names that cells which were stopped by a blank would have given
    shell.user_ns["_recall_cell"] = lambda blanks, names: _cell(blanks, names, waiting)
    shell.ast_transformers[:] = [t for t in shell.ast_transformers if not isinstance(t, _Guard)]
    shell.ast_transformers.append(_Guard())


class _Guard(ast.NodeTransformer):
    """Puts the whole cell into `with _recall_cell(its blanks, the names it gives):`."""

    def visit_Module(self, tree):
        blanks = [int(number) for number in BLANK.findall(ast.unparse(tree))]
        guard = ast.parse(f"with _recall_cell({blanks}, {sorted(_given(tree))}): pass")
        if tree.body:
            if isinstance(last := tree.body[-1], ast.Expr):  # shown under the cell, as always
                show = ast.parse("__import__('sys').displayhook(0)", mode="eval").body
                show.args[0], last.value = last.value, show
            guard.body[0].body = tree.body
        tree.body = guard.body
        return ast.fix_missing_locations(tree)


def _given(tree):
    """The names that a cell stores or defines, those inside its functions too."""
    nodes = list(ast.walk(tree))
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stored | {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}


@contextmanager
def _cell(blanks, names, waiting):
    if blanks:
        print(f"not filled yet: blank {', '.join(map(str, blanks))}")
    try:
        yield
        waiting.difference_update(names)
    except NotFilled as missing:
        waiting.update(names)
        print(f"stopped here: blank {missing} is needed and not filled yet")
    except NameError as error:
        if error.name not in waiting:
            raise
        waiting.update(names)
        print(f"stopped here: {error.name} is needed, and it waits for a blank")


# ---- the blanks -------------------------------------------------------------------------------


def with_blanks(source, names, level, first=1):
    """Replace parts of the functions and classes called `names` by `blank(first)` and so on.

    -> (the text with the blanks, what belongs in each). level: 1 for single expressions, 2 for
    every second line, 3 for whole bodies.
    """
    text = source.encode()  # ast counts columns in bytes
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    places = []
    for function in _functions(ast.parse(source), names):
        for begin, end in _places(function, level):
            start = starts[begin.lineno - 1] + begin.col_offset
            places.append((start, starts[end.end_lineno - 1] + end.end_col_offset))
    places.sort()
    solutions = [text[start:end].decode() for start, end in places]
    for number, (start, end) in reversed(list(enumerate(places, first))):
        text = text[:start] + f"blank({number})".encode() + text[end:]
    return text.decode(), solutions


def filled(text, solutions, first=1):
    """The text with the solutions put back."""
    return BLANK.sub(lambda found: solutions[int(found[1]) - first], text)


def _functions(tree, names):
    """The functions of these names, and the methods of the classes of these names."""
    found = []
    for node in tree.body:
        if getattr(node, "name", None) in names:
            inside = node.body if isinstance(node, ast.ClassDef) else [node]
            found += [function for function in inside if isinstance(function, ast.FunctionDef)]
    return found


def _places(function, level):
    """(first node, last node) of each blank of a function."""
    if level == 3:
        return [(function.body[0], function.body[-1])]
    statements = [s for s in ast.walk(function) if isinstance(s, ast.stmt) and s is not function]
    statements = [s for s in statements if "super().__init__" not in ast.unparse(s)]
    if level == 2:
        lines = sorted((s for s in statements if not hasattr(s, "body")), key=lambda s: s.lineno)
        return [(line, line) for line in lines[::-2]]  # the last one is always among them
    chosen = [_expression(statement) for statement in statements]
    return [(expression, expression) for expression in chosen if expression]


def _expression(statement):
    """The expression of a statement that is asked for: arithmetic, or an inner call, or all."""
    whole = getattr(
        statement, "value", getattr(statement, "iter", getattr(statement, "test", None))
    )
    if whole is None or isinstance(whole, ast.Name | ast.Constant):
        return None
    strings = [node for node in ast.walk(whole) if isinstance(node, ast.JoinedStr)]
    hidden = {inner for string in strings for inner in ast.walk(string)}
    nodes = [node for node in ast.walk(whole) if node not in hidden]
    sums = [node for node in nodes if isinstance(node, ast.BinOp)]
    inner = [node for node in nodes[1:] if isinstance(node, ast.Call | ast.Subscript)]
    return [*sums, *inner, whole][0]


# ---- the notebooks ----------------------------------------------------------------------------


def recall(notebook, names, level, solved=False):
    """The recall edition of a notebook (a dict, as in its file) at a level, as such a dict."""
    cells = _before_play(notebook["cells"])
    kept = _kept(cells, names)
    built = _builders(cells, names)
    result, heading, first = [_code("begin", BEGIN)], None, 1
    for place, cell in enumerate(cells):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = next(iter(re.findall(r"^#+ .+", source, re.M)), heading)
        if place not in kept:
            continue
        if heading:
            result.append(_markdown(f"heading-{cell['id']}", heading))
            heading = None
        blanks, solutions = with_blanks(source, names if place in built else (), level, first)
        text = filled(blanks, solutions, first) if solved else blanks
        result.append(_code(cell["id"], text, cell["metadata"]))
        first += len(solutions)
        if solutions:
            result.append(_folded(f"solution-{cell['id']}", "Solution", source))
        if printed := _printed(cell):
            result.append(_folded(f"printed-{cell['id']}", "It should print", printed))
    return notebook | {"cells": result}


def _before_play(cells):
    """All cells before the explorers and exercises at the end of the notebook."""
    sources = ["".join(cell["source"]) for cell in cells]
    return cells[
        : next(i for i, source in enumerate(sources) if re.search("^## Play", source, re.M))
    ]


def _builders(cells, names):
    """The places of the cells that define one of these names."""
    return {
        place
        for place, cell in enumerate(cells)
        if cell["cell_type"] == "code" and _functions(ast.parse("".join(cell["source"])), names)
    }


def _kept(cells, names):
    """The places of what is built, of each one's first use, and of all that these need."""
    code = {i: _needs_and_gives(c) for i, c in enumerate(cells) if c["cell_type"] == "code"}
    todo = _builders(cells, names)
    for builder in sorted(todo):
        mine = code[builder][1] & set(names)
        todo |= set([i for i in code if i > builder and code[i][0] & mine][:1])
    kept = set()
    while todo:
        place = todo.pop()
        kept.add(place)
        for name in code[place][0]:
            earlier = [i for i in code if i < place and name in code[i][1]]
            todo |= set(earlier[-1:]) - kept
    return kept


def _needs_and_gives(cell):
    """(names that a code cell needs from earlier ones, names that it gives)."""
    needs, gives = set(), set()
    for line in _in_a_row(ast.parse("".join(cell["source"])).body):
        table = symtable(line, "cell", "exec")
        needs |= _global_names(table) - gives
        gives |= {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    return needs, gives


def _in_a_row(statements):
    """The statements as text, in the order in which they run: what is inside, after its head."""
    for statement in statements:
        match statement:
            case ast.For():
                yield f"{ast.unparse(statement.target)} = {ast.unparse(statement.iter)}"
            case ast.With():
                for item in statement.items:
                    parts = filter(None, (item.optional_vars, item.context_expr))
                    yield " = ".join(map(ast.unparse, parts))
            case ast.If():
                yield ast.unparse(statement.test)
            case _:
                yield ast.unparse(statement)
                continue
        yield from _in_a_row([*statement.body, *getattr(statement, "orelse", [])])


def _global_names(table):
    """The names that a scope and those inside it read from the notebook."""
    outermost = table.get_type() == "module"
    names = {
        s.get_name()
        for s in table.get_symbols()
        if s.is_referenced() and (outermost or s.is_global())
    }
    return names.union(*map(_global_names, table.get_children()))


def _printed(cell):
    texts = [o["text"] for o in cell["outputs"] if o["output_type"] == "stream"]
    return "".join("".join(text) for text in texts)


def _folded(name, title, text):
    return _markdown(
        name, f"<details><summary>{title}</summary>\n\n<pre>{escape(text)}</pre>\n\n</details>"
    )


def _markdown(name, text):
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}


def _code(name, text, metadata=None):
    empty = {"execution_count": None, "outputs": []}
    return {"cell_type": "code", "id": name, "metadata": metadata or {}, "source": text} | empty


def read(name):
    """One of our notebooks, as a dict.

    Raises FileNotFoundError where there are none, as in an installed package.
    """
    path = NOTEBOOKS / f"{name}.ipynb"
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path}: make the recall edition in a copy of the repository"
        )
    return json.loads(path.read_text("utf-8"))


def main(arguments=None):
    """The command line; see the top of this file."""
    parser = argparse.ArgumentParser(prog="python -m unet_lesson.practice.recall")
    parser.add_argument("out", type=Path, help="the folder to write to; it is made if need be")
    parser.add_argument("--solved", action="store_true", help="with the solutions put back")
    chosen = parser.parse_args(arguments)
    for level in LEVELS:
        folder = chosen.out / f"level-{level}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, built in BUILT.items():
            edition = recall(read(name), built, level, chosen.solved)
            text = json.dumps(edition, indent=1, ensure_ascii=False) + "\n"
            (folder / f"{name}.ipynb").write_text(text, "utf-8")
    print(f"{len(BUILT)} notebooks at {len(LEVELS)} levels in {chosen.out}")


if __name__ == "__main__":
    main()
