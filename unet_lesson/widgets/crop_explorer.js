// CropExplorer: the skip map and the upsampled map of one level laid over each other.
// model: size, level, corner; table, legal, channels, displaced, the answers for every setting.

const BOX = { x: 84, y: 74, side: 300, width: 820, height: 410 };

function render({ model, el }) {
  const root = mount(el, "Crop explorer", 600);
  const tell = teller(model);
  const set = (name, value) => { model.set(name, value); tell(); };
  const sizes = sizeControl(model.get("legal"), model.get("size"), (value) => set("size", value));
  const level = slider("level", { min: 1, max: model.get("channels").length,
    value: model.get("level"), onInput: (value) => set("level", value) });
  const crop = choice("crop", { options: [["centre", "centre"], ["corner", "top left corner"]],
    value: where(model), onChange: (value) => set("corner", value === "corner") });
  const stage = make("div", { style: "max-width: 820px" });
  const words = make("div", { style: "min-height: 70px; margin-top: 4px" });
  root.append(make("div", { class: "unet-controls" }, sizes.node, level.node, crop.node), stage, words);
  const say = speaker(root);

  function redraw() {
    const view = look(model);
    sizes.show(view.size);
    level.show(view.level);
    crop.show(where(model));
    stage.replaceChildren(draw("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img",
      "aria-label": description(view) }, ...(view.problem ? noMaps(view) : maps(view))));
    words.replaceChildren(...(view.problem ? refusal(view, set) : sentences(view)));
    say(view.problem || description(view));
  }
  const soon = onFrame(redraw);
  const names = ["size", "level", "corner"];
  for (const name of names) model.on(`change:${name}`, soon);
  redraw();
  return () => { for (const name of names) model.off(`change:${name}`, soon); };
}

const where = (model) => (model.get("corner") ? "corner" : "centre");

// The slider steps through the legal sizes; the number field takes any.
function sizeControl(legal, value, onInput) {
  const id = newId();
  const range = make("input", { id, type: "range", min: 0, max: legal.length - 1, step: 1 });
  const field = make("input", { type: "number", step: 1, "aria-label": "input size, number" });
  range.addEventListener("input", () => onInput(legal[Number(range.value)]));
  field.addEventListener("input", () => {
    if (/^\d{1,6}$/.test(field.value)) onInput(Number(field.value));
  });
  const show = (size) => {
    const above = legal.findIndex((n) => n >= size);
    range.value = above < 0 ? legal.length - 1 : above;
    range.setAttribute("aria-valuetext", `${size} pixels`);
    field.dataset.size = size;
    if (document.activeElement !== field) field.value = size;
  };
  field.addEventListener("blur", () => { field.value = field.dataset.size; });
  show(value);
  return { show, node: make("div", { class: "unet-control" },
    make("label", { for: id }, "input size"), range, field) };
}

function look(model) {
  const [size, level, corner] = ["size", "level", "corner"].map((name) => model.get(name));
  const answer = model.get("table")[size] ?? model.get("table")[0];
  const [skip, up, margin] = answer.levels?.[level - 1] ?? [];
  const [pixel, displaced] = model.get("displaced")[level - 1];
  const channels = model.get("channels")[level - 1];
  return { ...answer, size, level, corner, skip, up, margin, pixel, displaced, channels };
}

function description(view) {
  if (view.problem) return view.problem;
  const { channels: c, skip, up, margin, corner } = view;
  return `Skip ${c} x ${skip} x ${skip}, upsampled ${c} x ${up} x ${up}, margin ${margin} on each side, `
    + (corner ? `cropped at the top left corner: ${view.displaced} input pixels apart`
      : "cropped at the centre: 0 input pixels apart on average");
}

function sentences(view) {
  const fact = (name, text) => make("div", { "data-fact": name }, text);
  const pixels = view.pixel === 1 ? "pixel" : "pixels";
  const apart = !view.margin ? "Both crops are the whole map: joined pixels look 0 input pixels apart on average."
    : view.corner ? `Corner crop: joined pixels look ${view.displaced} input pixels apart on average, down and to the right `
      + `(margin ${view.margin} x ${view.pixel} input ${pixels}).`
    : "Centre crop: joined pixels look 0 input pixels apart on average.";
  return [
    fact("margin", `Margin ${view.margin} on each side of the skip map, whatever the input size`
      + (view.corner ? `; a corner crop cuts ${view.skip - view.up} on the right and at the bottom.` : ".")),
    fact("displaced", apart),
  ];
}

function refusal(view, set) {
  const buttons = view.near.map((size) =>
    make("button", { "data-fix": size, onclick: () => set("size", size) }, String(size)));
  return [
    make("div", { class: "unet-wrong", "data-fact": "problem" }, view.problem),
    make("div", { style: "margin-top: 4px" }, "Nearest sizes that fit:", ...buttons),
  ];
}

function noMaps() {
  const { x, y, side } = BOX;
  const red = { fill: "none", stroke: "var(--unet-wrong)", "stroke-width": 3 };
  return [draw("rect", { x, y, width: side, height: side, "stroke-dasharray": "8 6", ...red }),
    draw("path", { d: `M${x + side / 2 - 24} ${y + side / 2 - 24}l48 48m0 -48l-48 48`, ...red }),
    text(x + side / 2, y - 16, "this size has no maps to join", { "text-anchor": "middle" })];
}

function text(x, y, words, more = {}) {
  return draw("text", { x, y, "font-size": 15, ...more }, words);
}

function maps(view) {
  return [...overlay(view), ...joined(view)];
}

// The skip map; the part that the upsampled map sees; the part that the crop takes.
function overlay(view) {
  const { x, y, side } = BOX;
  const scale = side / view.skip;
  const [wide, margin] = [view.up * scale, view.margin * scale];
  const start = view.corner ? 0 : margin;
  const { channels: c, skip, up } = view;
  return [
    draw("rect", { x, y, width: side, height: side, fill: "var(--unet-sky)", "fill-opacity": 0.3,
      stroke: "var(--unet-blue)", "stroke-width": 2, "data-map": "skip" }),
    draw("rect", { x: x + margin, y: y + margin, width: wide, height: wide, fill: "var(--unet-paper)" }),
    draw("rect", { x: x + margin, y: y + margin, width: wide, height: wide, fill: "var(--unet-orange)",
      "fill-opacity": 0.45, stroke: "var(--unet-orange)", "stroke-width": 2, "data-map": "upsampled" }),
    draw("rect", { x: x + start, y: y + start, width: wide, height: wide, fill: "none",
      stroke: "currentColor", "stroke-width": 2.5, "stroke-dasharray": "7 4", "data-map": "crop" }),
    text(x + side / 2, 20, `skip map of level ${view.level}: ${c} x ${skip} x ${skip}`,
      { "text-anchor": "middle", "font-weight": 600 }),
    text(x + side / 2, y + side + 24, `upsampled: ${c} x ${up} x ${up}; dashed: the crop`,
      { "text-anchor": "middle" }),
    ...rulers(view, start, wide),
    ...(view.corner && view.margin ? displacement(view, margin, wide) : []),
  ];
}

// Above and on the left: what is cut before the crop, the crop, what is cut behind it.
function rulers(view, start, wide) {
  const { x, y, side } = BOX;
  const [before, behind] = view.corner ? [0, 2 * view.margin] : [view.margin, view.margin];
  const parts = [[0, start, before, "cut"], [start, start + wide, view.up, "crop"],
    [start + wide, side, behind, "cut"]];
  const drawn = [];
  for (const [from, to, pixels, kind] of parts) {
    if (!pixels) continue;
    const middle = (from + to) / 2;
    drawn.push(
      draw("path", { d: `M${x + from} ${y - 13}v8m0 -4H${x + to}m0 -4v8`, fill: "none", stroke: "currentColor" }),
      text(x + middle, y - 18, pixels, { "text-anchor": "middle", "data-ruler": kind }),
      draw("path", { d: `M${x - 13} ${y + from}h8m-4 0V${y + to}m-4 0h8`, fill: "none", stroke: "currentColor" }),
      text(x - 18, y + middle + 5, pixels, { "text-anchor": "end", "data-ruler": kind }));
  }
  return drawn;
}

// From where the crop's first pixel looks to where its partner, the upsampled map's first, looks.
function displacement(view, margin, wide) {
  const { x, y } = BOX;
  const [toX, toY] = [x + margin, y + margin];
  const halo = { stroke: "var(--unet-paper)", "stroke-width": 4, "paint-order": "stroke" };
  return [
    draw("circle", { cx: x, cy: y, r: 5, fill: "currentColor" }),
    draw("path", { d: `M${x} ${y}L${toX} ${toY}`, stroke: "currentColor", "stroke-width": 2.5 }),
    draw("path", { d: `M${toX} ${toY}l-4 -12l-8 8z`, fill: "currentColor" }),
    text(toX + (wide < 120 ? wide : 0) + 10, toY + 20, `${view.displaced} input pixels`, { "data-arrow": view.displaced, ...halo }),
  ];
}

// torch.cat: the two maps side by side, and the map of twice the channels.
function joined(view) {
  const { channels: c, up } = view;
  const [left, right, tall] = [500, 670, 84];
  const map = (x, y, fill, dashed) => draw("rect", { x, y, width: 84, height: tall, fill, "fill-opacity": 0.45,
    stroke: "currentColor", "stroke-width": 1.5, "stroke-dasharray": dashed ? "7 4" : null });
  const middle = { "text-anchor": "middle" };
  const blue = "var(--unet-sky)", orange = "var(--unet-orange)";
  return [
    text(627, 20, "torch.cat([upsampled, crop], dim=1)", { ...middle, "font-family": "monospace" }),
    map(left, 74, orange), map(right, 74, blue, true),
    text(left + 42, 122, c, middle), text(right + 42, 122, c, middle), text(627, 122, "+", { ...middle, "font-size": 22 }),
    text(left + 42, 62, "upsampled", middle), text(right + 42, 62, "crop of the skip", middle),
    text(left + 42, 178, `${c} x ${up} x ${up}`, middle), text(right + 42, 178, `${c} x ${up} x ${up}`, middle),
    draw("path", { d: "M627 192v34m-7 -10l7 10l7 -10", fill: "none", stroke: "currentColor", "stroke-width": 2.5 }),
    map(543, 244, orange), map(627, 244, blue, true),
    text(585, 292, c, middle), text(669, 292, c, middle),
    text(627, 352, `${2 * c} x ${up} x ${up}`, { ...middle, "font-weight": 600, "font-size": 18, "data-fact": "joined" }),
    text(627, 376, "channels add, height and width stay", middle),
  ];
}

export default { render };
