"""ShapeExplorer in JupyterLab: by mouse and keyboard, everything shown compared with the oracle."""

from itertools import combinations

import pytest

from unet_lesson import UNetConfig, figures, shapes

SOURCE = (
    "from unet_lesson import UNetConfig\n"
    "from unet_lesson.widgets import ShapeExplorer\n"
    "explorer = ShapeExplorer()\n"
    "explorer"
)
PAUSE = 700  # milliseconds: the kernel is told, and the label renewed, after a pause

# All texts of the explorer, and the boxes of the texts of the picture.
LOOK = """(root) => {
    const texts = (key) => Object.fromEntries([...root.querySelectorAll(`[data-${key}]`)]
        .map((it) => [it.dataset[key], (it.querySelector("text") ?? it).textContent]));
    const seen = [...root.querySelectorAll("svg text")].filter((it) => it.textContent);
    return {
        maps: texts("map"), crops: texts("crop"), totals: texts("total"), notes: texts("note"),
        states: Object.fromEntries([...root.querySelectorAll("[data-map]")]
            .map((it) => [it.dataset.map, it.dataset.state])),
        refusals: [...root.querySelectorAll(".unet-wrong")].map((it) => it.textContent)
            .filter((text) => text),
        buttons: [...root.querySelectorAll("button")].filter((it) => it.offsetParent)
            .map((it) => it.getAttribute("aria-label")),
        frame: root.querySelector("svg").getBoundingClientRect().toJSON(),
        boxes: seen.map((it) => [it.textContent, it.getBoundingClientRect().toJSON()]),
        tall: root.getBoundingClientRect().height,
    };
}"""

# Pictures drawn while dragging: how often the size beside the input map changed, and the seconds.
COUNT = """(root) => {
    const marks = window.unetMarks = [];
    const text = root.querySelector('[data-map="input"] text');
    new MutationObserver(() => marks.push(performance.now())).observe(text, {childList: true});
}"""
MOUSE_SPEED = (
    "() => [window.unetMarks.length - 1, (window.unetMarks.at(-1) - window.unetMarks[0]) / 1000]"
)

# Pictures a second when the slider moves before each repaint; the mouse of a test is slower.
SLIDER_SPEED = """async (slider) => {
    const repaint = () => new Promise(requestAnimationFrame);
    await repaint();
    const start = performance.now();
    for (let i = 0; i < 120; i++) {
        slider.value = 400 + i;
        slider.dispatchEvent(new Event("input"));
        await repaint();
    }
    return 120_000 / (performance.now() - start);
}"""


@pytest.fixture
def explorer(lab):
    lab.open_notebook([SOURCE, "1 + 1"])
    root = lab.page.locator(".unet-explorer")
    root.wait_for()
    root.scroll_into_view_if_needed()
    return root


def set_from_python(lab, **traits):
    for name, value in traits.items():
        lab.python(f"setattr(explorer, {name!r}, {value!r})")
    lab.page.wait_for_timeout(PAUSE)


def one_decimal(bytes_):
    tenths = (bytes_ * 20 + 2**20) // 2**21  # MiB, halves rounded up
    return f"{tenths // 10:,}.{tenths % 10} MiB"


def compare_with_oracle(explorer, config, height, width):
    """Every map, crop, refusal, button and total that is shown, against `shapes`."""
    shown = explorer.evaluate(LOOK)
    vertical = shapes.axis_sizes(config, height, "height")
    horizontal = shapes.axis_sizes(config, width, "width")
    wanted = {"input": (config.in_channels, height, width)}
    down = zip(config.channels, vertical.contracting, horizontal.contracting, strict=False)
    for level, shape in enumerate(down, 1):
        wanted["bottom" if level > config.depth else f"contracting-{level}"] = shape
    up = zip(vertical.upsampled, horizontal.upsampled, strict=False)
    after = zip(vertical.expansive, horizontal.expansive, strict=False)
    for i, (joined, size) in enumerate(zip(up, after, strict=True)):
        level = config.depth - i
        wanted[f"up-{level}"] = (config.channels[level - 1], *joined)
        wanted[f"expansive-{level}"] = (config.channels[level - 1], *size)
    refusals = []
    for size in ((height, None), (None, width)):
        legal = shapes.nearest_legal(config, max(height, width))[1]
        try:
            shapes.output_size(config, *(legal if n is None else n for n in size))
        except ValueError as error:
            refusals.append(str(error))
    if not refusals:
        wanted["output"] = (config.num_classes, *shapes.output_size(config, height, width))
    drawn = {name: text for name, text in shown["maps"].items() if not name.startswith("pool")}
    assert {k: v for k, v in drawn.items() if v and v != "does not fit"} == {
        name: " x ".join(map(str, shape)) for name, shape in wanted.items()
    }
    assert shown["refusals"] == refusals
    assert list(shown["states"].values()).count("fails") == bool(refusals)
    crops = shapes.crop_margins(config)[::-1]
    assert shown["crops"] == {
        str(level): f"crop {crop}" if crop else "copy" for level, crop in enumerate(crops, 1)
    }
    compare_totals(shown, config, height, width, refusals)
    assert figures.UP_TEXT[config.up] in [text for text, _ in shown["boxes"]]
    nothing_overlaps(shown)
    return shown


def compare_totals(shown, config, height, width, refusals):
    totals, field = shown["totals"], shapes.receptive_field(config)
    assert totals["parameters"] == f"{shapes.parameter_count(config):,}"
    assert totals["field-bottom"] == str(field.levels[-1])
    assert totals["field-output"] == " to ".join(map(str, sorted(set(field.output))))
    if refusals:
        assert totals["macs"] == totals["memory"] == "none"
        return
    macs = sum(row.macs for row in shapes.trace(config, height, width))
    assert shown["notes"]["macs"] == f"{macs:,}"
    assert totals["memory"] == one_decimal(shapes.activation_bytes(config, height, width))


def nothing_overlaps(shown):
    """No two texts of the picture touch, and none is cut off."""
    frame = shown["frame"]
    for text, box in shown["boxes"]:
        assert frame["left"] <= box["left"] and box["right"] <= frame["right"], text
    for (one, a), (other, b) in combinations(shown["boxes"], 2):
        beside = a["right"] <= b["left"] or b["right"] <= a["left"]
        below = a["bottom"] - 3 <= b["top"] or b["bottom"] - 3 <= a["top"]  # 3: the line's leading
        assert beside or below, (one, other)


SETTINGS = [
    {},
    {"height": 570},
    {"height": 587, "width": 188},
    {"height": 16, "width": 16},
    {"height": 108, "width": 140},
    {"up": "transpose", "height": 572, "width": 588},
    {"padding": 1, "height": 512, "width": 256},
    {"padding": 1, "height": 1023, "width": 1008},
    {"up": "nearest", "padding": 0, "depth": 6, "height": 1020, "width": 764},
    {"depth": 6, "height": 763, "width": 1020},
    {"depth": 6, "base_channels": 128, "padding": 1, "height": 1024, "width": 1024},
    {"depth": 4, "height": 1024, "width": 1008},
    {"depth": 1, "padding": 0, "base_channels": 4, "height": 1024, "width": 18},
    {"depth": 1, "height": 17, "width": 1023},
    {"depth": 5, "base_channels": 32, "height": 380, "width": 412},
]


def test_what_is_shown_is_what_the_oracle_says(lab, explorer):
    knobs = {"height": 572, "width": 572, "depth": 4, "base_channels": 64, "padding": 0}
    knobs["up"] = "bilinear"
    tall = set()
    for setting in SETTINGS:
        knobs |= setting
        set_from_python(lab, **setting)
        config = UNetConfig(**{k: v for k, v in knobs.items() if k not in ("height", "width")})
        shown = compare_with_oracle(explorer, config, knobs["height"], knobs["width"])
        tall.add(shown["tall"])
        label = explorer.locator("svg").get_attribute("aria-label")
        assert ("does not fit" in label) == bool(shown["refusals"])
    assert len(tall) == 1, "what stands below would jump"


def test_dragging(lab, explorer):
    slider = explorer.get_by_label("height", exact=True)
    explorer.evaluate(COUNT)
    box = slider.bounding_box()
    x, y = box["x"] + 8 + (box["width"] - 16) * (572 - 16) / 1008, box["y"] + box["height"] / 2
    lab.page.mouse.move(x, y)
    lab.page.mouse.down()
    for step in range(180):
        lab.page.mouse.move(x + (step % 60) - 30, y)
    lab.page.mouse.move(x - 41, y)
    lab.page.mouse.up()
    pictures, seconds = lab.page.evaluate(MOUSE_SPEED)
    print(f"\n{pictures / seconds:.0f} pictures a second with the test's mouse,")
    lab.page.wait_for_timeout(PAUSE)
    height = int(slider.input_value())
    assert height < 572 and lab.python("explorer.height") == height
    compare_with_oracle(explorer, UNetConfig(), height, 572)
    print(f"{slider.evaluate(SLIDER_SPEED):.0f} when it moves before each repaint")
    lab.page.wait_for_timeout(PAUSE)
    compare_with_oracle(explorer, UNetConfig(), 519, 572)


def test_keyboard(lab, explorer):
    explorer.get_by_label("width", exact=True).focus()
    lab.page.keyboard.press("ArrowLeft")
    lab.page.keyboard.press("ArrowLeft")
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("(explorer.height, explorer.width)") == (572, 570)
    compare_with_oracle(explorer, UNetConfig(), 572, 570)
    explorer.get_by_label("depth", exact=True).focus()
    lab.page.keyboard.press("ArrowLeft")
    lab.page.wait_for_timeout(PAUSE)
    compare_with_oracle(explorer, UNetConfig(depth=3), 572, 570)
    explorer.get_by_label("valid").focus()
    lab.page.keyboard.press("ArrowRight")
    explorer.get_by_label("bilinear").focus()
    lab.page.keyboard.press("ArrowRight")
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("(explorer.padding, explorer.up)") == (1, "transpose")
    compare_with_oracle(explorer, UNetConfig(depth=3, padding=1, up="transpose"), 572, 570)


def test_typing_a_number(lab, explorer):
    field = explorer.get_by_label("height, number")
    field.click()
    field.fill("")
    field.press_sequentially("188", delay=300)  # slower than the pause after which Python is told
    lab.page.wait_for_timeout(PAUSE)
    assert field.input_value() == "188" and lab.python("explorer.height") == 188
    compare_with_oracle(explorer, UNetConfig(), 188, 572)
    field.fill("5000")  # out of range: refused in red and in words, the last good size stays drawn
    assert field.get_attribute("aria-invalid") == "true"
    assert "whole numbers 16 to 1024" in explorer.locator("[role=alert]").first.text_content()
    assert lab.python("explorer.height") == 188
    explorer.get_by_role("button", name="1024").click()
    lab.page.wait_for_timeout(PAUSE)
    assert field.input_value() == "1024" and lab.python("explorer.height") == 1024
    assert explorer.locator("[role=alert]").first.text_content() == ""


def test_two_explorers_on_one_page(lab):
    """Each has ids of its own: a label of the second must not set the first."""
    cells = ["from unet_lesson.widgets import ShapeExplorer", "a = ShapeExplorer(); a"]
    lab.open_notebook([*cells, "b = ShapeExplorer(); b"])
    first, second = lab.page.locator(".unet-explorer").all()
    second.locator("label", has_text="2x2 up-convolution").click()
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("(a.up, b.up)") == ("bilinear", "transpose")
    chosen = [it.locator("input[type=radio]:checked").count() for it in (first, second)]
    assert chosen == [2, 2]


def test_nearest_sizes_to_click(lab, explorer):
    set_from_python(lab, height=570, width=100)
    shown = compare_with_oracle(explorer, UNetConfig(), 570, 100)
    assert shown["buttons"] == ["set height to 556", "set height to 572", "set width to 188"]
    explorer.get_by_role("button", name="set height to 556").click()
    explorer.get_by_role("button", name="set width to 188").focus()
    lab.page.keyboard.press("Enter")
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("(explorer.height, explorer.width)") == (556, 188)
    assert compare_with_oracle(explorer, UNetConfig(), 556, 188)["buttons"] == []
    focused = lab.page.evaluate("() => document.activeElement.labels[0].textContent")
    assert focused == "width", "the focus must not be lost with the button"


def test_no_key_reaches_jupyterlab(lab, explorer):
    set_from_python(lab, height=570)
    cells = lab.cell_count()
    places = explorer.locator("input, button:visible").all()
    for place in places:
        place.focus()
        for key in ("d", "d", "a", "b", "x"):
            lab.page.keyboard.press(key)
    assert len(places) > 10 and lab.cell_count() == cells


def test_both_themes(lab, explorer):
    settings = {
        "legal": {},
        "illegal": {"height": 570, "width": 100},
        "depth6": {"depth": 6, "height": 1020, "width": 828},
        "depth1": {"depth": 1},
    }
    for name, setting in settings.items():
        set_from_python(lab, **setting)
        for theme in ("dark", "light"):
            lab.set_theme(theme == "dark")
            assert lab.axe(".unet-explorer") == []
            lab.screenshot(f"shape-explorer-{name}-{theme}", explorer)
