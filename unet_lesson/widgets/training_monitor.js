// TrainingMonitor: a picture that Python draws anew after each epoch.
// model: png, the picture; words, what it shows.

function render({ model, el }) {
  const root = mount(el, "Training monitor", 330);
  const image = make("img", { style: "display: block; max-width: 100%; height: auto" });
  const line = make("div", { "data-fact": "epoch", style: "min-height: 24px" });
  root.append(image, line);
  const say = speaker(root);
  let address;
  const redraw = () => {
    if (address) URL.revokeObjectURL(address);
    address = URL.createObjectURL(new Blob([model.get("png")], { type: "image/png" }));
    image.src = address;
    image.alt = line.textContent = model.get("words");
    say(model.get("words"));
  };
  model.on("change:words", redraw);
  redraw();
  return () => { model.off("change:words", redraw); URL.revokeObjectURL(address); };
}

export default { render };
