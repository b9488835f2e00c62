// RelativesExplorer: what each relative of U-Net changes in our U.
// model: name, of the relative shown; names, all of them in order of time; fields, {field: heading};
// page, [width, height]; lines, {kind: [dashes, width]}; table, for each name its words and its
// picture, with every point worked out in Python.

const COLOURS = {
  grey: "#999999", gone: "var(--unet-line)", blue: "var(--unet-accent)", sky: "var(--unet-sky)",
  green: "var(--unet-green)", orange: "var(--unet-orange)", purple: "#cc79a7", red: "var(--unet-red)",
};

function render({ model, el }) {
  const root = mount(el, "Relatives explorer", 740);
  const [names, table] = [model.get("names"), model.get("table")];
  const tell = teller(model);
  let hidden = false; // the learner is to guess the name
  let verdict = "";
  const set = (name) => { model.set("name", name); tell(); };

  function press(name) {
    if (!hidden) {
      verdict = "";
      set(name);
    } else if (name === model.get("name")) {
      hidden = false;
      verdict = `Right, this is ${table[name].title}.`;
    } else {
      verdict = `No. ${table[name].sentence}`;
    }
    redraw();
  }
  function quiz() {
    hidden = !hidden;
    verdict = hidden ? "Which relative is this? Press its name." : `It is ${table[model.get("name")].title}.`;
    if (hidden) {
      const others = names.filter((name) => name !== model.get("name"));
      set(others[Math.floor(Math.random() * others.length)]);
    }
    redraw();
  }
  const row = nameButtons(names, table, press);
  const toggle = make("button", { type: "button", onclick: quiz, style: "margin-left: 0; flex: none" });
  const answer = make("span", { "data-fact": "verdict", style: "grid-area: 1 / 1" });
  const longest = names.map((name) => table[name].sentence).sort((a, b) => b.length - a.length)[0];
  const room = make("span", { style: "grid-area: 1 / 1; visibility: hidden" }, `No. ${longest}`);
  const stage = picture(model);
  const words = wordList(names, table, model.get("fields"));
  root.append(row.node,
    make("div", { style: "display: flex; align-items: center; gap: 8px; margin-top: 4px" }, toggle,
      make("div", { style: "display: grid; align-items: center" }, room, answer)),
    // on a narrow page the picture keeps a size at which it can be read, and is scrolled
    make("div", { style: "overflow-x: auto", tabindex: 0, role: "group", "aria-label": "picture" }, stage.svg), words.node);
  const say = speaker(root);

  function redraw() {
    const name = model.get("name");
    const entry = table[name];
    row.show(hidden ? null : name);
    toggle.textContent = hidden ? "show the name" : "hide the name";
    answer.textContent = verdict;
    stage.show(name, hidden);
    words.show(name, hidden);
    const seen = hidden ? "" : `${entry.title}. ${entry.sentence} What crosses the U: ${entry.crosses}`;
    say(`${verdict} ${seen}`.trim());
  }
  const renew = () => { if (!hidden) verdict = ""; redraw(); };
  const soon = onFrame(renew);
  model.on("change:name", soon);
  redraw();
  return () => model.off("change:name", soon);
}

function nameButtons(names, table, onPress) {
  const buttons = names.map((name) => make("button", { type: "button", "data-name": name,
    style: "margin: 0; padding: 2px 7px; font-size: 13px", onclick: () => onPress(name) }, `${table[name].title}, ${table[name].year}`));
  const node = make("div", { role: "group", "aria-label": "relatives, in order of time",
    style: "display: flex; flex-wrap: wrap; gap: 5px" }, ...buttons);
  const show = (shown) => {
    for (const button of buttons) {
      const on = button.dataset.name === shown;
      button.setAttribute("aria-pressed", on);
      button.style.boxShadow = on ? "inset 0 0 0 2px var(--unet-accent)" : "";
    }
  };
  return { node, show };
}

// ---- the picture ------------------------------------------------------------------------------

function picture(model) {
  const [width, height] = model.get("page");
  const [lines, table] = [model.get("lines"), model.get("table")];
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
    style: "width: 100%; min-width: 520px; max-width: none" });
  let before = new Set();
  let last = [];
  const show = (name, hidden) => {
    if (last[0] === name && last[1] === hidden) return;
    const { title, year, sentence, edges, nodes, labels, legend } = table[name];
    const heading = hidden ? "Which one is this?" : `${title} (${year})`;
    const seen = hidden ? `Name hidden. Legend: ${legend.map(({ words }) => words).join(", ")}.` : sentence;
    svg.setAttribute("aria-label", seen);
    const inside = [...edges.map((edge) => [edge, edgeNode(edge, lines)]),
      ...nodes.map((node) => [node, boxNode(node)]),
      ...labels.map(([x, y, words]) => [words, text(x, y, words)])];
    const below = legend.flatMap((entry) => [
      [entry, entry.node ? boxNode(entry.node) : edgeNode(entry.edge, lines)],
      [entry.words, text(entry.x, entry.y, entry.words, { "text-anchor": "start" })]]);
    svg.replaceChildren(text(20, 24, heading, { "text-anchor": "start", "font-size": 15, "font-weight": 700 }),
      draw("g", { "data-picture": name }, ...inside.map(([, element]) => element)),
      draw("g", { "data-legend": "" }, ...below.map(([, element]) => element)));
    const keyed = [...inside, ...below].map(([what, element]) => [JSON.stringify(what), element]);
    if (last.length) fadeIn(keyed.filter(([key]) => !before.has(key)).map(([, element]) => element));
    before = new Set(keyed.map(([key]) => key));
    last = [name, hidden];
  };
  return { svg, show };
}

// What the last picture did not have comes slowly, so that the eye finds what is new.
function fadeIn(elements) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const element of elements) element.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 600, easing: "ease-in" });
}

function edgeNode({ kind, start, end, colour, points, tip }, lines) {
  const gone = colour === "gone";
  const [dashes, width] = gone ? [[1, 3], 1.2] : lines[kind];
  const [[x0, y0], [x1, y1], [x, y]] = points;
  const line = draw("path", { d: `M${x0} ${y0}Q${x1} ${y1} ${x} ${y}`, fill: "none", stroke: COLOURS[colour],
    "stroke-width": width, "stroke-dasharray": dashes ? dashes.join(" ") : null });
  const head = tip.length && !gone ? [draw("polygon", { points: tip.join(" "), fill: COLOURS[colour] })] : [];
  return draw("g", { "data-edge": kind, "data-from": start, "data-to": end, "data-colour": colour }, line, ...head);
}

function boxNode({ name, x, y, colour, text: words, parts }) {
  const gone = colour === "gone";
  const shapes = parts.map(({ polygon, disc, fill }) => {
    const share = gone ? 0 : Math.round(100 * fill);
    const style = `fill: color-mix(in srgb, ${COLOURS[colour]} ${share}%, var(--unet-paper)); stroke: ${COLOURS[colour]}; `
      + `stroke-width: 1.4; stroke-linejoin: round; stroke-dasharray: ${gone ? "1.4 2.8" : "none"}`;
    return disc ? draw("circle", { cx: disc[0], cy: disc[1], r: disc[2], style })
      : draw("polygon", { points: polygon.join(" "), style });
  });
  return draw("g", { "data-node": name, "data-colour": colour }, ...shapes, text(x, y, words));
}

// Words around a place, a line for each line.
function text(x, y, words, more = {}) {
  const rows = words.split("\n");
  const spans = rows.map((row, i) => draw("tspan", { x, y: y + 14.4 * (i - (rows.length - 1) / 2) + 4.2 }, row));
  return draw("text", { "font-size": 12, "text-anchor": "middle", ...more }, ...spans);
}

// ---- the words --------------------------------------------------------------------------------

// All texts of a field lie in one place and one of them is seen, so the height never changes.
function wordList(names, table, fields) {
  const rows = Object.entries({ sentence: "The idea", ...fields, paper: "Source" }).map(([field, heading]) => {
    const texts = names.map((name) => make("span", { style: "grid-area: 1 / 1" }, table[name][field]));
    const node = [make("div", { style: "font-weight: 600" }, heading),
      make("div", { style: "display: grid" }, ...texts)];
    const show = (shown, hidden) => texts.forEach((span, i) => {
      const on = names[i] === shown && !hidden;
      span.style.visibility = on ? "" : "hidden";
      if (on) span.dataset.fact = field;
      else delete span.dataset.fact;
    });
    return { node, show };
  });
  const node = make("div", { style: "display: grid; grid-template-columns: 116px 1fr; gap: 5px 10px; margin-top: 8px" },
    ...rows.flatMap((row) => row.node));
  return { node, show: (name, hidden) => { for (const row of rows) row.show(name, hidden); } };
}

export default { render };
