// Shared by the widgets for practice; practice/board.py puts this text behind base.js.
// Python fills model.page; draw(page, ask, redraw) gives what is seen: nodes for the body and the
// foot, the element to focus, the words to speak, keys, {key: what it does}, and show, a node that
// must be in sight.

const WAIT = "Waiting for the kernel. If it was restarted, run this cell again.";

function board({ model, el }, name, height, draw) {
  const root = mount(el, name, height);
  root.style.height = `${height}px`; // what is longer is scrolled
  root.tabIndex = -1; // a click on text keeps the keys here: in JupyterLab "2" makes a heading of the cell
  root.classList.add("unet-board");
  const body = make("div", { class: "unet-board-body", tabindex: 0, role: "group", "aria-label": "question" });
  const foot = make("div", { class: "unet-board-foot" });
  const wait = make("div", { class: "unet-board-wait", role: "status" });
  root.append(body, wait, foot);
  const say = speaker(root);
  let keys = {};
  let asked = null; // Python answers one message at a time

  function ask(message) {
    if (asked !== null) return;
    asked = setTimeout(() => { wait.textContent = WAIT; }, 1500);
    model.send(message);
  }
  function answered() {
    clearTimeout(asked);
    asked = null;
    wait.textContent = "";
  }
  root.addEventListener("keydown", (event) => {
    if (event.repeat && ["Enter", " "].includes(event.key)) event.preventDefault(); // one press, one answer
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || !(event.key in keys)) return;
    const taken = ["Enter", " "].includes(event.key) ? "input, button, a" : "input";
    if (event.target.closest(taken)) return; // it has a use for the key itself
    event.preventDefault();
    keys[event.key]();
  });
  root.addEventListener("click", (event) => openBeside(event, model.widget_manager?.context?.path));
  function redraw() {
    const here = root.contains(document.activeElement);
    const keep = document.activeElement?.dataset?.keep; // an element that is drawn anew keeps the focus
    if (here) root.focus({ preventScroll: true }); // else the focus would fall out of the widget
    const seen = draw(model.get("page"), ask, redraw);
    body.replaceChildren(...seen.body.filter(Boolean));
    foot.replaceChildren(...seen.foot.filter(Boolean));
    body.scrollTop = seen.show ? seen.show.offsetTop - body.offsetTop : 0; // only what does not fit scrolls
    keys = seen.keys ?? {};
    const kept = keep && root.querySelector(`[data-keep="${keep}"]`);
    if (here) (kept || seen.focus).focus({ preventScroll: true });
    say(seen.words);
  }
  model.on("msg:custom", answered);
  model.on("change:page", redraw);
  redraw();
  return () => { model.off("msg:custom", answered); model.off("change:page", redraw); };
}

const text = (words, more = {}) => make("p", more, words);
const chinese = (words, more = {}) => make("p", { lang: "zh-Hans", ...more }, words);

// The place in the notebooks that shows the answer.
function linkTo({ href, text: words }) {
  return make("p", {}, "Shown in ", make("a", { href, target: "_blank", rel: "noopener" }, words));
}

// JupyterLab opens it beside this notebook, by the command of its own links; a notebook that is not open yet
// scrolls to the heading only when asked again. Elsewhere a link is a plain link.
function openBeside(event, here) {
  const link = event.target.closest("a");
  if (!link || !here) return;
  const [file, heading] = link.getAttribute("href").split("#");
  const args = { path: [...here.split("/").slice(0, -1), file].join("/"), id: `#${heading}` };
  link.dataset.commandlinkerCommand = "rendermime:handle-local-link";
  link.dataset.commandlinkerArgs = JSON.stringify(args);
  if (event.isTrusted) setTimeout(() => link.click(), 1500);
}

function press(words, onclick, more = {}) {
  return make("button", { type: "button", onclick, ...more }, words);
}

// What Python has to say about the progress file, such as that it cannot be written.
const noticeOf = ({ notice }) => (notice ? make("p", { class: "unet-said unet-no", "data-fact": "notice" }, notice) : "");

// A number to type: {unit, problem: why the last one was none, given: what was typed, verdict: once judged}.
function numberField({ unit, verdict, problem, given }, ask) {
  const id = newId();
  const field = make("input", { id, type: "text", inputmode: "decimal", autocomplete: "off",
    "aria-invalid": Boolean(problem), readonly: verdict ? "" : null });
  field.value = verdict?.given ?? given ?? "";
  const send = () => { if (!verdict) ask({ do: "answer", given: field.value }); };
  field.addEventListener("keydown", (event) => { if (event.key === "Enter") send(); });
  const node = make("div", {},
    make("div", { class: "unet-field" }, make("label", { for: id }, "Your number"), field, unit,
      ...(verdict ? [] : [press("Answer", send)])),
    make("div", { class: "unet-wrong" }, problem ?? ""));
  return { node, focus: field, keys: {} };
}
