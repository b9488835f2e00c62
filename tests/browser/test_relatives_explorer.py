"""RelativesExplorer in JupyterLab: by mouse and keyboard, what is drawn compared with Python."""

import pytest
from test_explorers import PAUSE, fact

SOURCE = (
    "from unet_lesson.relatives_data import relative\n"
    "from unet_lesson.widgets import RelativesExplorer\n"
    "w = RelativesExplorer()\n"
    "w"
)
NODES = "sorted((n.name, n.colour) for n in relative(w.name).nodes.values())"
EDGES = "sorted((e.kind, e.start, e.end, e.colour) for e in relative(w.name).edges)"

COUNT_FADES = """() => {
    window.fades = 0;
    const animate = Element.prototype.animate;
    Element.prototype.animate = function (...given) {
        window.fades += 1;
        return animate.apply(this, given);
    };
}"""


@pytest.fixture
def explorer(lab):
    lab.open_notebook([SOURCE, "RelativesExplorer('fcn')"])
    root = lab.page.locator(".unet-explorer").first
    root.wait_for()
    root.scroll_into_view_if_needed()
    return root


def drawn(explorer, *names):
    """These data attributes of all nodes or edges in the picture, sorted."""
    read = "(all, names) => all.map(one => names.map(name => one.dataset[name]))"
    found = explorer.locator(f"[data-picture] [data-{names[0]}]").evaluate_all(read, list(names))
    return sorted(map(tuple, found))


def same_as_python(lab, explorer):
    """Boxes, arrows and words are those of the kernel's relative."""
    assert drawn(explorer, "node", "colour") == lab.python(NODES)
    assert drawn(explorer, "edge", "from", "to", "colour") == lab.python(EDGES)
    assert fact(explorer, "sentence") == lab.python("relative(w.name).sentence")
    assert fact(explorer, "crosses") in lab.python("w.facts()")
    title = lab.python("f'{relative(w.name).title} ({relative(w.name).year})'")
    assert explorer.locator("svg text").first.text_content() == title
    pressed = explorer.locator("button[aria-pressed=true]").all()
    assert [b.get_attribute("data-name") for b in pressed] == [lab.python("w.name")]


def test_by_mouse_a_press_changes_the_picture_and_a_hidden_name_can_be_guessed(lab, explorer):
    height = explorer.bounding_box()["height"]
    same_as_python(lab, explorer)
    lab.page.evaluate(COUNT_FADES)
    for name, motion in (("segnet", "no-preference"), ("unetpp", "reduce")):
        lab.page.emulate_media(reduced_motion=motion)
        explorer.locator(f"[data-name={name}]").click()
        lab.page.wait_for_timeout(PAUSE)
        assert (lab.page.evaluate("window.fades") > 0) == (motion != "reduce")
        lab.page.evaluate("window.fades = 0")
        assert lab.python("w.name") == name
        same_as_python(lab, explorer)
    lab.page.emulate_media(reduced_motion="no-preference")
    explorer.get_by_role("button", name="hide the name").click()
    lab.page.wait_for_timeout(PAUSE)
    answer = lab.python("w.name")
    assert answer != "unetpp"
    assert drawn(explorer, "node", "colour") == lab.python(NODES)
    title = lab.python("relative(w.name).title")
    assert title not in explorer.locator("svg").evaluate("(svg) => svg.outerHTML")
    assert explorer.locator("[data-fact=sentence], [aria-pressed=true]").count() == 0
    explorer.locator("[data-name=unetpp]").click()
    assert fact(explorer, "verdict") == "No. " + lab.python("relative('unetpp').sentence")
    assert explorer.locator("[data-fact=sentence]").count() == 0
    explorer.locator(f"[data-name={answer}]").click()
    lab.page.wait_for_timeout(PAUSE)
    assert fact(explorer, "verdict") == f"Right, this is {title}."
    same_as_python(lab, explorer)
    assert explorer.bounding_box()["height"] == height


def test_by_keyboard_alone(lab, explorer):
    cells = lab.cell_count()
    explorer.locator("[data-name=fcn]").focus()
    for key in ("Tab", "Tab", "Enter", "Tab", "Space", "d", "d"):  # SegNet, then 3D U-Net
        lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("w.name") == "vnet"
    same_as_python(lab, explorer)
    explorer.get_by_role("button", name="hide the name").focus()
    lab.page.keyboard.press("Enter")
    lab.page.wait_for_timeout(PAUSE)  # the kernel has heard which name is hidden
    lab.page.keyboard.press("Enter")
    lab.page.wait_for_timeout(PAUSE)
    assert fact(explorer, "verdict") == lab.python("f'It is {relative(w.name).title}.'")
    same_as_python(lab, explorer)
    for key in ("d", "d", "a", "x", "j", "Escape", "d", "d"):
        lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    assert lab.cell_count() == cells


def test_python_moves_the_view_axe_is_content_and_both_themes_look_right(lab, explorer):
    lab.python("w.set_trait('name', 'attention')")
    lab.page.wait_for_timeout(PAUSE)
    same_as_python(lab, explorer)
    spoken = explorer.locator("[aria-live]").text_content()
    assert spoken.startswith("Attention U-Net. Attention U-Net puts a gate on each skip")
    ids = lab.page.locator(".unet-explorer [id]").evaluate_all("(all) => all.map(one => one.id)")
    assert len(set(ids)) == len(ids), "two explorers share an id"
    for theme in ("light", "dark"):
        lab.set_theme(dark=theme == "dark")
        assert lab.axe(".unet-explorer") == []
        lab.screenshot(f"relatives-{theme}", explorer)
