"""TileExplorer in JupyterLab: by mouse and keyboard, compared with the plan in the kernel."""

from test_explorers import PAUSE, drag, fact

SOURCE = (
    "from unet_lesson.tile_plan import plan_axis\n"
    "from unet_lesson.widgets import TileExplorer\n"
    "from unet_lesson.widgets.tile_explorer import configuration\n"
    "w = TileExplorer(tile=252)\n"
    "w"
)
PLAN = "[list(part) for part in plan_axis(configuration(w.depth, w.padding), 512, w.tile)]"


def point(explorer, x, y):
    """Page coordinates of a pixel of the image."""
    return explorer.locator("svg").first.evaluate(
        "(svg, [x, y]) => { const p = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM());"
        " return [p.x, p.y]; }",
        [x, y],
    )


def rectangle(explorer, name):
    """[top, bottom, left, right] of a drawn rectangle, in pixels of the image."""
    box = [
        int(explorer.locator(f'[data-tile="{name}"]').get_attribute(side))
        for side in ("x", "y", "width", "height")
    ]
    return [box[1], box[1] + box[3], box[0], box[0] + box[2]]


def same_as_the_plan(lab, explorer):
    """Rectangles and sentences are those of the plan that the kernel makes."""
    plan = lab.python(PLAN)
    row, column = (min(n, len(plan) - 1) for n in lab.python("[w.row, w.column]"))
    down, across = plan[row], plan[column]
    assert rectangle(explorer, "read") == [*down[:2], *across[:2]]
    assert rectangle(explorer, "write") == [*down[2:], *across[2:]]
    facts = lab.python("w.facts()")
    assert fact(explorer, "words") in facts and fact(explorer, "where") in facts
    share = lab.python("format(w.answer['waste'], '.0%')")
    assert explorer.locator('[data-fact="share"]').text_content() == share


def test_the_tile_is_dragged_over_the_image(lab, explorer):
    same_as_the_plan(lab, explorer)
    lab.page.mouse.move(*point(explorer, 10, 10))
    lab.page.mouse.down()
    lab.page.mouse.move(*point(explorer, 200, 100))
    lab.page.mouse.move(*point(explorer, 330, 200))
    lab.page.wait_for_timeout(PAUSE)
    assert rectangle(explorer, "write") == [192, 256, 320, 384]
    assert lab.python("[w.row, w.column]") == [3, 5]
    same_as_the_plan(lab, explorer)
    lab.page.mouse.move(*point(explorer, 600, 511))
    lab.page.mouse.up()
    lab.page.mouse.move(*point(explorer, 10, 10))  # the button is up: nothing follows
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("[w.row, w.column]") == [7, 7]
    assert "96 below" in fact(explorer, "where")
    same_as_the_plan(lab, explorer)


def test_the_sliders_by_mouse(lab, explorer):
    drag(lab, explorer.get_by_label("input tile", exact=True), 1)
    assert lab.python("w.tile") == 700
    assert "one tile covers the image. 0% of the work" in fact(explorer, "words")
    same_as_the_plan(lab, explorer)
    drag(lab, explorer.get_by_label("depth", exact=True), 1 / 3)
    assert lab.python("w.depth") == 2
    drag(lab, explorer.get_by_label("input tile", exact=True), 0.3)
    drag(lab, explorer.get_by_label("row", exact=True), 1)
    same_as_the_plan(lab, explorer)
    explorer.get_by_label("padded").click()
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("w.padding") == 1
    same_as_the_plan(lab, explorer)
    assert "halo 24" in fact(explorer, "words")


def test_by_keyboard_alone(lab, explorer):
    cells = lab.cell_count()
    explorer.get_by_label("input tile", exact=True).focus()
    for key in ["ArrowRight", "ArrowRight"]:
        lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("w.tile") == 284
    explorer.get_by_label("row", exact=True).focus()
    for key in ["ArrowRight", "ArrowRight", "Tab", "Tab", "End", "d", "d"]:
        lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("[w.row, w.column]") == [2, 5]
    same_as_the_plan(lab, explorer)
    explorer.get_by_label("depth", exact=True).focus()
    lab.page.keyboard.press("ArrowLeft")
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("w.depth") == 3
    same_as_the_plan(lab, explorer)
    for target in explorer.locator("input, button").all():
        target.focus()
        for key in ("d", "d", "a", "x", "j", "Escape", "d", "d"):
            lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    assert lab.cell_count() == cells


def test_a_tile_that_does_not_fit_is_red_and_mended_by_a_button(lab, explorer):
    height = explorer.bounding_box()["height"]
    explorer.get_by_label("padded").click()
    explorer.locator("[data-fix]").first.wait_for()
    assert fact(explorer, "problem") in lab.python("w.facts()")
    assert explorer.locator("[data-fix]").all_inner_texts() == ["240", "256"]
    field = explorer.get_by_label("input tile, number")
    field.fill("96")
    lab.page.wait_for_timeout(PAUSE)
    assert "tile 96 is too small for an image of 512 pixels" in fact(explorer, "problem")
    assert explorer.locator("[data-fix]").all_inner_texts() == ["208"]
    assert explorer.bounding_box()["height"] == height
    for theme in ("light", "dark"):
        lab.set_theme(dark=theme == "dark")
        assert lab.axe(".unet-explorer") == []
        lab.screenshot(f"tiles-wrong-{theme}", explorer)
    explorer.get_by_role("button", name="208").click()
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("w.tile") == 208
    same_as_the_plan(lab, explorer)


def test_python_moves_the_view_axe_is_content_and_both_themes_look_right(lab, explorer):
    for number, settings in enumerate(
        ({"tile": 348, "row": 0, "column": 1}, {"tile": 256, "padding": 1, "row": 2, "column": 1})
    ):
        lab.python(f"[w.set_trait(k, v) for k, v in {settings}.items()]")
        lab.page.wait_for_timeout(PAUSE)
        same_as_the_plan(lab, explorer)
        assert explorer.locator("[aria-live]").text_content() in lab.python("w.facts()")
        for theme in ("light", "dark"):
            lab.set_theme(dark=theme == "dark")
            assert lab.axe(".unet-explorer") == []
            lab.screenshot(f"tiles-{number}-{theme}", explorer)
