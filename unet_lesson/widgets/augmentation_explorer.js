// AugmentationExplorer: an image with the outlines of its mask, before and after one draw.
// model: percent, draw; limits; size, before, after, the pictures; lines, the words for every
// setting "draw percent".

const SIDE = 360; // pixels on the screen
const LABELS = { percent: "strength, %", draw: "draw" };

function render({ model, el }) {
  const root = mount(el, "Augmentation explorer", 530);
  const tell = teller(model);
  const controls = make("div", { class: "unet-controls" });
  const sliders = {};
  for (const [name, label] of Object.entries(LABELS)) {
    const [min, max, step] = model.get("limits")[name];
    sliders[name] = slider(label, { min, max, step, value: model.get(name),
      onInput: (value) => { model.set(name, value); tell(); } });
    controls.append(sliders[name].node);
  }
  const before = panel("before", "The image before, with the outlines of its mask", model);
  const after = panel("after", "", model);
  const words = make("div", { style: "min-height: 66px; margin-top: 8px" });
  root.append(controls, make("div", { style: "display: flex; flex-wrap: wrap; gap: 24px" },
    before.node, after.node), words);
  const say = speaker(root);
  paint(before.canvas, model.get("size"), bytes(model.get("before")));

  function redraw() {
    const view = look(model);
    for (const name of Object.keys(LABELS)) sliders[name].show(view[name]);
    paint(after.canvas, view.size, view.picture);
    const sentence = `draw ${view.draw}, strength ${view.percent} %: ${view.lines.filter(Boolean).join("; ")}`;
    after.canvas.setAttribute("aria-label", sentence);
    words.replaceChildren(...view.lines.map((line, i) => make("div", { "data-line": i }, line)));
    say(sentence);
  }
  const soon = onFrame(redraw);
  for (const name of Object.keys(LABELS)) model.on(`change:${name}`, soon);
  redraw();
  return () => { for (const name of Object.keys(LABELS)) model.off(`change:${name}`, soon); };
}

function look(model) {
  const [percent, draw, limits, size] = ["percent", "draw", "limits", "size"].map((name) => model.get(name));
  const [first, last, step] = limits.percent;
  const at = (draw - limits.draw[0]) * ((last - first) / step + 1) + (percent - first) / step;
  const area = size[0] * size[1];
  return { percent, draw, size, lines: model.get("lines")[`${draw} ${percent}`],
    picture: bytes(model.get("after")).subarray(at * area, (at + 1) * area) };
}

function panel(name, label, model) {
  const [height, width] = model.get("size");
  const scale = SIDE / Math.max(height, width);
  const canvas = make("canvas", { role: "img", "aria-label": label,
    style: `display: block; width: ${width * scale}px; height: ${height * scale}px; image-rendering: pixelated` });
  return { canvas, node: make("div", {}, make("div", { style: "min-height: 24px" }, name), canvas) };
}

// Grey values; 255 is an outline, orange.
function paint(canvas, [height, width], values) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  values.forEach((v, i) => image.data.set(v === 255 ? [230, 159, 0, 255] : [v, v, v, 255], 4 * i));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export default { render };
