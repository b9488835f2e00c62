// WeightMapExplorer: the objects, the weight of every pixel, the border term against d1 + d2.
// model: w0, sigma; limits; size, picture_bytes, maps, top, points, viridis; table, the numbers for
// every setting "w0 sigma".

const SIDE = 236; // pixels on the screen
const CURVE = { width: 236, height: 250, left: 36, right: 8, top: 8, bottom: 38 };
const LABELS = { w0: "w0", sigma: "sigma, pixels" };

function render({ model, el }) {
  const root = mount(el, "Weight map explorer", 490);
  const tell = teller(model);
  const controls = make("div", { class: "unet-controls" });
  const sliders = {};
  for (const [name, label] of Object.entries(LABELS)) {
    const [min, max] = model.get("limits")[name];
    sliders[name] = slider(label, { min, max, value: model.get(name),
      onInput: (value) => { model.set(name, value); tell(); } });
    controls.append(sliders[name].node);
  }
  const objects = panel("objects", "The objects, each with its outline", model);
  const map = panel("weight in the loss", "", model);
  const bar = colourBar(model);
  const curve = make("div", {}, make("div", { style: "min-height: 24px" }, "border term"));
  const row = make("div", { style: "display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start" },
    objects.node, map.node, bar, curve);
  const table = make("div", { style: "min-height: 120px; margin-top: 4px" });
  root.append(controls, row, table);
  const say = speaker(root);
  paint(objects.canvas, model.get("size"), bytes(model.get("picture_bytes")), outlines);
  const colours = bytes(model.get("viridis"));
  const viridis = (v) => colours.subarray(3 * v, 3 * v + 3);

  function redraw() {
    const view = look(model);
    for (const name of Object.keys(LABELS)) sliders[name].show(view[name]);
    paint(map.canvas, view.size, view.map, viridis);
    map.canvas.setAttribute("aria-label", sentence(view));
    curve.replaceChildren(curve.firstChild, border(view));
    table.replaceChildren(numbers(view));
    say(sentence(view));
  }
  const soon = onFrame(redraw);
  for (const name of Object.keys(LABELS)) model.on(`change:${name}`, soon);
  redraw();
  return () => { for (const name of Object.keys(LABELS)) model.off(`change:${name}`, soon); };
}

function look(model) {
  const [w0, sigma, limits, size] = ["w0", "sigma", "limits", "size"].map((name) => model.get(name));
  const widths = limits.sigma[1] - limits.sigma[0] + 1;
  const at = (w0 - limits.w0[0]) * widths + sigma - limits.sigma[0];
  const area = size[0] * size[1];
  const answer = model.get("table")[`${w0} ${sigma}`];
  const points = model.get("points").map(([letter, what, , , d], i) =>
    ({ letter, what, d, numbers: answer.points[i] }));
  return { ...answer, w0, sigma, size, points, top: model.get("top"),
    map: bytes(model.get("maps")).subarray(at * area, (at + 1) * area) };
}

function sentence(view) {
  const points = view.points.map(({ letter, what, numbers }) => `${letter} ${what} ${numbers[2].toFixed(2)}`);
  return `w0 ${view.w0}, sigma ${view.sigma} pixels: weights from ${view.low.toFixed(2)} to `
    + `${view.high.toFixed(2)}; ${points.join(", ")}`;
}

// A picture with the lettered points on it.
function panel(name, label, model) {
  const [height, width] = model.get("size");
  const scale = SIDE / Math.max(height, width);
  const canvas = make("canvas", { role: "img", "aria-label": label,
    style: `display: block; width: ${width * scale}px; height: ${height * scale}px; image-rendering: pixelated` });
  const marks = draw("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true",
    style: "position: absolute; inset: 0; color: #222222" });
  for (const [letter, , y, x] of model.get("points")) {
    const beside = x + (x > 15 ? -9 : 9);
    const disc = { fill: "white", stroke: "#222222", "stroke-width": 0.4 };
    marks.append(draw("path", { d: `M${beside + 0.5} ${y + 0.5}H${x + 0.5}`, stroke: "white", "stroke-width": 0.6 }),
      draw("circle", { cx: x + 0.5, cy: y + 0.5, r: 1, ...disc }),
      draw("circle", { cx: beside + 0.5, cy: y + 0.5, r: 3.2, ...disc }),
      draw("text", { x: beside + 0.5, y: y + 0.5, "font-size": 4.6, "text-anchor": "middle", "dominant-baseline": "central" }, letter));
  }
  return { canvas, node: make("div", {}, make("div", { style: "min-height: 24px" }, name),
    make("div", { style: "position: relative" }, canvas, marks)) };
}

const outlines = (v) => (v === 255 ? [230, 159, 0] : [v, v, v]);

function paint(canvas, [height, width], values, colour) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  values.forEach((v, i) => { image.data.set(colour(v), 4 * i); image.data[4 * i + 3] = 255; });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// The colours from 0 to the largest weight of any setting, with both numbers.
function colourBar(model) {
  const canvas = make("canvas", { "aria-hidden": "true", style: `width: 16px; height: ${SIDE}px` });
  const colours = bytes(model.get("viridis"));
  const column = Uint8Array.from({ length: 256 }, (_, i) => 255 - i);
  paint(canvas, [256, 1], column, (v) => colours.subarray(3 * v, 3 * v + 3));
  const ends = make("div", { style: "display: flex; flex-direction: column; justify-content: space-between" },
    make("div", {}, model.get("top").toFixed(1)), make("div", {}, "0"));
  return make("div", { style: "display: flex; gap: 4px; margin-top: 24px; width: 56px" }, canvas, ends);
}

// The border term against d1 + d2, with the letters of the points in the background.
function border(view) {
  const { width, height, left, right, top, bottom } = CURVE;
  const last = view.curve.length - 1;
  const x = (d) => left + (width - left - right) * d / last;
  const y = (term) => height - bottom - (height - top - bottom) * term / view.top;
  const line = view.curve.map((term, d) => `${x(d)} ${y(term)}`).join("L");
  const text = (at, down, words, anchor) =>
    draw("text", { x: at, y: down, "font-size": 13, "text-anchor": anchor }, words);
  const ticks = [0, 5, 10, 15, 20].map((v) => text(left - 6, y(v) + 4, v, "end"));
  const steps = [0, 10, 20, 30, 40].map((d) => text(x(d), height - bottom + 17, d, "middle"));
  const letters = view.points.filter(({ d }) => d !== null && d < last).flatMap(({ letter, d, numbers }) => [
    draw("circle", { cx: x(d), cy: y(numbers[1]), r: 9, fill: "var(--unet-paper)", stroke: "currentColor" }),
    draw("text", { x: x(d), y: y(numbers[1]), "font-size": 12, "text-anchor": "middle", "dominant-baseline": "central" }, letter)]);
  return draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `Border term against d1 + d2: ${view.curve[0]} at 0 pixels, ${view.curve[10].toFixed(2)} at 10, ${view.curve[20].toFixed(2)} at 20` },
  draw("path", { d: `M${left} ${top}V${height - bottom}H${width - right}`, fill: "none", stroke: "var(--unet-quiet)" }),
  draw("path", { d: `M${line}`, fill: "none", stroke: "var(--unet-accent)", "stroke-width": 2.5, "data-curve": "yes" }),
  ...ticks, ...steps, text((left + width - right) / 2, height - 4, "d1 + d2, pixels", "middle"), ...letters);
}

function numbers(view) {
  const cell = (tag, words, more = {}) => make(tag, { style: "padding: 1px 16px 1px 0; text-align: left; font-weight: 400", ...more }, words);
  const heads = ["pixel", "d1 + d2", "class balance", "border term", "weight"];
  const rows = view.points.map(({ letter, what, d, numbers: [balance, term, weight] }) => make("tr", {},
    cell("th", `${letter}, ${what}`, { scope: "row" }), cell("td", d === null ? "" : `${d.toFixed(1)} px`),
    cell("td", balance.toFixed(2)), cell("td", term.toFixed(2), { "data-term": letter }),
    cell("td", weight.toFixed(2), { "data-weight": letter })));
  return make("table", { style: "border-collapse: collapse; font-size: 14px" },
    make("thead", {}, make("tr", {}, ...heads.map((words) => cell("th", words, { scope: "col" })))),
    make("tbody", {}, ...rows));
}

export default { render };
