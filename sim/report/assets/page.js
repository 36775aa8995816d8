"use strict";
/* Draws the charts of a page, links those that share its axis of time, and serves tabs, theme and tooltips.
   Whatever comes from a run is data here: it is drawn as text and never as markup or code. */
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const views = new Map();
  const zoomed = { from: null, to: null, lo: 0, hi: 1 };
  const failures = [];

  const CONFIG = {
    background: "transparent", font: "system-ui, sans-serif", padding: 2,
    axis: { labelColor: "var(--soft)", titleColor: "var(--soft)", titleFontWeight: "normal", domainColor: "var(--line)", tickColor: "var(--line)",
            gridColor: "var(--grid-line)", labelFontSize: 12, titleFontSize: 12, labelLimit: 190, titleLimit: 300 },
    legend: { labelColor: "var(--ink)", titleColor: "var(--soft)", orient: "top", labelFontSize: 12, symbolType: "square", symbolOpacity: 1, labelLimit: 220, title: null },
    text: { fill: "var(--ink)", fontSize: 12 }, rule: { stroke: "var(--soft)" },
    title: { color: "var(--ink)" }, header: { labelColor: "var(--ink)", titleColor: "var(--soft)" },
    view: { stroke: null },
  };

  /* Tooltips: keys and values as text. */
  const tip = document.createElement("div");
  tip.id = "tip"; tip.hidden = true; tip.setAttribute("role", "tooltip");
  document.body.append(tip);
  function showTip(_handler, event, _item, value) {
    if (value === null || value === undefined || value === "") { tip.hidden = true; return; }
    tip.replaceChildren();
    const pairs = typeof value === "object" ? Object.entries(value) : [["", String(value)]];
    for (const [key, words] of pairs) {
      const line = document.createElement("div"), name = document.createElement("b"), said = document.createElement("bdi");
      name.textContent = key ? key + ": " : ""; said.textContent = String(words).slice(0, 300);
      line.append(name, said); tip.append(line);
    }
    tip.hidden = false;
    const wide = tip.offsetWidth, x = Math.min(event.pageX + 14, root.clientWidth + scrollX - wide - 8);
    tip.style.left = Math.max(4, x) + "px"; tip.style.top = event.pageY + 16 + "px";
  }

  const refuse = () => Promise.reject(new Error("a page loads nothing"));
  const loader = { load: refuse, sanitize: refuse, http: refuse, file: refuse };

  /* A chart that has a narrow form takes it where there is no room for the other; any other scrolls in its place. */
  const placeOf = (box) => Math.max(260, Math.floor(box.clientWidth) - 2);
  const isNarrow = (box, told) => placeOf(box) < (told.narrow_below || 520);
  const widthOf = (box, told) => (told.narrow && isNarrow(box, told) ? placeOf(box) : Math.max(placeOf(box), told.least_width || 0));

  async function draw(box, now = false) {
    const source = document.querySelector('script[data-spec="' + box.dataset.chart + '"]');
    const spec = JSON.parse(source.textContent);
    const told = (spec.usermeta || {}).coldaisle || {};
    const width = widthOf(box, told);
    const wide = width > box.clientWidth;
    box.parentElement.classList.toggle("wide", wide);
    if (wide) { box.tabIndex = 0; box.setAttribute("role", "region"); box.setAttribute("aria-label", "Chart, scrolls sideways"); }
    if (spec.width === "container") { spec.width = width; spec.autosize = { type: "fit", contains: "padding" }; }
    const narrow = width < 520;
    if (told.narrow && isNarrow(box, told)) Object.assign(spec, told.narrow);
    const config = structuredClone(CONFIG);
    if (narrow) { config.axis.labelLimit = 96; config.axis.labelFontSize = 11; config.legend.columns = 2; config.legend.labelLimit = 130; }
    const compiled = vegaLite.compile(spec, { config, logger: quiet() }).spec;
    const runtime = vega.parse(compiled, null, { ast: true });
    const view = new vega.View(runtime, { expr: vegaInterpreter.expressionInterpreter, renderer: "svg", loader, logLevel: vega.Error });
    view.tooltip(showTip).initialize(box).hover();
    if (told.time) {
      if (zoomed.from !== null) view.signal("from", zoomed.from).signal("to", zoomed.to);
      if (now) view.run(); else await view.runAsync();
      wheelAndDrag(view, box);
    } else if (now) view.run(); else await view.runAsync();
    const before = views.get(box.dataset.chart);
    views.set(box.dataset.chart, { view, box, told, width });
    if (before) before.view.finalize();
    box.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
  }
  function quiet() {
    const none = () => logger;
    const logger = { level: none, error: (...words) => { failures.push(words.join(" ")); return logger; }, warn: none, info: none, debug: none };
    return logger;
  }

  /* One axis of time for all charts that say so. */
  const timed = () => [...views.values()].filter((one) => one.told.time);
  function setTime(from, to) {
    const whole = zoomed.hi - zoomed.lo, least = whole / 2000;
    let span = Math.min(Math.max(to - from, least), whole);
    from = Math.min(Math.max(from, zoomed.lo), zoomed.hi - span); to = from + span;
    zoomed.from = from; zoomed.to = to;
    for (const { view } of timed()) view.signal("from", from).signal("to", to).runAsync();
    for (const said of document.querySelectorAll(".zoom output")) said.textContent = says(from, to);
  }
  function says(from, to) {
    const round = (value) => value.toLocaleString("en", { maximumSignificantDigits: 4 });
    const unit = document.querySelector(".zoom")?.dataset.unit || "";
    return "Showing " + round(from) + " to " + round(to) + " " + unit;
  }
  function scaleTime(factor, at = 0.5) {
    const span = zoomed.to - zoomed.from, middle = zoomed.from + span * at;
    setTime(middle - span * factor * at, middle + span * factor * (1 - at));
  }
  const moveTime = (share) => { const span = zoomed.to - zoomed.from; setTime(zoomed.from + span * share, zoomed.to + span * share); };
  function wheelAndDrag(view, box) {
    const place = (event) => {
      const left = box.getBoundingClientRect().left + view.origin()[0];
      return Math.min(1, Math.max(0, (event.clientX - left) / Math.max(1, view.signal("width"))));
    };
    box.onwheel = (event) => { if (event.ctrlKey || event.shiftKey) { event.preventDefault(); scaleTime(event.deltaY + event.deltaX > 0 ? 1.25 : 0.8, place(event)); } };
    let held = null;
    box.onpointerdown = (event) => { if (event.pointerType === "mouse" && event.button === 0) { held = { at: place(event), from: zoomed.from, to: zoomed.to }; } };
    box.onpointermove = (event) => { if (held) { const by = (held.at - place(event)) * (held.to - held.from); setTime(held.from + by, held.to + by); } };
    box.onpointerup = box.onpointerleave = () => { held = null; };
    box.ondblclick = () => setTime(zoomed.lo, zoomed.hi);
  }
  const ACTS = {
    in: () => scaleTime(0.5), out: () => scaleTime(2), earlier: () => moveTime(-0.5), later: () => moveTime(0.5), whole: () => setTime(zoomed.lo, zoomed.hi),
  };
  const KEYS = { "+": "in", "=": "in", "-": "out", ArrowLeft: "earlier", ArrowRight: "later", 0: "whole" };
  function zoomBars(where) {
    for (const bar of where.querySelectorAll(".zoom")) {
      zoomed.lo = zoomed.from = Number(bar.dataset.lo); zoomed.hi = zoomed.to = Number(bar.dataset.hi);
      bar.hidden = false;
      bar.addEventListener("click", (event) => { const act = event.target.dataset?.act; if (act) ACTS[act](); });
      bar.addEventListener("keydown", (event) => {
        const act = KEYS[event.key];
        if (act && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); ACTS[act](); }
      });
    }
  }

  /* Tabs: arrows move, one panel is shown; on paper all are. */
  function tabsOf(where) {
    for (const box of where.querySelectorAll(".tabs")) {
      const heads = box.querySelector(":scope > .heads"), buttons = [...heads.children];
      const panels = [...box.querySelectorAll(":scope > .panel")];
      heads.hidden = false; heads.setAttribute("role", "tablist");
      const pick = (index, focus) => {
        buttons.forEach((button, i) => { button.setAttribute("aria-selected", String(i === index)); button.tabIndex = i === index ? 0 : -1; });
        panels.forEach((panel, i) => { panel.hidden = i !== index; });
        if (focus) buttons[index].focus();
        fit(panels[index]);
      };
      panels.forEach((panel, i) => { panel.setAttribute("role", "tabpanel"); panel.setAttribute("aria-labelledby", buttons[i].id); panel.tabIndex = 0; });
      buttons.forEach((button, i) => {
        button.addEventListener("click", () => pick(i, false));
        button.addEventListener("keydown", (event) => {
          const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: buttons.length - 1 }[event.key];
          if (to !== undefined) { event.preventDefault(); pick((to + buttons.length) % buttons.length, true); }
        });
      });
      box.pick = pick;
    }
  }

  /* Light and dark: what the system says until the reader chooses. */
  const theme = document.getElementById("theme"), system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const name = () => { theme.textContent = dark() ? "Light colours" : "Dark colours"; };
  theme.hidden = false; name();
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
  system.addEventListener("change", name);

  /* All charts, one after the other, so that the page answers meanwhile; anew where their width changed. */
  const atOnce = () => Promise.resolve();
  async function fit(where = document, pause = atOnce) {
    for (const box of where.querySelectorAll(".drawing[data-chart]")) {
      if (!box.clientWidth) continue;
      const one = views.get(box.dataset.chart);
      if (one && widthOf(box, one.told) === one.width) continue;
      try { await draw(box); } catch (error) { failures.push(String(error)); box.closest("figure").classList.add("failed"); console.error(error); }
      await new Promise((done) => setTimeout(done));
      await pause();
    }
  }
  let waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => fit(), 150); });
  addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
  /* Paper does not wait: what is not yet drawn is drawn at once. */
  addEventListener("beforeprint", () => {
    for (const box of document.querySelectorAll(".drawing[data-chart]")) if (box.clientWidth && !views.has(box.dataset.chart)) draw(box, true).catch((error) => failures.push(String(error)));
  });

  /* Makes a part of the page work: of a page that is put together as it is used, each part when it stands. Between
     charts it waits as long as `pause` does. */
  async function enliven(where, pause) {
    for (const [name, one] of views) if (!one.box.isConnected) { one.view.finalize(); views.delete(name); }
    zoomBars(where); tabsOf(where);
    await fit(where, pause);
    for (const box of where.querySelectorAll(".tabs")) box.pick(0, false);
    root.dataset.drawn = String(views.size);
  }

  globalThis.coldaisle = { views, failures, setTime, zoomed, enliven };
  globalThis.coldaisle.ready = enliven(document);
})();
