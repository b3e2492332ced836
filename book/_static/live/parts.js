/* Small parts of a panel: elements, buttons, choices. */
"use strict";
window.microtutor ??= {};

microtutor.parts = (() => {
  /* An element with attributes and children; a property that starts with "on" is a function that listens. */
  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (value === true) element.setAttribute(key, "");
      else if (value !== false && value !== undefined) element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  const button = (text, onclick, more = {}) => make("button", { type: "button", onclick, ...more }, text);

  /* Buttons of which one is pressed: {value: text}. */
  function choice(label, options, chosen, onchange) {
    const group = make("div", { role: "group", "aria-label": label, class: "mt-choice" });
    const press = (value) => {
      for (const one of group.children) one.setAttribute("aria-pressed", String(one.dataset.value === value));
    };
    for (const [value, text] of Object.entries(options)) {
      group.append(button(text, () => { press(value); onchange(value); }, { "data-value": value }));
    }
    press(chosen);
    return group;
  }

  /* A list to choose from. */
  function list(label, names, onchange, first) {
    const select = make("select", { "aria-label": label, onchange: () => { onchange(select.value); } });
    if (first) select.append(make("option", { value: "" }, first));
    select.append(...names.map((name) => make("option", { value: name }, name)));
    return select;
  }

  /* A canvas that can be reached by keys and is described to a screen reader. */
  const canvas = (label, more = {}) => make("canvas", { class: "mt-canvas", role: "img", "aria-label": label, ...more });

  const svg = (label) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    element.setAttribute("class", "mt-curve");
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", label);
    return element;
  };

  /* A titled part of a panel. */
  const figure = (title, ...children) => make("figure", {}, make("figcaption", {}, title), ...children);

  /* A number for people: 0.1234 or 1.2e-5; what is only rounding is 0. */
  const say = (v) => (Math.abs(v) < 1e-15 ? "0" : Math.abs(v) < 1e-3 ? v.toExponential(1) : v.toFixed(4));

  /* Calls a function at most once per frame of the screen. */
  function oncePerFrame(work) {
    let asked = false;
    return () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => { asked = false; work(); });
    };
  }

  /* The way of an arrow key, [down, right] in pixels, longer with the shift key; undefined for another key. */
  function arrow({ key, shiftKey }) {
    const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
    return way?.map((v) => v * (shiftKey ? 8 : 1));
  }

  /* Fills each element of a class with a panel; what it held, a still picture, stays where something goes wrong. */
  function mount(name, build) {
    const start = () => {
      for (const place of document.querySelectorAll(`.${name}`)) {
        try {
          if (!window.Float64Array) throw new Error("it has no typed arrays");
          const panel = build(place.dataset);
          place.replaceChildren(...panel);
          place.classList.add("mt-live");
        } catch (error) {
          place.append(make("p", { role: "alert" }, `This panel could not start in this browser (${error.message}); the picture above stands for it.`));
        }
      }
    };
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
    else start();
  }

  return { make, button, choice, list, canvas, svg, figure, say, oncePerFrame, arrow, mount };
})();
