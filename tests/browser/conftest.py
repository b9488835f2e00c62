"""JupyterLab in a real browser, for the tests in this folder.

The `lab` fixture is one object; `lab.page` is Playwright's page (sync API), with a notebook in it:

    def test_slider(lab):
        lab.open_notebook(["from unet_lesson.widgets import ShapeExplorer", "ShapeExplorer()"])
        explorer = lab.page.locator(".unet-explorer")
        explorer.get_by_label("height").first.fill("300")
        assert lab.axe(".unet-explorer") == []
        lab.set_theme(dark=True)
        lab.screenshot("shapes-dark", explorer)

`open_notebook` takes code cells (a list of sources) or the name of a notebook in `lab.folder`, a
copy of notebooks/ made at the start. It returns when every cell has run, and fails when one raised
without the tag `raises-exception`; with `run=False` it only opens. `lab.python(expression)` gives
the value of a Python expression in the notebook's kernel, `lab.cell_count()` the number of cells.
After each test the notebook is closed, its kernel shut down, and the test fails if the console
showed an error (`lab.errors`) or a request went to another host (`lab.outside`).
"""

import ast
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SCREENSHOTS = Path(__file__).parent / "screenshots"
QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
QUIET += " --disable-background-networking --disable-component-update"
# JupyterLab's own, when a notebook closes before its debugger has asked the kernel for its state.
NOISE = "Could not restore the debugger state: Canceled future"
SETTLED = 300  # milliseconds: a theme's colours fade in, a cell scrolled to is drawn late

# JupyterLab's body is 0 pixels high and it draws a cell only once it is in view. axe-core takes all
# this for hidden and would judge no contrast; so `axe` mends it and scrolls to each element.
VISIBLE = "body { height: 100vh } .jp-Cell { content-visibility: visible !important }"

# What the page knows of the notebook in front; window.jupyterapp is there by expose_app_in_browser.
CELLS = """() => window.jupyterapp.shell.currentWidget.content.widgets.map(({model}) => {
    const cell = model.toJSON();
    return {...cell, tags: cell.metadata.tags ?? [], outputs: cell.outputs ?? []};
})"""
READY = """(path) => {
    const panel = window.jupyterapp.shell.currentWidget;
    return panel?.context?.path === path && panel.context.isReady
        && panel.sessionContext.session?.kernel?.status === "idle";
}"""
# The command ends at the first error, an intended one too. The kernel works through its requests in
# order, so an empty one behind the cells is answered when the last cell has run.
RUN_ALL = """() => {
    const {commands, shell} = window.jupyterapp;
    const kernel = shell.currentWidget.sessionContext.session.kernel;
    window.allRan = false;
    commands.execute("notebook:run-all-cells")
        .catch(() => {})
        .then(() => kernel.requestExecute({code: ""}).done)
        .then(() => { window.allRan = true; });
}"""
ASK = """async (expression) => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const future = kernel.requestExecute(
        {code: "", silent: false, store_history: false, user_expressions: {it: expression}});
    return (await future.done).content.user_expressions.it;
}"""
CLOSE_ALL = """async () => {
    const {shell, serviceManager} = window.jupyterapp;
    for (const widget of [...shell.widgets("main")]) {
        if (widget.context) widget.context.model.dirty = false;
        widget.close();
    }
    await serviceManager.sessions.shutdownAll();
}"""


class Lab:
    """One JupyterLab page and what a test does with it."""

    def __init__(self, page, address, folder):
        self.page, self.address, self.folder = page, address, folder
        self.errors, self.outside = [], []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._see(request.url))
        page.on("websocket", lambda socket: self._see(socket.url))

    def _hear(self, message):
        if message.type == "error" and not message.text.startswith(NOISE):
            self.errors.append(message.text)

    def _see(self, url):
        if urlsplit(url).hostname not in (None, "127.0.0.1", "localhost"):  # None: data: and blob:
            self.outside.append(url)

    def _command(self, name, **given):
        execute = "([name, given]) => void window.jupyterapp.commands.execute(name, given)"
        self.page.evaluate(execute, [name, given])

    def open_notebook(self, name_or_cells, theme="light", run=True, seconds=180):
        """Open a notebook by name, or a new one with these code cells, and run it to the end."""
        name = name_or_cells
        if not isinstance(name, str):
            name = f"scratch{len(list(self.folder.glob('scratch*')))}.ipynb"
            cells = [nbformat.v4.new_code_cell(source) for source in name_or_cells]
            kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
            notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
            nbformat.write(notebook, self.folder / name)
        self.set_theme(theme == "dark")
        self._command("docmanager:open", path=name)
        self.page.wait_for_function(READY, arg=name, timeout=60_000)
        if run:
            self.run_all(seconds)

    def run_all(self, seconds=180):
        """Run every cell; fail if one raised without its tag, or if it takes too long."""
        self.page.evaluate(RUN_ALL)
        self.page.wait_for_function("() => window.allRan", timeout=1000 * seconds)
        for cell in self.cells():
            wrong = [o for o in cell["outputs"] if o["output_type"] == "error"]
            if wrong and "raises-exception" not in cell["tags"]:
                pytest.fail("\n".join([cell["source"], *wrong[0]["traceback"]]), pytrace=False)
            if cell["source"].strip() and cell.get("execution_count", 1) is None:
                pytest.fail("This cell was not run:\n" + cell["source"], pytrace=False)

    def cells(self):
        """The cells as nbformat dictionaries, each with its `tags` and `outputs`."""
        return self.page.evaluate(CELLS)

    def cell_count(self):
        return len(self.cells())

    def python(self, expression):
        """The value of a Python expression in the kernel (anything with a literal repr)."""
        answer = self.page.evaluate(ASK, expression)
        assert answer["status"] == "ok", answer
        return ast.literal_eval(answer["data"]["text/plain"])

    def axe(self, selector):
        """What axe-core finds wrong inside `selector`, one line for each finding."""
        self.page.locator(selector).first.wait_for()
        style, found = self.page.add_style_tag(content=VISIBLE), []
        for element in self.page.locator(selector).all():
            element.scroll_into_view_if_needed()
            element.evaluate("(it) => { it.dataset.axe = ''; }")
            found += Axe().run(self.page, context="[data-axe]").response["violations"]
            element.evaluate("(it) => { delete it.dataset.axe; }")
        style.evaluate("(it) => it.remove()")
        return [f"{v['id']}: {node['html']}" for v in found for node in v["nodes"]]

    def set_theme(self, dark):
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        self._command("apputils:change-theme", theme=theme)
        self.page.wait_for_selector(f'[data-jp-theme-name="{theme}"]', state="attached")
        self.page.wait_for_timeout(SETTLED)

    def screenshot(self, name, target=None):
        """Write screenshots/NAME.png, of the page or of one locator."""
        self.page.wait_for_timeout(SETTLED)
        (target or self.page).screenshot(path=SCREENSHOTS / f"{name}.png")


def _chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.fail("No chromium found. Install it (Debian: apt-get install chromium) and run again.")


def _settings(home):
    """A Jupyter of its own: no token, no news, no update check, nothing of the user's."""
    lab = {"expose_app_in_browser": True, "open_browser": False, "extension_manager": "readonly"}
    server = {"ip": "127.0.0.1", "port_retries": 0, "allow_root": True}
    files = {
        "jupyter_lab_config.json": {"LabApp": lab},
        "jupyter_server_config.json": {"ServerApp": server, "IdentityProvider": {"token": ""}},
        "labconfig/page_config.json": {
            "disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}
        },
    }
    for name, content in files.items():
        path = home / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "IPYTHON"))}
    folders = {f"JUPYTER_{k}_DIR": str(home / k.lower()) for k in ("CONFIG", "DATA", "RUNTIME")}
    return {**ours, **folders, "IPYTHONDIR": str(home / "ipython")}


def _wait_for(port, server, log):
    for _ in range(600):
        if server.poll() is not None:
            break
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A JupyterLab of this Python on a copy of notebooks/: its address and that folder."""
    home = tmp_path_factory.mktemp("jupyter")
    folder, log = home / "notebooks", home / "log.txt"
    shutil.copytree(NOTEBOOKS, folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", f"--port={port}", f"--notebook-dir={folder}"]
    with log.open("w") as out:
        process = subprocess.Popen(command, env=_settings(home), stdout=out, stderr=out)
    try:
        _wait_for(port, process, log)
        yield f"http://127.0.0.1:{port}", folder
    finally:
        process.terminate()  # JupyterLab then shuts its kernels down
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()  # a kernel ends when its parent is gone


@pytest.fixture(scope="session")
def opened(server):
    """The one page that all tests share."""
    address, folder = server
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=QUIET.split())
        lab = Lab(browser.new_page(viewport={"width": 1280, "height": 1000}), address, folder)
        lab.page.goto(address + "/lab")
        lab.page.wait_for_selector("#jp-main-dock-panel", timeout=60_000)
        yield lab
        browser.close()


@pytest.fixture
def lab(opened):
    opened.errors, opened.outside = [], []
    yield opened
    opened.page.evaluate(CLOSE_ALL)
    assert opened.outside == [], "requests left the machine"
    assert opened.errors == [], "the console showed errors"


@pytest.fixture
def explorer(lab, request):
    """The explorer that the test file's SOURCE makes and calls `w`, in sight."""
    lab.open_notebook([request.module.SOURCE, "1"])
    root = lab.page.locator(".unet-explorer")
    root.wait_for()
    root.scroll_into_view_if_needed()
    return root
