// TileExplorer: one tile of an overlap-tile prediction on the image, and the price of the overlap.
// model: tile, depth, padding, row, column; size, [height, width] of the image; grey, the image
// mirrored all around, with seen, [pixels before row 0, after the last, per pixel]; table, the
// answers for every tile of this depth and padding.

const CHART = { x: 48, y: 30, width: 330, height: 230 };
const MIRRORED = [["above", "below"], ["on the left", "on the right"]];

function render({ model, el }) {
  const root = mount(el, "Tile explorer", 710);
  const tell = teller(model);
  const set = (name, value) => { model.set(name, value); tell(); };
  const tile = tileControl((value) => set("tile", value));
  const number = (label, name, min, max) => slider(label, { min, max, value: model.get(name),
    onInput: (value) => set(name, value) });
  const depth = number("depth", "depth", 1, 4);
  const padding = choice("3x3 convolutions:", { options: [[0, "valid"], [1, "padded"]],
    value: model.get("padding"), onChange: (value) => set("padding", value) });
  const row = number("row", "row", 0, 1), column = number("column", "column", 0, 1);
  const picture = stage(model, (place) => { for (const [name, at] of place) model.set(name, at); tell(); });
  const chart = curve();
  const words = make("div", { style: "min-height: 110px; margin-top: 8px" });
  root.append(
    make("div", { class: "unet-controls" }, tile.node, depth.node, row.node, column.node, padding.node),
    make("div", { style: "display: flex; flex-wrap: wrap; gap: 12px 20px; align-items: flex-start" },
      make("div", {}, picture.svg, legend()), chart.svg), words);
  const say = speaker(root);

  function redraw() {
    const view = look(model);
    tile.show(view);
    depth.show(model.get("depth"));
    padding.show(model.get("padding"));
    if (!view.problem) {
      row.limit(0, view.down.length - 1);
      column.limit(0, view.across.length - 1);
      row.show(view.row);
      column.show(view.column);
    }
    picture.show(view);
    chart.show(view);
    words.replaceChildren(...(view.problem ? refusal(view, set) : sentences(view)));
    say(view.problem ?? `${view.words} ${view.where}`);
  }
  const soon = onFrame(redraw);
  const names = ["tile", "depth", "padding", "row", "column", "table"];
  for (const name of names) model.on(`change:${name}`, soon);
  redraw();
  return () => { for (const name of names) model.off(`change:${name}`, soon); };
}

function look(model) {
  const [tile, table] = [model.get("tile"), model.get("table")];
  const answer = table.answers[tile] ?? table.answers[0];
  const view = { ...answer, tile, legal: table.legal, read: table.read, lines: [table.waste, table.endless], share: answer.waste };
  if (answer.problem) return view;
  const row = Math.min(model.get("row"), answer.down.length - 1);
  const column = Math.min(model.get("column"), answer.across.length - 1);
  const place = [answer.down[row], answer.across[column]];
  const mirrored = place.flatMap((entry, axis) => MIRRORED[axis].map((side, i) => [entry[4 + i], side]))
    .filter(([pixels]) => pixels).map(([pixels, side]) => `${pixels} ${side}`).join(", ");
  const [rows, columns] = place.map(([from, to]) => `${from} to ${to - 1}`);
  const [top, left] = place.map(([, , from, to]) => `${from} to ${to - 1}`);
  const where = `Tile (${row}, ${column}) reads rows ${rows} and columns ${columns}, `
    + `mirrored: ${mirrored || "nothing"}. It writes rows ${top} and columns ${left}.`;
  return Object.assign(view, { row, column, place, where });
}

function sentences({ words, where }) {
  return [make("div", { "data-fact": "words" }, words),
    make("div", { "data-fact": "where", style: "margin-top: 6px" }, where)];
}

function refusal(view, set) {
  const buttons = view.near.map((tile) =>
    make("button", { "data-fix": tile, onclick: () => set("tile", tile) }, String(tile)));
  return [make("div", { class: "unet-wrong", "data-fact": "problem" }, view.problem),
    make("div", { style: "margin-top: 4px" }, "Nearest tiles that work here:", ...buttons)];
}

// The slider steps through the tiles that can be laid; the number field takes any.
function tileControl(onInput) {
  const id = newId();
  let legal = [];
  const range = make("input", { id, type: "range", min: 0, step: 1 });
  const field = make("input", { type: "number", step: 1, "aria-label": "input tile, number" });
  range.addEventListener("input", () => onInput(legal[Number(range.value)]));
  field.addEventListener("input", () => {
    if (/^\d{1,6}$/.test(field.value)) onInput(Number(field.value));
  });
  field.addEventListener("blur", () => { field.value = field.dataset.tile; });
  const show = (view) => {
    legal = view.legal;
    range.max = legal.length - 1;
    const above = legal.findIndex((n) => n >= view.tile);
    range.value = above < 0 ? legal.length - 1 : above;
    range.setAttribute("aria-valuetext", `${view.tile} pixels`);
    field.dataset.tile = view.tile;
    if (document.activeElement !== field) field.value = view.tile;
  };
  return { show, node: make("div", { class: "unet-control" },
    make("label", { for: id }, "input tile"), range, field) };
}

// ---- the image and the tile on it ----------------------------------------------------------

function stage(model, onPlace) {
  const [[height, width], [before, behind]] = [model.get("size"), model.get("seen")];
  const [wide, tall] = [width + before + behind, height + before + behind];
  const shown = 384 / Math.max(wide, tall);
  const svg = draw("svg", { viewBox: `${-before} ${-before} ${wide} ${tall}`, role: "img",
    width: wide * shown, height: tall * shown, style: "cursor: grab; touch-action: none" });
  const hatch = newId();
  const line = { fill: "none", "vector-effect": "non-scaling-stroke" };
  const box = (more) => draw("rect", { ...line, ...more });
  const grid = draw("path", { ...line, stroke: "#ffffff", "stroke-width": 1, "stroke-opacity": 0.7 });
  const under = box({ stroke: "#000000", "stroke-width": 6, "stroke-opacity": 0.6 });
  const read = box({ stroke: "#56b4e9", "stroke-width": 3, "stroke-dasharray": "9 5", "data-tile": "read" });
  const written = box({ fill: "#e69f00", "fill-opacity": 0.4, stroke: "#e69f00", "stroke-width": 3, "data-tile": "write" });
  const frame = (left, right, bottom) => `M${left} ${left}H${right}V${bottom}H${left}z`;
  const mirrored = draw("path", { fill: `url(#${hatch})`, "fill-rule": "evenodd" });
  const unread = draw("path", { fill: "var(--unet-paper)", "fill-rule": "evenodd" });
  svg.append(
    draw("pattern", { id: hatch, width: 14, height: 14, patternUnits: "userSpaceOnUse" },
      draw("rect", { width: 14, height: 14, fill: "#ffffff", "fill-opacity": 0.45 }),
      draw("path", { d: "M0 14L14 0", stroke: "#444444", "stroke-width": 1.5 })),
    draw("image", { href: painted(model), x: -before, y: -before, width: wide, height: tall, preserveAspectRatio: "none" }),
    mirrored, unread, box({ width, height, stroke: "#ffffff", "stroke-width": 2 }), grid, under, read, written);

  let view;
  const at = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const find = (entries, pixel) => entries.findIndex(([, , , stop]) => pixel < stop);
    const nearest = (entries, pixel) => (find(entries, pixel) < 0 ? entries.length - 1 : find(entries, pixel));
    onPlace([["row", nearest(view.down, point.y)], ["column", nearest(view.across, point.x)]]);
  };
  svg.addEventListener("pointerdown", (event) => {
    if (view.problem) return;
    event.preventDefault();
    svg.setPointerCapture(event.pointerId);
    at(event);
  });
  svg.addEventListener("pointermove", (event) => {
    if (svg.hasPointerCapture(event.pointerId) && !view.problem) at(event);
  });

  function show(now) {
    view = now;
    svg.setAttribute("aria-label", view.problem ?? view.where);
    const [first, bottom, right] = view.read;
    const used = frame(first, right, bottom);
    mirrored.setAttribute("d", used + frame(0, width, height));
    unread.setAttribute("d", frame(-before - 1, width + behind + 1, height + behind + 1) + used);
    for (const node of [grid, under, read, written]) node.style.display = view.problem ? "none" : "";
    if (view.problem) return;
    const [down, across] = view.place;
    grid.setAttribute("d", view.down.slice(1).map((part) => `M0 ${part[2]}H${width}`).join("")
      + view.across.slice(1).map((part) => `M${part[2]} 0V${height}`).join(""));
    for (const node of [under, read]) resize(node, across[0], down[0], across[1], down[1]);
    resize(written, across[2], down[2], across[3], down[3]);
  }
  return { svg, show };
}

function resize(rect, left, top, right, bottom) {
  const box = { x: left, y: top, width: right - left, height: bottom - top };
  for (const [name, value] of Object.entries(box)) rect.setAttribute(name, value);
}

// The grey bytes as an address that an SVG image takes.
function painted(model) {
  const [[height, width], [before, behind, step]] = [model.get("size"), model.get("seen")];
  const canvas = make("canvas");
  [canvas.width, canvas.height] = [width, height].map((n) => Math.ceil((n + before + behind) / step));
  const image = new ImageData(canvas.width, canvas.height);
  const { buffer, byteOffset, byteLength } = model.get("grey");
  new Uint8Array(buffer, byteOffset, byteLength).forEach((value, i) => {
    image.data.set([value, value, value, 255], 4 * i);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.toDataURL();
}

function legend() {
  const entry = (style, text) => make("span", { style: "display: inline-flex; align-items: center; gap: 6px" },
    make("span", { "aria-hidden": "true", style: `width: 18px; height: 12px; box-sizing: border-box; ${style}` }), text);
  return make("div", { style: "display: flex; flex-wrap: wrap; gap: 2px 16px; margin-top: 6px; max-width: 384px" },
    entry("border: 2px dashed #56b4e9; background: #444444", "input tile, read"),
    entry("border: 2px solid #e69f00; background: #e69f0066", "output, written"),
    entry("background: repeating-linear-gradient(135deg, #dddddd 0 3px, #444444 3px 4px)", "beyond the image, mirrored"));
}

// ---- the price -----------------------------------------------------------------------------

// The share of the work that is overlap, against the tile; a dot where we are.
function curve() {
  const { x, y, width, height } = CHART;
  const small = { "font-size": 13 };
  const text = (words, more) => draw("text", { ...small, ...more }, words);
  const line = draw("path", { fill: "none", stroke: "var(--unet-accent)", "stroke-width": 2.5 });
  const endless = draw("path", { fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-dasharray": "2 4" });
  const dot = draw("circle", { r: 6, fill: "var(--unet-red)", stroke: "var(--unet-paper)", "stroke-width": 1.5 });
  const share = text("", { "font-weight": 600, "data-fact": "share", stroke: "var(--unet-paper)", "stroke-width": 4, "paint-order": "stroke" });
  const ends = ["start", "end"].map((anchor, i) => text("", { x: x + i * width, y: y + height + 18, "text-anchor": anchor }));
  const up = (part) => y + height * (1 - part);
  const beside = [0, 25, 50, 75, 100].map((n) => text(`${n}%`, { x: x - 6, y: up(n / 100) + 4, "text-anchor": "end" }));
  const svg = draw("svg", { viewBox: "0 0 390 310", width: 390, height: 310, role: "img" },
    text("Work that is overlap, against the input tile", { x, y: 16, "font-weight": 600 }),
    draw("rect", { x, y, width, height, fill: "none", stroke: "var(--unet-line)" }), ...beside, ...ends,
    text("input tile, pixels", { x: x + width / 2, y: y + height + 36, "text-anchor": "middle" }),
    draw("path", { d: `M${x + 8} ${y + height - 30}h28`, stroke: "var(--unet-accent)", "stroke-width": 2.5 }),
    text("this image", { x: x + 42, y: y + height - 26 }),
    draw("path", { d: `M${x + 8} ${y + height - 12}h28`, stroke: "currentColor", "stroke-width": 2, "stroke-dasharray": "2 4" }),
    text("an image without end", { x: x + 42, y: y + height - 8 }), endless, line, dot, share);

  function show({ legal, lines, tile, share: here, problem }) {
    const [first, last] = [legal[0], legal[legal.length - 1]];
    const across = (n) => x + width * (n - first) / (last - first || 1);
    const path = (parts) => `M${legal.map((n, i) => `${across(n).toFixed(1)} ${up(parts[i]).toFixed(1)}`).join("L")}`;
    line.setAttribute("d", path(lines[0]));
    endless.setAttribute("d", path(lines[1]));
    ends[0].textContent = first;
    ends[1].textContent = last;
    dot.style.display = problem ? "none" : "";
    share.textContent = problem ? "" : `${(100 * here).toFixed(0)}%`;
    svg.setAttribute("aria-label", "Share of the work that is overlap, against the input tile. "
      + (problem ?? `${share.textContent} with a tile of ${tile}.`));
    if (problem) return;
    const at = Math.max(x, Math.min(across(tile), x + width));
    dot.setAttribute("cx", at);
    dot.setAttribute("cy", up(here));
    const right = at > x + width - 60;
    share.setAttribute("text-anchor", right ? "end" : "start");
    share.setAttribute("x", at + (right ? -10 : 10));
    share.setAttribute("y", Math.max(up(here) - 10, y + 16));
  }
  return { svg, show };
}

export default { render };
