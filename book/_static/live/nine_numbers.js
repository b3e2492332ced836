/* Nine numbers: the decoder of `lines-1-4` with a slider for each latent, its structure and the statistics of that. */
"use strict";

microtutor.parts.mount("mt-nine-numbers", ({ weights: address }) => {
  const { evenSide, decoder, fourier, parts, pictures } = microtutor;
  const { make, button, list, figure, say } = parts;
  if (!window.DecompressionStream) throw new Error("it cannot unpack the decoder");
  const N = 224, LATENTS = 9, MOST = 4, STEP = 0.05, DRAW = "a draw from the prior";

  /* Before the decoder is there: a still picture, and a button that asks for it. */
  const still = document.querySelector(".mt-nine-numbers img").cloneNode();
  const news = make("p", { class: "mt-news", role: "status" });
  const asks = button("Load the decoder (5 MB)", ask);
  const panel = make("div", {}, still, make("div", { class: "mt-row" }, asks), news);

  function ask() {
    let file = null;
    microtutor.weights = (text) => { file = text; };
    asks.disabled = true;
    news.textContent = "Loading the decoder ...";
    const end = () => { script.remove(); finish(file); };
    const script = make("script", { src: address, onload: end, onerror: end });
    document.head.append(script);
  }

  async function finish(file) {
    try {
      const net = await decoder.load(file);
      panel.replaceChildren(...controls(net));
      panel.querySelector("select").focus({ preventScroll: true });
    } catch {
      asks.disabled = false;
      asks.textContent = "Try again";
      news.textContent = "The weights of the decoder did not arrive, so the picture above stays as it is. Look whether you are connected, and try again.";
    }
  }

  function controls(net) {
    const titles = JSON.parse(net.about.titles).map((title, i) => `image ${i + 1}: ${title}`);
    const heldOut = titles.map((title, i) => ({
      title,
      latents: Array.from(net["held_out.latents"].subarray(LATENTS * i, LATENTS * (i + 1))),
      m: Float64Array.from({ length: N * N }, (_, k) => (net["held_out.images"][(i * N * N + k) >> 3] >> (7 - (k & 7))) & 1),
    }));
    const state = { z: null, start: null, end: heldOut[1], cut: false };

    const picture = parts.canvas("The structure that the decoder draws"), original = parts.canvas("The held-out image of the start");
    const map = parts.canvas("Map of f of the decoded structure, zero shift in the middle"), curve = parts.svg("Radial average of f");
    const reading = make("p", { class: "mt-reading", "aria-live": "polite" }), python = make("code");
    const startFigure = figure("the start: a held-out image", original);

    const draw = parts.oncePerFrame(update);
    function update() {
      const begin = performance.now();
      const decoded = decoder.decode(net, state.z), m = state.cut ? decoded.map((v) => (v > 0.5 ? 1 : 0)) : decoded;
      const f = evenSide.autocorrelation(m, N), phi = m.reduce((sum, v) => sum + v, 0) / (N * N);
      pictures.image(picture, m, N);
      pictures.map(map, f, N);
      pictures.curve(curve, fourier.radialAverage(f, N), {
        levels: { "φ": phi, "φ²": phi * phi }, xLabel: "distance r (px)", yLabel: "f(r), mean over directions",
      });
      const errorTo = (other) => say(fourier.statisticsError(f, other.f ??= evenSide.autocorrelation(other.m, N)));
      const toStart = state.start.m ? `Statistics error to the start: ${errorTo(state.start)}.` : "A draw has no original, so there is no error to say.";
      const toEnd = Number(walk.value) ? ` To ${state.end.title}: ${errorTo(state.end)}.` : "";
      reading.textContent = `Volume fraction φ = ${say(phi)}. ${toStart}${toEnd}`;
      python.textContent = `VAE.from_pretrained("lines-1-4").decode(torch.tensor([[${state.z.join(", ")}]]))`;
      panel.dataset.milliseconds = (performance.now() - begin).toFixed(0);
    }

    /* Other latents, to four decimals, so that what is shown is what is decoded. */
    function set(z) {
      state.z = z.map((v) => Math.round(v * 1e4) / 1e4);
      sliders.forEach((slider, k) => tell(slider, k));
      draw();
    }

    function tell(slider, k) {
      if (document.activeElement !== slider || Math.abs(slider.value - state.z[k]) > STEP) slider.value = state.z[k];
      slider.setAttribute("aria-valuetext", state.z[k].toFixed(2));
      values[k].textContent = state.z[k].toFixed(2);
    }

    const values = Array.from({ length: LATENTS }, () => make("output"));
    const sliders = values.map((_, k) => make("input", {
      type: "range", min: -MOST, max: MOST, step: STEP, "aria-label": `latent ${k}, in standard deviations`,
      oninput: (event) => {
        walk.value = 0;
        set(state.z.map((v, i) => (i === k ? Number(event.target.value) : v)));
      },
    }));

    const walk = make("input", {
      type: "range", min: 0, max: 1, step: 0.02, value: 0, "aria-label": "Way from the start to the other image, from 0 to 1",
      oninput: () => set(state.start.latents.map((v, k) => v + (state.end.latents[k] - v) * walk.value)),
    });

    /* Begin at a held-out image, or at a draw. */
    function begin(start) {
      state.start = start;
      startFigure.hidden = !start.m;
      if (start.m) pictures.image(original, start.m, N);
      starts.value = start.title;
      walk.value = 0;
      set(start.latents);
    }

    const byTitle = (title) => heldOut.find((one) => one.title === title);
    const starts = list("Start", titles, (title) => begin(byTitle(title)), DRAW);
    starts.firstChild.hidden = true; // it is shown after a draw, and is drawn by its button
    const ends = list("Other image", titles, (title) => { state.end = byTitle(title); if (Number(walk.value)) walk.dispatchEvent(new Event("input")); });
    ends.value = state.end.title;
    const cut = button("Cut at 0.5", () => {
      state.cut = !state.cut;
      cut.setAttribute("aria-pressed", String(state.cut));
      draw();
    }, { "aria-pressed": "false" });

    begin(heldOut[0]);
    return [
      make("div", { class: "mt-row" }, make("label", {}, "start: ", starts), button("Draw from the prior", () => begin({ title: "", latents: decoder.drawFromPrior(net) })),
        button("Back to the start", () => begin(state.start)), button("All at 0", () => { walk.value = 0; set(Array(LATENTS).fill(0)); }), cut),
      make("div", { class: "mt-row" }, make("label", { class: "mt-walk" }, "walk to ", ends), walk),
      make("div", { class: "mt-sliders" }, ...sliders.map((slider, k) => make("label", {}, make("span", {}, `latent ${k}`), slider, values[k]))),
      make("div", { class: "mt-panels" }, startFigure, figure("decoded from the nine numbers", picture),
        figure("its map of f, zero shift in the middle", map), figure("radial average of f", curve)),
      reading,
      make("details", {}, make("summary", {}, "The same in Python"), python),
    ];
  }

  return [panel];
});
