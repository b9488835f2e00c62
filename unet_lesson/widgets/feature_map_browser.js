// FeatureMapBrowser: one channel of one feature map, the input image beside it.
// model: path, level, channel, depth; stage, the maps of the current path and level with their
// numbers per channel; image, the input in grey; viridis, 256 colours.

function render({ model, el }) {
  const root = mount(el, "Feature map browser", 530);
  const tell = teller(model);
  const set = (name, value) => { model.set(name, value); tell(); };
  const path = choice("path", { options: [["contracting", "contracting"], ["expansive", "expansive"]],
    value: model.get("path"), onChange: (value) => set("path", value) });
  const level = slider("level", { min: 1, max: 1, value: 1, onInput: (value) => set("level", value) });
  const channel = slider("channel", { min: 0, max: 0, value: 0, onInput: (value) => set("channel", value) });
  const input = panel(224, "The input image");
  const map = panel(340, "");
  const bar = colourBar();
  const numbers = make("dl", { style: "display: grid; grid-template-columns: auto 1fr; gap: 2px 12px; margin: 12px 0 0" });
  const note = make("div", { "data-fact": "note", style: "min-height: 40px; margin-top: 8px" });
  path.node.style.flexBasis = "100%";
  input.node.append(numbers);
  root.append(
    make("div", { class: "unet-controls" }, path.node, level.node, channel.node),
    make("div", { style: "display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start" },
      input.node, map.node, bar.node), note);
  const say = speaker(root);
  const grey = (v) => [v, v, v];
  const colours = bytes(model.get("viridis"));
  const viridis = (v) => colours.subarray(3 * v, 3 * v + 3);
  paint(input.canvas, model.get("image"), 0, grey);
  input.title.textContent = "input image";
  paintBar(bar.canvas, viridis);

  function redraw() {
    const view = look(model);
    path.show(view.path);
    level.limit(1, view.levels);
    level.show(view.level);
    channel.limit(0, view.shape[0] - 1);
    channel.show(view.channel);
    map.node.style.opacity = view.waiting ? 0.4 : 1;
    map.title.textContent = view.waiting ? `${view.name}: asking Python` : `${view.name}, channel ${view.channel}`;
    if (view.waiting) return;
    paint(map.canvas, model.get("stage"), view.channel, viridis);
    const words = sentence(view);
    map.canvas.setAttribute("aria-label", words);
    bar.show(view);
    numbers.replaceChildren(...view.facts.flatMap(([name, text]) => [
      make("dt", { style: "font-weight: 400" }, name),
      make("dd", { "data-fact": name, style: "margin: 0" }, text)]));
    note.textContent = remark(view);
    say(words);
  }
  const soon = onFrame(redraw);
  const names = ["path", "level", "channel", "stage"];
  for (const name of names) model.on(`change:${name}`, soon);
  redraw();
  return () => { for (const name of names) model.off(`change:${name}`, soon); };
}

// What is to be seen. While the maps of another level are on their way, `waiting` is true.
function look(model) {
  const stage = model.get("stage");
  const path = model.get("path");
  const levels = model.get("depth") + (path === "contracting" ? 1 : 0);
  const level = Math.min(model.get("level"), levels);
  const channel = Math.min(model.get("channel"), stage.shape[0] - 1);
  const at = (name) => stage[name][channel];
  const facts = [
    ["shape", stage.shape.join(" x ")],
    ["min", at("min").toFixed(4)],
    ["mean", at("mean").toFixed(4)],
    ["max", at("max").toFixed(4)],
    ["zeros", `${(100 * at("zeros")).toFixed(2)}%`],
  ];
  return { path, level, levels, channel, facts, name: `${path} path, level ${level}`,
    shape: stage.shape, factor: stage.factor, low: at("low"), high: at("high"),
    silent: stage.zeros.filter((share) => share === 1).length,
    waiting: stage.path !== path || stage.level !== level };
}

function sentence(view) {
  return `${view.name}, channel ${view.channel}: `
    + view.facts.map(([name, text]) => `${name} ${text}`).join(", ");
}

function remark(view) {
  const shown = view.factor === 1 ? "Every value is drawn."
    : `Drawn as averages over ${view.factor} x ${view.factor} values; the numbers are those of the map itself.`;
  return `${shown} ${view.silent} of ${view.shape[0]} channels are zero everywhere on this image.`;
}

function panel(side, label) {
  const canvas = make("canvas", { role: "img", "aria-label": label,
    style: `width: ${side}px; height: ${side}px; object-fit: contain; object-position: left top; image-rendering: pixelated` });
  const title = make("div", { style: "min-height: 24px" });
  return { canvas, title, node: make("div", {}, title, canvas) };
}

function paint(canvas, maps, channel, colour) {
  const [height, width] = maps.size;
  const values = bytes(maps.pixels).subarray(channel * height * width, (channel + 1) * height * width);
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  values.forEach((v, i) => { image.data.set(colour(v), 4 * i); image.data[4 * i + 3] = 255; });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// The colours from the lowest to the highest value drawn, with both numbers.
function colourBar() {
  const canvas = make("canvas", { width: 1, height: 256, "aria-hidden": "true",
    style: "width: 16px; height: 340px" });
  const high = make("div", { "data-fact": "high" });
  const low = make("div", { "data-fact": "low" });
  const show = (view) => { high.textContent = view.high.toFixed(4); low.textContent = view.low.toFixed(4); };
  const ends = make("div", { style: "display: flex; flex-direction: column; justify-content: space-between" },
    high, low);
  const node = make("div", { style: "display: flex; gap: 4px; margin-top: 24px; width: 68px" }, canvas, ends);
  return { canvas, show, node };
}

function paintBar(canvas, colour) {
  const image = new ImageData(1, 256);
  for (let i = 0; i < 256; i++) image.data.set([...colour(255 - i), 255], 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export default { render };
