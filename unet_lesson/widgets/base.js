// Shared by all explorers; widgets/base.py puts this text in front of each NAME.js.
// Python computes, this only looks up, draws and listens.

const SVG = "http://www.w3.org/2000/svg";

// Ids must differ between all explorers of the page, and each loads this text anew.
const newId = () => `unet-${Math.random().toString(36).slice(2)}`;

// make("button", { class: "x", onclick: f }, "text", child) -> element
function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

// The root of an explorer. No key leaves it but that for saving: in JupyterLab "d d" would delete the cell.
function mount(el, name, height) {
  const root = make("div", { class: "unet-explorer", role: "group", "aria-label": name });
  root.style.minHeight = `${height}px`;
  for (const kind of ["keydown", "keypress", "keyup"]) {
    root.addEventListener(kind, (event) => {
      if (!(event.key === "s" && (event.ctrlKey || event.metaKey))) event.stopPropagation();
    });
  }
  el.append(root);
  return root;
}

// A labelled slider with a number field beside it; both call onInput(value) at each step. A number
// out of range turns the field red and names the range, with the nearest end as a button.
function slider(label, { min, max, step = 1, value, onInput }) {
  const id = newId();
  const range = make("input", { id, type: "range", min, max, step });
  const field = make("input", { type: "number", min, max, step, "aria-label": `${label}, number` });
  const numbers = step === 1 ? "whole numbers" : `multiples of ${step},`;
  const refusal = make("div", { class: "unet-limits unet-wrong", role: "alert" });
  const show = (v) => { // leaves the field alone while someone types in it
    range.value = v;
    if (document.activeElement === field) return;
    field.value = v;
    field.setAttribute("aria-invalid", false);
    refusal.replaceChildren();
  };
  const take = (text) => {
    const [v, lo, hi] = [Number(text), Number(range.min), Number(range.max)];
    const fits = Number.isInteger(v / step) && v >= lo && v <= hi;
    const wrong = text !== "" && !fits;
    field.setAttribute("aria-invalid", wrong);
    refusal.replaceChildren();
    if (wrong) {
      const near = Math.min(Math.max(step * Math.round(v / step), lo), hi);
      const use = () => { field.value = near; take(String(near)); field.focus(); };
      refusal.append(`${numbers} ${lo} to ${hi}`, make("button", { onclick: use }, near));
    } else if (text !== "") {
      show(v);
      onInput(v);
    }
  };
  range.addEventListener("input", () => take(range.value));
  field.addEventListener("input", () => take(field.value));
  field.addEventListener("blur", () => { if (field.value === "") field.value = range.value; });
  show(value);
  const node = make("div", { class: "unet-control" }, make("label", { for: id }, label), range, field, refusal);
  const limit = (lo, hi) => { for (const box of [range, field]) { box.min = lo; box.max = hi; } };
  return { node, range, field, show, limit };
}

// A row of radio buttons; options is [[value, text], ...].
function choice(label, { options, value, onChange }) {
  const name = newId();
  const inputs = options.map(([v, text]) => {
    const id = `${name}-${v}`;
    const input = make("input", { type: "radio", name, id, value: v, onchange: () => onChange(v) });
    return [v, input, make("label", { for: id }, text)];
  });
  const show = (v) => { for (const [w, input] of inputs) input.checked = String(v) === String(w); };
  show(value);
  const node = make("fieldset", { class: "unet-control" }, make("legend", {}, label),
    ...inputs.map(([, input, text]) => make("span", {}, input, text)));
  return { node, show };
}

// A line that screen readers speak, half a second after the last change. It is not seen: the page
// shows the same words.
function speaker(root) {
  const line = make("div", { class: "unet-spoken", "aria-live": "polite" });
  root.append(line);
  return later((text) => { line.textContent = text; }, 500);
}

// later(f, ms)(x): calls f(x) once the calls have paused for ms milliseconds.
function later(action, ms) {
  let timer;
  return (...given) => { clearTimeout(timer); timer = setTimeout(() => action(...given), ms); };
}

// onFrame(f): asks for f before the next repaint, at most once a frame.
function onFrame(action) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; action(); });
  };
}

// What Python sent as bytes, to be read as numbers 0 to 255.
function bytes(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

// Tell Python what the learner set, after a pause in the dragging.
function teller(model) {
  return later(() => model.save_changes(), 150);
}
