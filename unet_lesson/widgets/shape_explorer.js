// ShapeExplorer: the whole U for any input size.
// model: height, width, depth, base_channels, padding, up; table, the oracle's answers for all sizes.

const PAGE = { width: 876, height: 424, side: 46, top: 42, bottom: 366, legend: 412, gap: 270 };
const FILL = { up: "orange", expansive: "green", output: "green" };
const ARROWS = { // stroke, dash, width, words of the legend
  conv: ["var(--unet-accent)", null, 1.8, () => "two 3x3 convolutions"],
  pool: ["var(--unet-red)", null, 2.8, () => "2x2 max pooling"],
  up: ["var(--unet-orange)", "3 2", 3.2, (table) => table.up],
  copy: ["var(--unet-quiet)", "6 4", 1.5, (table) => (table.crops[0] ? "copy and crop" : "copy")],
  head: ["currentColor", null, 1, () => "1x1 convolution"],
};

function render({ model, el }) {
  const root = mount(el, "Shape explorer", 760);
  let picture;
  const tell = teller(model);
  const set = (name, value) => { model.set(name, value); tell(); };
  const controls = controlsFor(model, set);
  const verdict = verdictLine((axis, value) => {
    set(axis, value);
    controls[axis].range.focus();
  });
  const stage = make("div");
  const costs = costTiles();
  root.append(make("div", { class: "unet-controls" }, ...Object.values(controls).map((c) => c.node)),
    verdict.node, stage, costs.node);
  const say = speaker(root);
  const speak = later((text) => picture.svg.setAttribute("aria-label", text), 500);

  function redraw() {
    const view = look(model);
    for (const [name, control] of Object.entries(controls)) control.show(model.get(name));
    picture.show(view);
    verdict.show(view);
    costs.show(view);
    say(view.sentence);
    speak(`The U-Net drawn map by map. ${view.sentence}`);
  }
  const soon = onFrame(redraw);
  const rebuild = () => {
    picture = drawU(model.get("table"));
    stage.replaceChildren(picture.svg);
    soon();
  };
  const watched = [["change:table", rebuild],
    ...Object.keys(controls).map((name) => [`change:${name}`, soon])];
  for (const [event, action] of watched) model.on(event, action);
  rebuild();
  redraw();
  return () => { for (const [event, action] of watched) model.off(event, action); };
}

function controlsFor(model, set) {
  const lined = (control, width) => {
    control.node.firstChild.style.minWidth = `${width}px`;
    return control;
  };
  const side = (axis) => slider(axis, { min: 16, max: 1024, value: model.get(axis),
    onInput: (value) => set(axis, value) });
  return {
    height: lined(side("height"), 46),
    width: lined(side("width"), 104),
    depth: lined(slider("depth", { min: 1, max: 6, value: model.get("depth"),
      onInput: (value) => set("depth", value) }), 46),
    base_channels: lined(slider("base channels", { min: 4, max: 128,
      value: model.get("base_channels"), onInput: (value) => set("base_channels", value) }), 104),
    padding: choice("3x3 convolutions:", { options: [[0, "valid"], [1, "padded"]],
      value: model.get("padding"), onChange: (value) => set("padding", value) }),
    up: choice("up:", { options: [["bilinear", "bilinear"], ["transpose", "2x2 up-convolution"],
      ["nearest", "nearest"]], value: model.get("up"), onChange: (value) => set("up", value) }),
  };
}

// ---- looking up: everything that is shown follows from this -----------------------------------

function look(model) {
  const [table, height, width] = ["table", "height", "width"].map((name) => model.get(name));
  const [row, column] = [height - table.start, width - table.start];
  const stop = Math.min(table.stops[row] ?? Infinity, table.stops[column] ?? Infinity);
  const [down, along] = [table.walks[row], table.walks[column]];
  const maps = table.maps.map(([, channels], i) => (
    i < down.length && i < along.length && i <= stop ? [channels, down[i], along[i]] : null));
  const refusals = [["height", row], ["width", column]]
    .filter(([axis, at]) => table.refusals[axis][at])
    .map(([axis, at]) => ({ axis, words: table.refusals[axis][at], nearest: table.nearest[at] }));
  const view = { table, maps, stop, refusals, largest: Math.max(height, width) };
  if (!refusals.length) {
    const [first, step] = table.legal;
    const [i, j] = [(height - first) / step, (width - first) / step];
    const total = ([a, b, c]) => a + b * (i + j) + c * i * j;
    Object.assign(view, { macs: total(table.macs), bytes: total(table.bytes) });
  }
  return Object.assign(view, { sentence: sentence(view) });
}

function sentence({ maps, refusals }) {
  if (refusals.length) return refusals.map(({ words }) => `${words}.`).join(" ");
  return `${shapeText(maps[0])} fits: ${shapeText(maps[maps.length - 1])} comes out.`;
}

const shapeText = (shape) => shape.join(" x ");
const exact = (n) => n.toLocaleString("en-US");
const decimal = (n) => (
  n.toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 }));

function short(n) {
  const [unit, name] = [[1e12, " T"], [1e9, " G"], [1e6, " M"]].find(([u]) => n >= u) ?? [1, ""];
  return name ? (n / unit).toFixed(2) + name : exact(n);
}

// ---- the U --------------------------------------------------------------------------------------

function drawU(table) {
  const depth = (table.maps.length - 3) / 4;
  const svg = draw("svg", { viewBox: `0 0 ${PAGE.width} ${PAGE.height}`, role: "img",
    "aria-label": "The U-Net drawn map by map.", style: "width: 100%" });
  const maps = table.maps.map(([name]) => mapNode(name, depth));
  const index = (name) => maps.findIndex((map) => map.name === name);
  const arrows = maps.slice(1).map((map, i) => arrowNode(arrowKind(map.name), i, i + 1));
  const crops = table.crops.map((crop, i) => ({
    arrow: arrowNode("copy", index(`contracting-${i + 1}`), index(`up-${i + 1}`)),
    text: draw("text", { "data-crop": i + 1, "text-anchor": "middle", "font-size": 12,
      "font-style": "italic" }, crop ? `crop ${crop}` : "copy"),
  }));
  svg.append(...crops.flatMap(({ arrow, text }) => [arrow.node, text]),
    ...arrows.map(({ node }) => node), ...maps.map(({ node }) => node), legend(table));

  function show(view) {
    const boxes = maps.map((map, i) => showMap(map, view.maps[i], i, view));
    for (const arrow of arrows) showArrow(arrow, boxes, view.stop);
    for (const { arrow, text } of crops) {
      showArrow(arrow, boxes, view.stop);
      const [from, to] = [boxes[arrow.from], boxes[arrow.to]];
      place(text, (from.right + to.left) / 2, from.y + 16);
      text.setAttribute("opacity", arrow.to > view.stop ? 0.45 : 1);
    }
  }
  return { svg, show };
}

// Where a map stands: the contracting path goes down on the left, the expansive up on the right.
function mapNode(name, depth) {
  const [kind, level] = name.split("-");
  const row = kind === "bottom" ? depth + 1 : Number(level ?? 1);
  const step = Math.min(100, (PAGE.width - 2 * PAGE.side - PAGE.gap) / (2 * depth + 1));
  const pitch = Math.min(96, (PAGE.bottom - PAGE.top) / depth);
  const top = (PAGE.top + PAGE.bottom - pitch * depth) / 2;
  const left = { input: 0, pool: 0, contracting: 1 }[kind];
  const right = { output: 0, expansive: 1, up: 2 }[kind];
  let x = (PAGE.width - step) / 2;
  if (left !== undefined) x = PAGE.side + step * (row - 1 + left);
  if (right !== undefined) x = PAGE.width - PAGE.side - step * (row - 1 + right);
  const paint = { fill: `var(--unet-${FILL[kind] ?? "sky"})`, stroke: "currentColor" };
  const box = draw("rect", paint);
  const copy = kind === "up" ? draw("rect", { ...paint, fill: "none", "stroke-dasharray": "3 2" }) : null;
  const text = draw("text", { "font-size": 12 });
  const node = draw("g", { "data-map": name }, ...(copy ? [copy] : []), box, text);
  return { name, kind, x, y: top + pitch * (row - 1), node, box, copy, text };
}

// Update one map's nodes for a view; returns its box, the copy beside it included.
function showMap(map, shape, i, { stop, largest }) {
  const [channels, height, width] = shape ?? [64, largest / 16, largest / 16];
  const tall = 7 + 27 * Math.sqrt(Math.sqrt(height * width) / largest);
  const wide = 3 + 1.3 * Math.log2(channels);
  const box = { x: map.x, y: map.y, left: map.x - wide / 2, right: map.x + wide / 2,
    top: map.y - tall / 2, bottom: map.y + tall / 2 };
  resizeRect(map.box, box.left, box.top, wide, tall);
  if (map.copy) {
    box.left -= wide;
    resizeRect(map.copy, box.left, box.top, wide, tall);
  }
  const state = i < stop ? "fits" : i === stop ? "fails" : "unreached";
  map.node.setAttribute("data-state", state);
  map.node.setAttribute("opacity", state === "unreached" ? 0.25 : 1);
  map.box.setAttribute("fill-opacity", shape ? 1 : 0);
  map.box.setAttribute("stroke", state === "fails" ? "var(--unet-wrong)" : "currentColor");
  map.box.setAttribute("stroke-width", state === "fails" ? 3 : 1);
  map.text.style.cssText = state === "fails" ? "fill: var(--unet-wrong); font-weight: 700" : "";
  map.text.textContent = shape ? shapeText(shape) : state === "fails" ? "does not fit" : "";
  label(map, box);
  return box;
}

// C x H x W stands on the side of the box where no arrow leaves it.
function label({ name, kind, text }, { x, y, left, right, bottom }) {
  const [anchor, tx, ty] = {
    input: ["start", left, y - 24],
    pool: ["end", right + 12, bottom + 14],
    contracting: ["start", right + 6, y - 7],
    bottom: ["middle", x, bottom + 14],
    up: ["end", left - 6, y - 7],
    expansive: name === "expansive-1" ? ["middle", x, y - 24] : ["start", left, bottom + 14],
    output: ["end", right + 34, y + 32],
  }[kind];
  text.setAttribute("text-anchor", anchor);
  place(text, tx, ty);
}

function arrowKind(target) {
  return { pool: "pool", up: "up", output: "head" }[target.split("-")[0]] ?? "conv";
}

function arrowNode(kind, from, to) {
  const [stroke, dash, width] = ARROWS[kind];
  const line = draw("path", { fill: "none", stroke, "stroke-width": width, "stroke-dasharray": dash });
  const tip = draw("path", { fill: stroke });
  return { kind, from, to, line, tip, node: draw("g", {}, line, tip) };
}

function showArrow({ kind, from, to, line, tip, node }, boxes, stop) {
  aim({ line, tip }, route(kind, boxes[from], boxes[to]));
  node.setAttribute("opacity", to > stop ? 0.25 : 1);
}

function route(kind, from, to) {
  const gap = 6;
  if (kind === "pool") return [[from.x, from.bottom + gap], [from.x, to.top - gap]];
  if (kind !== "up") return [[from.right + gap, from.y], [to.left - gap, to.y]];
  const start = from.right < to.left // from the bottom: first along, then up
    ? [[from.right + gap, from.y], [to.x, from.y]] : [[to.x, from.top - gap]];
  return [...start, [to.x, to.bottom + gap]];
}

// A line through the points and a triangle at its end.
function aim({ line, tip }, points) {
  const [[x0, y0], [x, y]] = points.slice(-2);
  const [dx, dy] = [Math.sign(x - x0), Math.sign(y - y0)];
  const base = [x - 7 * dx, y - 7 * dy];
  const path = [...points.slice(0, -1), base].map((point) => point.join(" ")).join(" L ");
  line.setAttribute("d", `M ${path}`);
  const corner = (side) => `${base[0] - 4.5 * side * dy} ${base[1] + 4.5 * side * dx}`;
  tip.setAttribute("d", `M ${corner(1)} L ${x} ${y} L ${corner(-1)} Z`);
}

function legend(table) {
  const items = [];
  let x = 12;
  for (const [kind, [, , , words]] of Object.entries(ARROWS)) {
    const { node, line, tip } = arrowNode(kind, 0, 0);
    aim({ line, tip }, [[x, PAGE.legend], [x + 34, PAGE.legend]]);
    const text = words(table);
    items.push(node, draw("text", { x: x + 41, y: PAGE.legend + 4, "font-size": 12 }, text));
    x += 64 + 6.3 * text.length;
  }
  return draw("g", {}, ...items);
}

function resizeRect(rect, x, y, width, height) {
  for (const [key, value] of Object.entries({ x, y, width, height })) rect.setAttribute(key, value);
}

function place(text, x, y) {
  text.setAttribute("x", x);
  text.setAttribute("y", y);
}

// ---- below and above the U ----------------------------------------------------------------------

// Says whether the size fits; where it does not, in the oracle's words, with buttons.
function verdictLine(onPick) {
  const node = make("div", { style: "min-height: 96px" });
  const fits = make("div", { "data-verdict": "fits", style: "padding: 4px 0" });
  const rows = {};
  for (const axis of ["height", "width"]) {
    const words = make("span", { class: "unet-wrong", style: "flex: 1; line-height: 1.3" });
    const buttons = [0, 1].map((i) => make("button", { type: "button",
      onclick: () => onPick(axis, rows[axis].nearest[i]) }));
    const row = make("div", { "data-verdict": axis, style: "align-items: center; min-height: 46px" },
      words, ...buttons);
    rows[axis] = { row, words, buttons, nearest: [] };
  }
  node.append(fits, rows.height.row, rows.width.row);

  function show(view) {
    fits.textContent = view.refusals.length ? "" : view.sentence;
    fits.style.display = view.refusals.length ? "none" : "block";
    for (const [axis, { row, words, buttons }] of Object.entries(rows)) {
      const refusal = view.refusals.find((it) => it.axis === axis);
      row.style.display = refusal ? "flex" : "none";
      rows[axis].nearest = refusal?.nearest ?? [];
      words.textContent = refusal?.words ?? "";
      buttons.forEach((button, i) => {
        const value = rows[axis].nearest[i];
        button.hidden = value === undefined;
        button.textContent = value ?? "";
        button.setAttribute("aria-label", `set ${axis} to ${value ?? ""}`);
      });
    }
  }
  return { node, show };
}

const COSTS = [ // data-total, name, value, what is counted
  ["parameters", "Parameters", ({ table }) => exact(table.parameters), () => "at any input size"],
  ["macs", "Multiply-accumulates", ({ macs }) => short(macs), ({ macs }) => exact(macs)],
  ["memory", "Activation memory", ({ bytes }) => `${decimal(bytes / 2 ** 20)} MiB`,
    () => "kept for backward pass"],
  ["field-bottom", "Receptive field", ({ table }) => exact(table.field.bottom),
    () => "pixels, at the bottom"],
  ["field-output", "Receptive field", ({ table }) => range(table.field.output),
    () => "pixels, at the output"],
];

const range = ([least, most]) => (least === most ? `${least}` : `${least} to ${most}`);

function costTiles() {
  const tiles = COSTS.map(([key, name, value, note]) => {
    const big = make("div", { "data-total": key, style: "font-size: 17px; font-weight: 600" });
    const small = make("div", { "data-note": key, style: "font-size: 12px" });
    const node = make("div", {}, name, big, small);
    return { key, value, note, big, small, node };
  });
  const list = make("div", { style: "display: grid; grid-template-columns: repeat(5, 1fr); gap: 8px;"
    + " margin: 8px 0; padding-top: 8px; border-top: 1px solid var(--unet-line)" },
    ...tiles.map(({ node }) => node));
  const foot = make("div", { style: "font-size: 12px; color: var(--unet-quiet)" },
    "All for one image. Memory counts the 4-byte maps, the pooling indices and the input; weights, "
    + "gradients and optimiser state come on top. Receptive field: side of the square of input "
    + "pixels that one value can see.");
  function show(view) {
    for (const { key, value, note, big, small } of tiles) {
      const none = view.refusals.length && (key === "macs" || key === "memory");
      big.textContent = none ? "none" : value(view);
      small.textContent = none ? "the size does not fit" : note(view);
    }
  }
  return { node: make("div", {}, list, foot), show };
}

export default { render };
