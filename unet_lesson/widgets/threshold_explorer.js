// ThresholdExplorer: one threshold on a map of probabilities, what it finds and the four scores.
// model: threshold, in percent; size, [height, width]; levels, target, grey, a byte per pixel: how
// many thresholds the pixel is above, the truth, the picture; table, the numbers per threshold.

const CASES = { // as figures.errors in Python
  hit: [86, 180, 233], missed: [230, 159, 0], false_alarm: [204, 121, 167],
};
const LINES = [ // score, name, colour, width, dashes
  ["dice", "Dice", "var(--unet-accent)", 3.5, null],
  ["iou", "IoU", "var(--unet-orange)", 3, "9 5"],
  ["precision", "precision", "var(--unet-green)", 2.5, "11 4 2 4"],
  ["recall", "recall", "var(--unet-red)", 2.5, "2.5 4"],
];
const MARKS = [ // one for each line, around 0, 0
  "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0 -12 0", "M-5.5 -5.5h11v11h-11z", "M0 -7l7 12h-14z", "M0 -7.5l7.5 7.5l-7.5 7.5l-7.5 -7.5z",
];
const CHART = { x: 44, y: 12, width: 390, height: 270 };

function render({ model, el }) {
  const root = mount(el, "Threshold explorer", 480);
  const tell = teller(model);
  const threshold = slider("threshold, %", { min: 0, max: 100, value: model.get("threshold"),
    onInput: (value) => { model.set("threshold", value); tell(); } });
  const canvas = make("canvas", { role: "img",
    style: "width: 320px; height: 320px; object-fit: contain; object-position: left top; image-rendering: pixelated" });
  const pixels = legend();
  const chart = curves(model.get("table"));
  const numbers = scoreTable();
  const best = make("div", { "data-fact": "best", style: "min-height: 40px; margin-top: 8px" },
    bestWords(model.get("table")));
  root.append(make("div", { class: "unet-controls" }, threshold.node),
    make("div", { style: "display: flex; flex-wrap: wrap; gap: 20px; align-items: flex-start" },
      make("div", {}, canvas, pixels.node), make("div", { style: "width: 470px" }, chart.node, numbers.node)), best);
  const say = speaker(root);
  const paint = painter(canvas, model);

  function redraw() {
    const view = look(model);
    threshold.show(view.threshold);
    paint(view.threshold);
    pixels.show(view);
    chart.show(view);
    numbers.show(view);
    canvas.setAttribute("aria-label", view.words);
    say(view.words);
  }
  const soon = onFrame(redraw);
  model.on("change:threshold", soon);
  redraw();
  return () => model.off("change:threshold", soon);
}

function look(model) {
  const [threshold, table] = [model.get("threshold"), model.get("table")];
  const at = Object.fromEntries(Object.entries(table).map(([name, values]) => [name, values[threshold]]));
  const texts = Object.fromEntries(LINES.map(([name]) => [name, at[name] === null ? "none" : at[name].toFixed(4)]));
  const words = `threshold ${threshold}%: hit ${at.hit}, missed ${at.missed}, false alarm ${at.false_alarm} pixels. `
    + LINES.map(([name, word]) => `${word} ${texts[name]}`).join(", ");
  return { threshold, at, texts, words };
}

function bestWords({ dice, iou }) {
  const best = dice.indexOf(Math.max(...dice));
  return `Best Dice ${dice[best].toFixed(4)} and best IoU ${iou[best].toFixed(4)}, both at ${best}%. `
    + "A pixel is foreground where its value is above the threshold.";
}

// Draws the picture in grey, tinted where the mask or the truth is.
function painter(canvas, model) {
  const [levels, target, grey] = ["levels", "target", "grey"].map((name) => bytes(model.get(name)));
  const [height, width] = model.get("size");
  [canvas.width, canvas.height] = [width, height];
  const image = new ImageData(width, height);
  return (threshold) => {
    for (let i = 0; i < grey.length; i++) {
      const above = levels[i] > threshold;
      const tint = above ? (target[i] ? CASES.hit : CASES.false_alarm) : target[i] ? CASES.missed : null;
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = tint ? 0.4 * grey[i] + 0.6 * tint[c] : grey[i];
      image.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  };
}

// What the three colours stand for, and how many pixels have each.
function legend() {
  const entries = Object.entries(CASES).map(([name, colour]) => {
    const count = make("span", { "data-fact": name });
    const patch = make("span", { "aria-hidden": "true",
      style: `width: 14px; height: 14px; background: rgb(${colour}); border: 1px solid var(--unet-quiet)` });
    const node = make("span", { style: "display: inline-flex; align-items: center; gap: 5px" },
      patch, make("span", {}, name.replace("_", " ")), count);
    return { name, count, node };
  });
  const show = ({ at }) => { for (const { name, count } of entries) count.textContent = at[name]; };
  const node = make("div", { style: "display: flex; flex-wrap: wrap; gap: 2px 14px; margin-top: 6px; width: 320px; min-height: 44px" },
    ...entries.map((entry) => entry.node));
  return { node, show };
}

const acrossChart = (threshold) => CHART.x + CHART.width * threshold / 100;
const upChart = (score) => CHART.y + CHART.height * (1 - score);

// The four scores against the threshold; a line breaks where its score does not exist.
function curves(table) {
  const { x, y, width, height } = CHART;
  const line = draw("path", { stroke: "currentColor", "stroke-width": 1.5 });
  const marks = LINES.map(([name, , colour], i) => draw("path", { d: MARKS[i], fill: colour,
    stroke: "var(--unet-paper)", "stroke-width": 1.5, "data-marker": name }));
  const lines = LINES.map(([name, , colour, thick, dashes]) => draw("path", { d: trace(table[name]),
    fill: "none", stroke: colour, "stroke-width": thick, "stroke-dasharray": dashes, "data-line": name }));
  const svg = draw("svg", { viewBox: `0 0 450 330`, width: 450, height: 330, role: "img" },
    draw("rect", { x, y, width, height, fill: "none", stroke: "var(--unet-line)" }),
    ...ticks(), line, ...lines, ...marks);
  const show = ({ threshold, at, words }) => {
    const across = acrossChart(threshold);
    line.setAttribute("d", `M${across} ${y}v${height}`);
    LINES.forEach(([name], i) => {
      marks[i].style.display = at[name] === null ? "none" : "";
      marks[i].dataset.score = at[name];
      marks[i].setAttribute("transform", `translate(${across} ${upChart(at[name] ?? 0)})`);
    });
    svg.setAttribute("aria-label", `Dice, IoU, precision and recall against the threshold. At ${words}`);
  };
  return { node: svg, show };
}

function trace(values) {
  let pen = "M";
  return values.map((value, threshold) => {
    if (value === null) { pen = "M"; return ""; }
    const step = `${pen}${acrossChart(threshold)} ${upChart(value).toFixed(2)}`;
    pen = "L";
    return step;
  }).join("");
}

function ticks() {
  const { x, y, width, height } = CHART;
  const text = (words, more) => draw("text", { "font-size": 13, ...more }, words);
  const below = [0, 25, 50, 75, 100].map((t) =>
    text(t, { x: acrossChart(t), y: y + height + 18, "text-anchor": "middle" }));
  const beside = [0, 0.25, 0.5, 0.75, 1].map((score) =>
    text(score, { x: x - 6, y: upChart(score) + 4, "text-anchor": "end" }));
  const name = text("threshold, %", { x: x + width / 2, y: y + height + 38, "text-anchor": "middle" });
  return [...below, ...beside, name];
}

// The four numbers, each behind a piece of its line and its marker.
function scoreTable() {
  const cells = {};
  const entries = LINES.map(([name, word, colour, thick, dashes], i) => {
    cells[name] = make("span", { "data-fact": name, style: "font-variant-numeric: tabular-nums" });
    const sample = draw("svg", { width: 40, height: 18, viewBox: "0 0 40 18", "aria-hidden": "true" },
      draw("path", { d: "M0 9H40", stroke: colour, "stroke-width": thick, "stroke-dasharray": dashes }),
      draw("path", { d: MARKS[i], fill: colour, transform: "translate(20 9)", stroke: "var(--unet-paper)", "stroke-width": 1.5 }));
    return make("div", { style: "display: flex; align-items: center; gap: 6px; width: 200px" },
      sample, make("span", {}, word), cells[name]);
  });
  const show = ({ texts }) => { for (const [name, cell] of Object.entries(cells)) cell.textContent = texts[name]; };
  return { show, node: make("div", { style: "display: flex; flex-wrap: wrap; gap: 2px 16px; margin-left: 40px" }, ...entries) };
}

export default { render };
