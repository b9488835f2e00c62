// ConvolutionExplorer: the input with the window of one output cell, and the output beside it.
// model: size, kernel, stride, padding, row, column; table, the answers for every setting.

const STAGE = { width: 800, height: 416, top: 52, side: 352, left: 12, right: 436, cell: 44 };

function render({ model, el }) {
  const root = mount(el, "Convolution explorer", 620);
  const tell = teller(model);
  const set = (name, value) => { model.set(name, value); tell(); };
  const names = { size: "input size", kernel: "kernel", stride: "stride", padding: "padding" };
  const sliders = {};
  const controls = make("div", { class: "unet-controls" });
  for (const [name, label] of Object.entries(names)) {
    const [min, max] = model.get("limits")[name];
    sliders[name] = slider(label, { min, max, value: model.get(name),
      onInput: (value) => set(name, value) });
    sliders[name].node.firstChild.style.width = "72px";
    controls.append(sliders[name].node);
  }
  const stage = make("div", { style: "position: relative; max-width: 800px" });
  const words = make("div", { style: "min-height: 92px; margin-top: 4px" });
  root.append(controls, stage, words);
  const say = speaker(root);

  function redraw() {
    const view = look(model);
    for (const name of Object.keys(names)) sliders[name].show(model.get(name));
    drawStage(stage, view, (row, column) => { set("row", row); set("column", column); });
    const text = sentences(view);
    words.replaceChildren(...(view.problem ? refusal(view, set) : text.map(line)));
    say(view.problem || text[2].text);
  }
  const soon = onFrame(redraw);
  for (const name of [...Object.keys(names), "row", "column"]) model.on(`change:${name}`, soon);
  redraw();
  return () => { for (const name of [...Object.keys(names), "row", "column"]) model.off(`change:${name}`, soon); };
}

// What is to be seen: the table's answer, the output cell, and every cell of the padded input.
function look(model) {
  const [size, kernel, stride, padding] = ["size", "kernel", "stride", "padding"].map((n) => model.get(n));
  const answer = model.get("table")[[size, kernel, stride, padding].join(" ")];
  const outputs = answer.windows.length;
  const row = Math.min(model.get("row"), outputs - 1);
  const column = Math.min(model.get("column"), outputs - 1);
  const within = (i, window) => window && window[0] <= i && i <= window[1];
  const cells = [];
  for (let y = -padding; y < size + padding; y++) {
    for (let x = -padding; x < size + padding; x++) {
      cells.push({ x, y,
        zero: Math.min(x, y) < 0 || Math.max(x, y) >= size,
        read: within(y, answer.windows[row]) && within(x, answer.windows[column]),
        unread: answer.unread.includes(x) || answer.unread.includes(y) });
    }
  }
  return { ...answer, size, kernel, stride, padding, outputs, row, column, cells };
}

const count = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

function sentences(view) {
  const read = view.cells.filter((cell) => cell.read);
  const zeros = read.filter((cell) => cell.zero);
  return [
    { text: "output = floor((input + 2*padding - kernel) / stride) + 1" },
    { text: `output = ${view.formula}`, fact: "formula", bold: true },
    { text: `Output cell (${view.row}, ${view.column}) reads ${count(read.length, "cell")}, `
        + `${zeros.length} of them padding zeros.`, fact: "reads" },
    { text: view.words, fact: "unread" },
  ];
}

function line({ text, fact = null, bold = false }) {
  return make("div", { "data-fact": fact, style: bold ? "font-weight: 600" : null }, text);
}

// In red: why there is no output, and a button for each nearest setting that works.
function refusal(view, set) {
  const buttons = view.fixes.map(([name, value]) =>
    make("button", { "data-fix": name, onclick: () => set(name, value) }, `${name} ${value}`));
  return [
    line({ text: `output = ${view.formula}`, fact: "formula" }),
    make("div", { class: "unet-wrong", "data-fact": "problem" }, view.problem),
    make("div", { style: "margin-top: 4px" }, "Nearest settings that work:", ...buttons),
  ];
}

function drawStage(stage, view, point) {
  const padded = view.size + 2 * view.padding;
  const cell = Math.min(STAGE.cell, STAGE.side / padded);
  const centre = STAGE.top + STAGE.side / 2;
  const input = { x: STAGE.left + (STAGE.side - cell * padded) / 2, y: centre - cell * padded / 2, cell };
  const output = { x: STAGE.right + (STAGE.side - cell * view.outputs) / 2,
    y: centre - cell * view.outputs / 2, cell };
  const had = stage.contains(document.activeElement) && document.activeElement.dataset.cell;
  let grid = stage.querySelector("[role=grid]");
  const kind = [view.size, view.kernel, view.stride, view.padding].join(" ");
  if (stage.dataset.setting !== kind) {
    grid?.remove();
    grid = view.outputs ? outputGrid(view, output, point) : null;
    stage.dataset.setting = kind;
  }
  const picture = draw("svg", { viewBox: `0 0 ${STAGE.width} ${STAGE.height}`, role: "img",
    "aria-label": description(view) }, ...inputCells(view, input), ...captions(view),
    ...(view.outputs ? beams(view, input, output) : noOutput(view, cell, centre)));
  stage.querySelector("svg")?.remove();
  stage.prepend(picture);
  if (!grid) return;
  if (!grid.isConnected) stage.append(grid);
  for (const box of grid.querySelectorAll("[data-cell]")) {
    const here = box.dataset.cell === `${view.row},${view.column}`;
    box.tabIndex = here ? 0 : -1;
    box.setAttribute("aria-selected", here);
    box.style.background = here ? "rgba(230, 159, 0, 0.5)" : "rgba(0, 158, 115, 0.25)";
    box.style.border = here ? "3px solid currentColor" : "1px solid var(--unet-quiet)";
    if (here && had && document.activeElement !== box) box.focus({ preventScroll: true });
  }
}

function description(view) {
  if (view.problem) return view.problem;
  const zeros = view.cells.filter((cell) => cell.read && cell.zero).length;
  return `Input ${view.size} x ${view.size} with the ${view.kernel} x ${view.kernel} cells, `
    + `${zeros} of them padding zeros, that output cell (${view.row}, ${view.column}) reads`;
}

function captions(view) {
  const zeros = view.padding ? `, ${view.padding} dashed ${view.padding === 1 ? "ring" : "rings"} of zeros` : "";
  const text = (x, y, size, words) =>
    draw("text", { x, y, "font-size": size, "text-anchor": "middle" }, words);
  const [left, right] = [STAGE.left + STAGE.side / 2, STAGE.right + STAGE.side / 2];
  return [
    text(left, 20, 16, `input ${view.size} x ${view.size}${zeros}`),
    text(right, 20, 16, view.outputs ? `output ${view.outputs} x ${view.outputs}` : "no output"),
    text(right, 41, 14, view.outputs ? "point at a cell, or move with the arrow keys" : ""),
  ];
}

function inputCells(view, { x, y, cell }) {
  const drawn = [];
  for (const c of view.cells) {
    const at = { x: x + (c.x + view.padding) * cell, y: y + (c.y + view.padding) * cell };
    const fill = c.read ? "var(--unet-orange)" : c.zero ? "none" : "var(--unet-sky)";
    drawn.push(draw("rect", { x: at.x + 1, y: at.y + 1, width: cell - 2, height: cell - 2, fill,
      "fill-opacity": c.read ? 0.5 : c.unread ? 0.08 : 0.35, stroke: "var(--unet-quiet)",
      "stroke-dasharray": c.zero ? "3 2" : null, "data-input": `${c.y},${c.x}`,
      "data-read": c.read ? "yes" : null, "data-zero": c.zero ? "yes" : null }));
    const mark = c.zero ? "0" : c.unread ? "\u00d7" : "";
    if (mark) drawn.push(draw("text", { x: at.x + cell / 2, y: at.y + cell / 2, "text-anchor": "middle",
      "dominant-baseline": "central", "font-size": Math.min(15, cell * 0.7) }, mark));
  }
  return drawn;
}

// The window's frame, and a line from each of its corners to the output cell's.
function beams(view, input, output) {
  const { cell } = input;
  const x = input.x + (view.windows[view.column][0] + view.padding) * cell;
  const y = input.y + (view.windows[view.row][0] + view.padding) * cell;
  const wide = view.kernel * cell;
  const to = { x: output.x + view.column * cell, y: output.y + view.row * cell };
  const corners = [[0, 0], [0, 1], [1, 0], [1, 1]].map(([a, b]) => draw("line", {
    x1: x + a * wide, y1: y + b * wide, x2: to.x + a * cell, y2: to.y + b * cell,
    stroke: "currentColor", "stroke-opacity": 0.7, "stroke-dasharray": "2 4" }));
  return [...corners, draw("rect", { x, y, width: wide, height: wide, fill: "none",
    stroke: "currentColor", "stroke-width": 3, "data-window": "yes" })];
}

// The kernel in red around an input that is too small for it, and a cross for the output.
function noOutput(view, cell, centre) {
  const [x, wide] = [STAGE.left + STAGE.side / 2, view.kernel * cell];
  const cross = STAGE.right + STAGE.side / 2;
  const red = { fill: "none", stroke: "var(--unet-wrong)", "stroke-width": 3 };
  return [
    draw("rect", { x: x - wide / 2, y: centre - wide / 2, width: wide, height: wide,
      "stroke-dasharray": "6 4", ...red }),
    draw("text", { x, y: centre - wide / 2 - 6, "font-size": 14, "text-anchor": "middle" },
      `kernel ${view.kernel} x ${view.kernel}`),
    draw("path", { d: `M${cross - 16} ${centre - 16}l32 32m0 -32l-32 32`, ...red }),
  ];
}

// The output as a grid of cells: one of them takes the focus, the arrow keys move it.
function outputGrid(view, { x, y, cell }, point) {
  const n = view.outputs;
  const percent = (value, whole) => `${100 * value / whole}%`;
  const grid = make("div", { role: "grid", "aria-label": `Output, ${n} rows and ${n} columns`,
    style: `position: absolute; display: grid; grid-template-columns: repeat(${n}, 1fr);
      grid-template-rows: repeat(${n}, 1fr); cursor: pointer;
      left: ${percent(x, STAGE.width)}; top: ${percent(y, STAGE.height)};
      width: ${percent(n * cell, STAGE.width)}; height: ${percent(n * cell, STAGE.height)}` });
  for (let row = 0; row < n; row++) {
    const cells = [];
    for (let column = 0; column < n; column++) {
      cells.push(make("div", { role: "gridcell", "data-cell": `${row},${column}`,
        "aria-label": `row ${row}, column ${column}`, style: "margin: 1px; box-sizing: border-box" }));
    }
    grid.append(make("div", { role: "row", style: "display: contents" }, ...cells));
  }
  const go = (box) => { if (box) point(...box.dataset.cell.split(",").map(Number)); };
  grid.addEventListener("pointerover", (event) => go(event.target.closest("[data-cell]")));
  grid.addEventListener("pointerdown", (event) => {
    const box = event.target.closest("[data-cell]");
    go(box);
    box?.focus({ preventScroll: true });
  });
  grid.addEventListener("keydown", (event) => {
    const [row, column] = event.target.dataset.cell.split(",").map(Number);
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
      Home: [0, -column], End: [0, n - 1 - column] };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const next = grid.querySelector(`[data-cell="${row + step[0]},${column + step[1]}"]`);
    next?.focus({ preventScroll: true });
    go(next);
  });
  return grid;
}

export default { render };
