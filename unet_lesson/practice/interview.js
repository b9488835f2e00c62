// Mock interview: say the answer aloud, show it, tick the points that you said. Python asks and keeps.
// model.page.stage: "ready" (minutes, count); "question" (place, question, zh, typed, unit, problem,
// started, until, minutes; times in seconds); "answer" (also answer, points, often, verdict, where);
// "result" (result, topics, missed, earlier). notice: a word about the progress.

const PAGES = { ready: readyPage, question: askedPage, answer: askedPage, result: resultPage };

function render({ model, el }) {
  const timer = clockFace(model);
  const stop = board({ model, el }, "Mock interview", 560, (page, ask) => {
    timer.tick();
    return PAGES[page.stage](page, ask, timer.node);
  });
  const every = setInterval(timer.tick, 1000);
  return () => { clearInterval(every); stop(); };
}

const inMinutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds) % 60).padStart(2, "0")}`;

// How long it has taken, of how long, and until when this question should be done.
function clockFace(model) {
  const node = make("p", { role: "timer", class: "unet-quiet", "data-fact": "clock", style: "font-variant-numeric: tabular-nums" });
  const tick = () => {
    const { stage, started, until, minutes } = model.get("page");
    if (!["question", "answer"].includes(stage)) return;
    const gone = Math.max(Date.now() / 1000 - started, 0);
    const over = gone > 60 * minutes;
    const late = gone > until;
    const advice = over ? "the time is up" : late ? `this question had until ${inMinutes(until)}` : `this question has until ${inMinutes(until)}`;
    node.textContent = `${inMinutes(gone)} of ${minutes}:00, ${advice}`;
    node.classList.toggle("unet-wrong", late);
    node.classList.toggle("unet-quiet", !late);
  };
  return { node, tick };
}

function readyPage({ minutes, count }, ask) {
  const start = press("Start the clock", () => ask({ do: "start" }));
  const words = `${count} questions in ${minutes} minutes.`;
  return {
    body: [text(words, { class: "unet-question", "data-fact": "ready" }),
      text("Say each answer aloud, in whole sentences, as you would to somebody at a whiteboard. Then show it, and tick the points that you did say."),
      text("Where a number is asked for, work it out on paper and type it.")],
    foot: [start], focus: start, words, keys: { " ": () => ask({ do: "start" }), Enter: () => ask({ do: "start" }) },
  };
}

// The question, and once it is answered the answer with the points to tick.
function askedPage(page, ask, timer) {
  const shown = page.stage === "answer";
  const field = page.typed && !shown && numberField(page, ask);
  const ticks = shown && !page.typed && pointList(page.points);
  const show = () => ask({ do: "show_answer" });
  const next = () => ask({ do: "go_on", said: ticks ? ticks.said() : [] });
  const answer = shown && text(page.answer, { class: "unet-said", "data-fact": "answer" });
  const button = shown ? press("Next", next) : press("Show the answer", show, { "data-show": "" });
  const move = shown ? next : show;
  return {
    body: [make("div", { style: "display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 24px" },
      text(page.place, { class: "unet-quiet", "data-fact": "place" }), timer),
      text(page.question, { class: "unet-question", "data-fact": "question" }), chinese(page.zh, { class: "unet-quiet" }),
      field && field.node, ...(shown ? answerNodes(page, answer, ticks) : [])],
    foot: [button, ticks && ticks.count],
    focus: field ? field.focus : button,
    show: answer,
    words: shown ? [...verdictWords(page), page.answer].join(" ") : page.problem || `${page.place}. ${page.question}`,
    keys: { ...(ticks ? ticks.keys : {}), " ": move, Enter: move },
  };
}

function verdictWords({ verdict }) {
  return verdict ? [verdict.right ? `${verdict.given} is right.` : `${verdict.given} is not right.`, verdict.why].filter(Boolean) : [];
}

function answerNodes(page, answer, ticks) {
  const { verdict } = page;
  return [
    verdict && make("div", { class: `unet-said ${verdict.right ? "" : "unet-no"}`, "data-fact": "verdict" }, verdictWords(page).join(" ")),
    answer,
    ticks && text("Which of these points did you say?"), ticks && ticks.node,
    page.often && text(page.often, { "data-fact": "often" }), linkTo(page.where),
  ];
}

// The points that the answer must contain, each to be ticked by a click or by its number.
function pointList(points) {
  const count = make("span", { class: "unet-quiet", role: "status", "data-fact": "ticked" });
  const ticked = new Set();
  const keys = {};
  const buttons = points.map((point, i) => {
    const mark = make("span", { class: "unet-mark", "aria-hidden": "true" }, i + 1);
    const toggle = () => {
      if (!ticked.delete(i)) ticked.add(i);
      button.setAttribute("aria-checked", ticked.has(i));
      mark.textContent = ticked.has(i) ? "✓" : i + 1;
      count.textContent = `${ticked.size} of ${points.length} points ticked.`;
    };
    keys[i + 1] = toggle;
    const button = press("", toggle, { class: "unet-choice", role: "checkbox", "aria-checked": false, "data-point": i });
    button.append(mark, make("span", {}, point));
    return button;
  });
  count.textContent = `Keys 1 to ${points.length} tick a point.`;
  const node = make("div", { role: "group", "aria-label": "points" }, ...buttons);
  return { node, keys, count, said: () => [...ticked].sort() };
}

function resultPage(page, ask) {
  const again = press("Another interview", () => ask({ do: "again" }));
  const topics = Object.entries(page.topics).map(([topic, [said, of]]) =>
    make("li", { "data-topic": topic }, `${topic}: ${said} of ${of}`));
  const missed = page.missed.map(({ question, points, where }) =>
    make("li", {}, text(question), text(`Not said: ${points.join("; ")}.`), linkTo(where)));
  const earlier = page.earlier.map((words) => make("li", {}, words));
  return {
    body: [text(page.result, { class: "unet-question", "data-fact": "result" }), make("ul", {}, ...topics),
      missed.length && text("What to look up:"), missed.length && make("ul", { "data-fact": "missed" }, ...missed),
      earlier.length && text("Earlier interviews:"), earlier.length && make("ul", { "data-fact": "earlier" }, ...earlier)],
    foot: [again, noticeOf(page)],
    focus: again,
    words: page.result,
  };
}

export default { render };
