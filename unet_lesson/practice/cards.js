// Cards: the question, then the answer, then how well it was known. Python schedules.
// model.page: due, new, unseen_left, rated, coming, {when: cards}, next, when the next card is due; and if
// there is a card: id, topic, level, question, zh, answer, must, wrong, where, unseen, early and times,
// [rating, when it would come back]. notice: a word about the progress.

function render({ model, el }) {
  let shown; // the card that was last drawn
  let turned = false;
  let language = "English";
  return board({ model, el }, "Cards", 540, (page, ask, redraw) => {
    if (page !== shown) [shown, turned] = [page, false];
    const turn = () => { turned = !turned; redraw(); };
    const speak = (name) => { language = name; redraw(); };
    return page.id ? cardPage(page, ask, { turned, turn, language, speak }) : donePage(page, ask);
  });
}

function cardPage(page, ask, { turned, turn, language, speak }) {
  const rate = (rating) => ask({ do: "rate", rating });
  const keys = turned ? Object.fromEntries(page.times.map(([rating], i) => [i + 1, () => rate(rating)])) : {};
  const turner = press(turned ? "Hide the answer" : "Show the answer", turn, { "data-turn": "" });
  const ratings = page.times.map(([rating, time], i) =>
    press(`${i + 1} ${rating}: ${time}`, () => rate(rating), { "data-rating": rating }));
  const question = language === "English" ? page.question : page.zh;
  const asked = language === "English" ? text : chinese;
  return {
    body: [planOf(page), text(`${page.topic}, level ${page.level}${page.unseen ? ", new" : page.early ? ", a little early" : ""}`, { class: "unet-quiet" }),
      languages(language, speak),
      asked(question, { class: "unet-question", "data-fact": "question" }), ...(turned ? answerNodes(page) : [])],
    foot: [turner, ...(turned ? ratings : []), noticeOf(page)],
    focus: turner,
    words: turned ? page.answer : question,
    keys: { ...keys, " ": turn, Enter: turn },
  };
}

function languages(language, speak) {
  const button = (name, more) => press(name, () => speak(name), { "aria-pressed": name === language, "data-keep": name, ...more });
  return make("div", { class: "unet-languages", role: "group", "aria-label": "language of the question" },
    button("English"), button("中文", { lang: "zh-Hans" }));
}

function answerNodes({ answer, must, wrong, where }) {
  return [
    text(answer, { "data-fact": "answer" }), text("It must contain:"),
    make("ul", {}, ...must.map((point) => make("li", {}, point))),
    wrong.says ? text(`Often said: ${wrong.says} ${wrong.why}`) : "", linkTo(where),
  ];
}

// What is due today, and what comes when.
function planOf(page) {
  const comes = Object.entries(page.coming).map(([when, cards]) => `${when} ${cards}`).join(", ");
  return text(`Rated: ${page.rated}. Due now: ${page.due}. New in this sitting: ${page.new}, of ${page.unseen_left} not seen yet. `
    + (comes ? `Coming: ${comes}.` : "Nothing is planned for later yet."), { class: "unet-quiet", "data-fact": "plan" });
}

function donePage(page, ask) {
  const look = press("Look again", () => ask({ do: "look" }));
  const more = page.unseen_left ? press("More new cards", () => ask({ do: "more" })) : "";
  const words = "Nothing is due now. " + (page.next ? `The next card comes in ${page.next}.` : "There are no cards yet.");
  return { body: [planOf(page), text(words, { class: "unet-question", "data-fact": "done" })],
    foot: [look, more, noticeOf(page)], focus: look, words };
}

export default { render };
