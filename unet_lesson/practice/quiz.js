// Quiz: one question at a time. Python judges the answers.
// model.page: place, question, zh, choices, unit; problem, why an answer was none; once answered
// verdict and where. At the end instead: result, topics, missed, so_far, others: can there be others?
// notice: a word about the progress.

function render({ model, el }) {
  return board({ model, el }, "Quiz", 540, (page, ask) => (page.result ? resultPage : questionPage)(page, ask));
}

function questionPage(page, ask) {
  const { verdict, choices } = page;
  const answer = choices.length ? choiceList(page, ask) : numberField(page, ask);
  const next = verdict && press("Next", () => ask({ do: "go_on" }));
  const hint = choices.length ? `Keys 1 to ${choices.length} choose.` : "Enter answers.";
  const said = verdict ? verdictNodes(page) : [];
  return {
    body: [text(page.place, { class: "unet-quiet", "data-fact": "place" }),
      text(page.question, { class: "unet-question", "data-fact": "question" }),
      chinese(page.zh, { class: "unet-quiet" }), answer.node, ...said],
    foot: [next ?? make("span", { class: "unet-quiet" }, hint), noticeOf(page)],
    focus: next ?? answer.focus,
    words: verdict ? [...verdictWords(verdict), verdict.answer].join(" ") : page.problem ?? `${page.place}. ${page.question}`,
    keys: answer.keys,
    show: said[0],
  };
}

// A button for each choice; once answered they show which is right and which was chosen.
function choiceList({ choices, verdict }, ask) {
  const keys = {};
  const buttons = choices.map((choice, i) => {
    const right = choice === verdict?.choice;
    const mine = choice === verdict?.given;
    const choose = () => { if (!verdict) ask({ do: "answer", given: choice }); };
    keys[i + 1] = choose;
    const button = press("", choose, { class: "unet-choice", "data-choice": i, "aria-disabled": Boolean(verdict) });
    button.append(make("span", { class: "unet-mark" }, right ? "✓" : mine ? "✗" : i + 1),
      make("span", {}, choice, right ? " (right)" : mine ? " (your answer)" : ""));
    return button;
  });
  return { node: make("div", { role: "group", "aria-label": "choices" }, ...buttons), focus: buttons[0], keys };
}

function verdictWords({ right, why, often }) {
  return [right ? "Right." : "Not right.", why, often].filter(Boolean);
}

function verdictNodes({ verdict, where }) {
  const [first, ...rest] = verdictWords(verdict);
  return [
    make("div", { class: `unet-said ${verdict.right ? "" : "unet-no"}`, "data-fact": "verdict" },
      make("strong", {}, first), " ", rest.join(" ")),
    text(verdict.answer, { "data-fact": "answer" }), where.href ? linkTo(where) : "",
  ];
}

function resultPage(page, ask) {
  const again = press(page.missed.length ? "Ask the missed ones again" : "Once more", () => ask({ do: "again" }));
  const others = page.others ? press("Other questions", () => ask({ do: "others" })) : "";
  const missed = page.missed.map(({ question, where }) =>
    make("li", {}, text(question), where.href ? linkTo(where) : ""));
  return {
    body: [text(page.result, { class: "unet-question", "data-fact": "result" }), text(page.topics),
      text(page.so_far, { "data-fact": "so-far" }), missed.length ? make("ul", {}, ...missed) : ""],
    foot: [again, others, noticeOf(page)],
    focus: again,
    words: `${page.result} ${page.topics}`,
  };
}

export default { render };
