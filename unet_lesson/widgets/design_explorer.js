// DesignExplorer: two settings of the design study side by side.
// model: left, right, the names of two settings; task; table, with tasks, scores, a card for each
// setting (its U, its costs, its scores) and the verdicts in words for each pair of settings.

const SIDES = { // name: colour, glyph around 0, 0
  left: ["var(--unet-accent)", "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0"],
  right: ["var(--unet-orange)", "M0 -6.5l6.5 6.5l-6.5 6.5l-6.5 -6.5z"],
};
const PAGE = { width: 360, height: 262, left: 98, right: 262, top: 40, rows: [104, 158, 194, 222, 250], side: 46 };
const MARK = "color-mix(in srgb, #f0e442 40%, var(--unet-paper))"; // as a marker pen
const QUIET = "font-size: 13px; color: var(--unet-quiet)";
// Two columns; where it is narrow, one.
const TWO = "display: grid; grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); gap: 12px 28px";

function render({ model, el }) {
  const root = mount(el, "Design explorer", 940);
  const table = model.get("table");
  const tell = teller(model);
  const set = (values) => { for (const [name, value] of Object.entries(values)) model.set(name, value); tell(); };
  const task = choice("scores on", { options: Object.entries(table.tasks), value: model.get("task"),
    onChange: (value) => set({ task: value }) });
  task.node.style.flexWrap = "wrap";
  const swap = make("button", { "aria-label": "swap left and right",
    onclick: () => set({ left: model.get("right"), right: model.get("left") }) }, "⇄ swap");
  const panels = Object.keys(SIDES).map((side) => panel(side, table.cards, (name) => set({ [side]: name })));
  const costs = Object.keys(Object.values(table.cards)[0].measures).map(pairOfBars);
  const strips = Object.entries(table.scores).map(([score, [words, more]]) => strip(score, words, more));
  root.append(make("div", { class: "unet-controls", style: "justify-content: space-between" }, task.node, swap),
    make("div", { style: TWO }, ...panels.map(({ node }) => node)),
    make("div", { style: `${QUIET}; margin: 2px 0 10px` },
      marked(make("span", {}, "bold on yellow"), true), " differs from the other side. "
      + "8 x 152² is 8 channels of 152 x 152 pixels. Dashed: the input's size."),
    make("div", { style: `${TWO}; margin-bottom: 16px` }, ...costs.map(({ node }) => node)),
    make("div", { style: TWO }, ...strips.map(({ node }) => node)),
    make("div", { style: `${QUIET}; margin-top: 10px` },
      "Each dot is one seed, the upright line their mean. Error: the share of wrong pixels, within 8 pixels of the "
      + "border or more than 32 from it. Ranges of two equally good settings part by chance in one case of ten."));
  const say = speaker(root);

  function redraw() {
    const view = look(model, table);
    task.show(view.task);
    panels.forEach((it, i) => it.show(view, i));
    for (const it of [...costs, ...strips]) it.show(view);
    say(view.words);
  }
  const names = ["left", "right", "task"]; // nothing is dragged here: drawn at once, not at the next frame
  for (const name of names) model.on(`change:${name}`, redraw);
  redraw();
  return () => { for (const name of names) model.off(`change:${name}`, redraw); };
}

function look(model, table) {
  const names = [model.get("left"), model.get("right")], task = model.get("task");
  const cards = names.map((name) => table.cards[name]);
  const scores = {};
  for (const score of Object.keys(table.scores)) {
    scores[score] = { runs: cards.map((card) => card.runs[task][score]),
      means: cards.map((card) => card.means[task][score]),
      verdict: table.verdicts[task][score][names[0]][names[1]] };
  }
  const ends = { dice: extent(scores, ["dice"]), f1: extent(scores, ["f1"]) };
  ends.border_error = ends.middle_error = extent(scores, ["border_error", "middle_error"]);
  const spoken = Object.entries(scores).map(([score, { means, verdict }]) =>
    `${table.scores[score][0]} ${means.join(" and ")}, ${verdict}`).join("; ");
  const words = `Left, ${names[0]}: ${cards[0].words}. Right, ${names[1]}: ${cards[1].words}. `
    + `On ${table.tasks[task]}, means of three seeds: ${spoken}.`;
  return { names, task, cards, scores, ends, words };
}

// Bold and on yellow where the two sides differ.
function marked(node, differs) {
  node.toggleAttribute("data-differs", differs);
  node.style.cssText = "justify-self: start; padding: 0 3px;" + (differs ? `font-weight: 700; border-radius: 3px;
    color: var(--unet-text); background: ${MARK}; stroke: ${MARK}; stroke-width: 6px; stroke-linejoin: round; paint-order: stroke` : "");
  return node;
}

function glyph(side) {
  const [fill, d] = SIDES[side];
  return draw("svg", { width: 16, height: 16, viewBox: "-8 -8 16 16", "aria-hidden": "true", style: "flex: none" },
    draw("path", { d, fill, stroke: "currentColor", "stroke-width": 1 }));
}

// A native list of all settings under their group names.
function picker(side, cards, onPick) {
  const id = newId();
  const groups = new Map();
  for (const [name, { group }] of Object.entries(cards)) {
    if (!groups.has(group)) groups.set(group, make("optgroup", { label: group }));
    groups.get(group).append(make("option", { value: name }, name));
  }
  const list = make("select", { id, style: "width: 100%; height: 32px; font: inherit; color: inherit;"
    + "background: var(--unet-paper); border: 1px solid var(--unet-quiet); border-radius: 4px" }, ...groups.values());
  list.addEventListener("change", () => onPick(list.value));
  const label = make("label", { for: id, style: "display: flex; align-items: center; gap: 6px" }, glyph(side), side);
  return { node: make("div", { style: "min-width: 0" }, label, list), show: (name) => { list.value = name; } };
}

// ---- the U ---------------------------------------------------------------------------------

function panel(side, cards, onPick) {
  const list = picker(side, cards, onPick);
  const label = make("div", { style: `${QUIET}; min-height: 55px; margin-top: 4px`, "data-fact": `${side}-label` });
  const stage = make("div", { style: `max-width: ${PAGE.width}px; margin: 0 auto` });
  const legal = make("span", { "data-fact": `${side}-legal` });
  const show = ({ names, cards: shown }, i) => {
    const [card, other] = [shown[i], shown[1 - i]];
    list.show(names[i]);
    label.textContent = card.label;
    stage.replaceChildren(drawU(card, other, side));
    legal.textContent = card.legal;
    marked(legal, card.legal !== other.legal);
  };
  return { show, node: make("div", { style: "min-width: 0" }, list.node, label, stage,
    make("div", {}, "legal inputs: ", legal)) };
}

// The words of a U by the place they have in it.
function texts({ tile, output, bottom, levels }) {
  const map = (channels, size) => `${channels} x ${size}²`;
  const found = { tile: `${tile}²`, output: `${output}²`, bottom: map(...bottom) };
  levels.forEach(([channels, before, after, skip], i) => {
    Object.assign(found, { [`down-${i}`]: map(channels, before), [`up-${i}`]: map(channels, after), [`skip-${i}`]: skip });
  });
  return found;
}

function drawU(card, other, side) {
  const { u } = card, [mine, theirs] = [texts(u), texts(other.u)];
  const scale = PAGE.side / Math.max(u.tile, other.u.tile);
  const { left, right, top, rows } = PAGE, middle = (left + right) / 2, floor = rows[u.levels.length];
  const svg = draw("svg", { viewBox: `0 0 ${PAGE.width} ${PAGE.height}`, role: "img", style: "width: 100%",
    "aria-label": `${side}, as a U: ${card.words}` });
  const square = (x, y, size, colour, more) => draw("rect", { x: x - size * scale / 2, y: y - size * scale / 2,
    width: size * scale, height: size * scale, stroke: "currentColor", fill: `var(--unet-${colour})`, ...more });
  const word = (name, x, y, anchor) => marked(draw("text", { x, y, "text-anchor": anchor, "font-size": 12.5,
    "data-u": `${side}-${name}` }, mine[name]), mine[name] !== theirs[name]);
  const name = (words, x) => draw("text", { x, y: 11, "text-anchor": "middle", "font-size": 12.5 }, words);
  const line = (d) => draw("path", { d, fill: "none", stroke: "var(--unet-quiet)", "stroke-width": 1.5 });
  svg.append(line(`M${left} ${top}V${floor}H${right}V${top}`));
  const ghost = { "stroke-dasharray": "3 3" }; // the input around the output: what is lost
  svg.append(name("input tile", left), name("output", right),
    square(left, top, u.tile, "sky"), square(right, top, u.tile, "paper", ghost), square(right, top, u.output, "green"),
    word("tile", left - 27, top + 4, "end"), word("output", right + 27, top + 4, "start"));
  u.levels.forEach(([, before, after, skip], i) => {
    const y = rows[i];
    if (skip !== "no skip") svg.append(arrow(left + before * scale / 2 + 5, right - after * scale / 2 - 5, y));
    svg.append(square(left, y, before, "sky"), square(right, y, after, "green"),
      word(`down-${i}`, left - 27, y + 4, "end"), word(`up-${i}`, right + 27, y + 4, "start"),
      word(`skip-${i}`, middle, y - 6, "middle"));
  });
  svg.append(square(middle, floor, u.bottom[1], "sky"),
    word("bottom", middle, floor - u.bottom[1] * scale / 2 - 7, "middle"));
  return svg;
}

function arrow(from, to, y) {
  return draw("g", { fill: "currentColor", stroke: "currentColor" },
    draw("path", { d: `M${from} ${y}H${to - 6}`, "stroke-dasharray": "5 3", "stroke-width": 1.2 }),
    draw("path", { d: `M${to} ${y}l-7 -4v8z`, stroke: "none" }));
}

// ---- cost ----------------------------------------------------------------------------------

// One measure: a bar for either side, the longer one as long as there is room.
function pairOfBars(name) {
  const times = make("span", { style: QUIET, "data-fact": `${name} times` });
  const rows = Object.entries(SIDES).map(([side, [colour]]) => {
    const bar = make("div", { "data-bar": `${side} ${name}`,
      style: `height: 14px; background: ${colour}; border: 1px solid currentColor; box-sizing: border-box` });
    const number = make("span", { "data-fact": `${side} ${name}` });
    const node = make("div", { style: "display: grid; grid-template-columns: 16px 1fr 92px; gap: 6px; align-items: center;"
      + " height: 22px" },
      glyph(side), make("div", {}, bar), number);
    return { bar, number, node };
  });
  const show = ({ cards }) => {
    const found = cards.map((card) => card.measures[name]);
    const largest = Math.max(found[0][0], found[1][0]), ratio = found[1][0] / found[0][0];
    rows.forEach(({ bar, number }, i) => {
      bar.style.width = `${100 * found[i][0] / largest}%`;
      number.textContent = found[i][1];
      marked(number, found[0][1] !== found[1][1]);
    });
    const digits = ratio.toLocaleString("en-US", { maximumSignificantDigits: 3 });
    times.textContent = ratio === 1 ? "the same" : `right = ${digits} x left`;
  };
  return { show, node: make("div", {},
    make("div", { style: "display: flex; justify-content: space-between; gap: 8px; white-space: nowrap" },
      make("span", {}, name), times),
    ...rows.map(({ node }) => node)) };
}

// ---- scores --------------------------------------------------------------------------------

// [low, high, step] of an axis that holds these scores of both sides.
function extent(scores, names) {
  const values = names.flatMap((name) => scores[name].runs.flat());
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((it) => (high - low) / it <= 4) ?? 0.25;
  const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  return [step * first, step * Math.max(last, first + 1), step]; // wide enough where all are equal
}

// One score: three dots a side on one axis, and what they say.
function strip(score, words, moreIsBetter) {
  const means = Object.keys(SIDES).map((side) => make("span", { "data-fact": `${side} ${score}` }));
  const svg = draw("svg", { width: "100%", role: "img", style: "height: 64px; overflow: visible" });
  const said = make("div", { "data-fact": `${score} verdict`, style: "min-height: 40px" });
  const show = (view) => {
    const { runs, means: texts, verdict } = view.scores[score];
    means.forEach((node, i) => { node.textContent = texts[i]; });
    svg.setAttribute("aria-label", `${words}: left ${texts[0]}, right ${texts[1]}, ${verdict}`);
    svg.replaceChildren(...axis(view.ends[score]),
      ...Object.keys(SIDES).flatMap((side, i) => dots(side, runs[i], view.ends[score], 12 + 19 * i)));
    said.textContent = verdict;
    said.style.fontWeight = verdict.startsWith("no ") ? 400 : 700;
  };
  return { show, node: make("div", { style: "min-width: 0; align-self: end", "data-strip": score },
    make("div", { style: "display: flex; align-items: center; gap: 6px" },
      make("span", { style: "flex: 1; display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 8px; white-space: nowrap" },
        words, make("span", { style: QUIET }, moreIsBetter ? "more is better" : "less is better")),
      ...Object.keys(SIDES).flatMap((side, i) => [glyph(side), means[i]])),
    svg, said) };
}

const across = (value, [low, high]) => `${4 + 92 * (value - low) / (high - low)}%`;

function axis(ends) {
  const [low, high, step] = ends;
  const ticks = Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) => low + i * step);
  return [draw("line", { x1: "0%", x2: "100%", y1: 44, y2: 44, stroke: "var(--unet-quiet)" }),
    ...ticks.flatMap((tick) => [
      draw("line", { x1: across(tick, ends), x2: across(tick, ends), y1: 0, y2: 48, stroke: "var(--unet-line)" }),
      draw("text", { x: across(tick, ends), y: 61, "text-anchor": "middle", "font-size": 12 }, tick.toFixed(2))])];
}

// Three seeds, one a little above the next, so that equal ones are not hidden; and their mean.
function dots(side, values, ends, y) {
  const [fill, d] = SIDES[side];
  const mean = across(values.reduce((sum, value) => sum + value) / values.length, ends);
  const glyphs = values.map((value, seed) => draw("svg",
    { x: across(value, ends), y: y + 3 * (seed - 1), style: "overflow: visible", "data-dot": `${side} ${value}` },
    draw("path", { d, fill, stroke: "currentColor", "stroke-width": 1, transform: "scale(0.85)" })));
  return [draw("line", { x1: mean, x2: mean, y1: y - 10, y2: y + 10, stroke: "currentColor", "stroke-width": 2 }), ...glyphs];
}

export default { render };
