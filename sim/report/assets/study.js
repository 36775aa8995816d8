"use strict";
/* Filters, the front, the chosen point and the table of a study. Names come from the study and are only ever text. */
coldaisle.ready.then(() => {
  const data = JSON.parse(document.getElementById("points-data").textContent);
  const { parameters, results, points } = data, count = points.length;
  const ON = "on the front", OFF = "beaten by another", PAGE = 50;
  const state = { x: data.goals[0] ?? 0, y: data.goals[1] ?? 0, picked: -1, sort: null, down: false, page: 0 };
  const larger = results.map((one) => one.larger), limits = results.map(() => [null, null]);
  const kept = parameters.map((one) => new Set(one.levels.keys()));
  let shown = [...points.keys()], front = new Set();

  const make = (tag, words = "", more = {}) => { const made = document.createElement(tag); made.textContent = words; return Object.assign(made, more); };
  const said = (value) => value === null ? "—" : Math.abs(value) >= 1000 ? value.toLocaleString("en", { maximumFractionDigits: 0 }) : String(Number(value.toPrecision(4)));
  const level = (one, at) => one.levels[one.at[at]];
  const varying = parameters.filter((one) => one.levels.length > 1);
  const told = (at) => varying.map((one) => one.name + " " + level(one, at)).join(", ");

  /* Points that no other shown one beats: in order of the first, each better in the second than all before. */
  function frontOf(rows) {
    const cost = (goal, at) => results[goal].values[at] * (larger[goal] ? -1 : 1);
    const known = rows.filter((at) => results[state.x].values[at] !== null && results[state.y].values[at] !== null);
    known.sort((a, b) => cost(state.x, a) - cost(state.x, b) || cost(state.y, a) - cost(state.y, b));
    const found = new Set(); let best = Infinity, last = null;
    for (const at of known) {
      const y = cost(state.y, at);
      if (y < best || (last !== null && y === best && cost(state.x, at) === cost(state.x, last))) { found.add(at); best = y; last = at; }
    }
    return found;
  }
  function filter() {
    shown = [...points.keys()].filter((at) =>
      parameters.every((one, p) => kept[p].has(one.at[at])) &&
      limits.every(([low, high], r) => { const v = results[r].values[at]; return (low === null || (v !== null && v >= low)) && (high === null || (v !== null && v <= high)); }));
    front = results.length > 1 ? frontOf(shown) : new Set();
    state.page = 0;
    const out = document.getElementById("shown");
    if (out) out.textContent = shown.length.toLocaleString("en") + " of " + count.toLocaleString("en") + " points shown, " + front.size.toLocaleString("en") + " on the front among them";
    draw("pareto"); draw("parallel"); table();
  }
  const lines = (() => { const source = document.querySelector('script[data-spec="parallel"]'); return source ? JSON.parse(source.textContent).layer[0].data.values : []; })();
  const rowOf = new Map(points.map((number, at) => [number, at]));
  function draw(name) {
    const one = coldaisle.views.get(name);
    if (!one) return;
    const view = one.view.signal("picked", state.picked);
    if (name === "pareto") {
      const X = results[state.x], Y = results[state.y];
      const rows = shown.filter((at) => X.values[at] !== null && Y.values[at] !== null).map((at) => (
        { id: points[at], x: X.values[at], y: Y.values[at], front: front.has(at) ? ON : OFF, says: "point " + points[at] + ": " + told(at).slice(0, 200) }));
      view.signal("xname", X.label).signal("yname", Y.label).data("points", rows);
    } else {
      const there = new Set(shown);
      view.data("lines", lines.filter((row) => there.has(rowOf.get(row.id))).map((row) => ({ ...row, front: front.has(rowOf.get(row.id)) ? ON : OFF })));
    }
    view.runAsync();
  }
  function pick(number, how = {}) {
    state.picked = number;
    for (const name of ["pareto", "parallel"]) { const one = coldaisle.views.get(name); if (one) one.view.signal("picked", number).runAsync(); }
    for (const row of document.querySelectorAll("#all-points tr[data-point]")) row.classList.toggle("on", Number(row.dataset.point) === number);
    panel(rowOf.get(number));
    if (how.show) document.getElementById("point").scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  /* The chosen point, and the command that runs it by itself. */
  const quote = (words) => /^[A-Za-z0-9_@%+=:,./-]+$/.test(words) ? words : "'" + words.replaceAll("'", "'\"'\"'") + "'";
  function command(at) {
    if (!data.command) return "";
    const sets = parameters.flatMap((one) => one.paths.map((path, i) => [path, one.values[one.at[at]][i]]).filter(([, value]) => value !== null));
    return [data.command, ...sets.map(([path, value]) => "--set " + quote(path + "=" + value)), "--seed " + data.seeds[at], "--out point-" + points[at]].join(" ");
  }
  function panel(at) {
    const box = document.getElementById("point");
    if (!box || at === undefined) return;
    const list = make("dl");
    const fact = (name, words, exact) => { const pair = make("div"), term = make("dt"), dd = make("dd"); term.append(make("bdi", name)); dd.append(exact === undefined ? make("bdi", words) : make("data", words, { value: String(exact), title: String(exact) })); pair.append(term, dd); list.append(pair); };
    for (const one of varying) fact(one.name, level(one, at));
    for (const one of results) fact(one.label, said(one.values[at]), one.values[at] === null ? undefined : one.values[at]);
    box.replaceChildren(make("h3", "Point " + points[at] + (front.has(at) ? ", on the front" : "")), list);
    const run = command(at);
    if (run) { const pre = make("pre"); pre.append(make("code", run)); box.append(make("p", "To run it by itself, for a page of its own (coldaisle report):", { className: "note" }), pre); }
    else box.append(make("p", "The scenario stands in the study itself: write its 'base' to a file, and set the values above with --set.", { className: "note" }));
    box.hidden = false;
  }

  /* Controls. */
  function controls() {
    const box = document.getElementById("controls");
    if (!box) return;
    const goals = make("div", "", { className: "goals" });
    for (const side of ["x", "y"]) {
      const label = make("label", side === "x" ? "Across " : "Up "), select = make("select", "", { id: "goal-" + side });
      results.forEach((one, r) => select.append(make("option", one.label, { value: String(r), selected: r === state[side] })));
      const more = make("label"), check = make("input", "", { type: "checkbox", id: "more-" + side, checked: larger[state[side]] });
      more.append(check, " more is better");
      select.addEventListener("change", () => { state[side] = Number(select.value); check.checked = larger[state[side]]; filter(); });
      check.addEventListener("change", () => { larger[state[side]] = check.checked; filter(); });
      const both = make("div", "", { className: "goal" }); label.append(select); both.append(label, more); goals.append(both);
    }
    const more = make("details", "", { id: "filters" }), inside = make("div", "", { className: "filters" });
    more.append(make("summary", "Filters"), inside);
    parameters.forEach((one, p) => {
      if (one.levels.length < 2) return;
      const set = make("fieldset"); set.append(make("legend", one.name));
      if (one.levels.length <= 12) {
        one.levels.forEach((words, l) => {
          const label = make("label"), check = make("input", "", { type: "checkbox", checked: true });
          check.addEventListener("change", () => { kept[p][check.checked ? "add" : "delete"](l); filter(); });
          label.append(check, " ", make("bdi", words.slice(0, 80))); set.append(label);
        });
      } else if (one.numbers) {
        range(set, one.name, one.numbers[0], one.numbers.at(-1), (low, high) => {
          kept[p] = new Set([...one.levels.keys()].filter((l) => (low === null || one.numbers[l] >= low) && (high === null || one.numbers[l] <= high))); filter();
        });
      } else {
        const label = make("label", "Only "), only = make("select"); only.append(make("option", "all", { value: "" }));
        one.levels.forEach((words, l) => only.append(make("option", words.slice(0, 80), { value: String(l) })));
        only.addEventListener("change", () => { kept[p] = new Set(only.value === "" ? one.levels.keys() : [Number(only.value)]); filter(); });
        label.append(only); set.append(label);
      }
      inside.append(set);
    });
    results.forEach((one, r) => {
      const there = one.values.filter((value) => value !== null), set = make("fieldset"); set.append(make("legend", one.label));
      const low = there.reduce((a, b) => Math.min(a, b), Infinity), high = there.reduce((a, b) => Math.max(a, b), -Infinity);
      range(set, one.label, low, high, (from, to) => { limits[r] = [from, to]; filter(); });
      inside.append(set);
    });
    const all = make("button", "Show all", { type: "button", id: "show-all" });
    all.addEventListener("click", () => {
      parameters.forEach((one, p) => { kept[p] = new Set(one.levels.keys()); }); limits.forEach((_, r) => { limits[r] = [null, null]; });
      for (const input of inside.querySelectorAll("input")) { if (input.type === "checkbox") input.checked = true; else input.value = ""; }
      for (const select of inside.querySelectorAll("select")) select.value = "";
      filter();
    });
    const out = make("output", "", { id: "shown" }); out.setAttribute("aria-live", "polite");
    const row = make("div", "", { className: "row" }); row.append(all, out);
    box.replaceChildren(goals, more, row); box.hidden = false;
  }
  function range(set, name, low, high, told) {
    const ends = ["least", "most"].map((word, i) => {
      const label = make("label", word + " "), input = make("input", "", { type: "number", step: "any", placeholder: said([low, high][i]) });
      input.setAttribute("aria-label", name + ", " + word);
      label.append(input); set.append(label); return input;
    });
    const read = (input) => (input.value === "" ? null : Number(input.value));
    for (const input of ends) input.addEventListener("change", () => told(read(ends[0]), read(ends[1])));
  }

  /* The table of the points shown, in pages. */
  const columns = [
    { name: "point", of: (at) => points[at], words: (at) => String(points[at]) },
    { name: "front", of: (at) => (front.has(at) ? 0 : 1), words: (at) => (front.has(at) ? "yes" : "") },
    ...varying.map((one) => ({ name: one.name, of: (at) => one.at[at], words: (at) => level(one, at) })),
    ...results.map((one) => ({ name: one.label, number: true, of: (at) => one.values[at], words: (at) => said(one.values[at]) })),
  ];
  function table() {
    const box = document.getElementById("all-points");
    if (!box) return;
    const rows = [...shown];
    if (state.sort !== null) {
      const { of } = columns[state.sort], way = state.down ? -1 : 1;
      rows.sort((a, b) => { const x = of(a), y = of(b); return x === null ? (y === null ? 0 : 1) : y === null ? -1 : (x - y) * way || a - b; });
    }
    const held = document.activeElement?.closest?.("#all-points") ? document.activeElement.dataset.key : null;
    const made = make("table"), head = make("tr"), thead = make("thead"), body = make("tbody");
    columns.forEach((column, c) => {
      const th = make("th"), button = make("button", "", { type: "button" });
      button.append(make("bdi", column.name.slice(0, 60))); button.dataset.key = "sort-" + c;
      th.scope = "col"; th.setAttribute("aria-sort", state.sort === c ? (state.down ? "descending" : "ascending") : "none");
      button.addEventListener("click", () => { state.down = state.sort === c && !state.down; state.sort = c; state.page = 0; table(); });
      th.append(button); head.append(th);
    });
    thead.append(head);
    for (const at of rows.slice(state.page * PAGE, (state.page + 1) * PAGE)) {
      const row = make("tr"); row.dataset.point = points[at]; row.classList.toggle("on", points[at] === state.picked);
      columns.forEach((column, c) => {
        const cell = make(c ? "td" : "th");
        if (!c) {
          const button = make("button", column.words(at), { type: "button" }); button.dataset.key = "point-" + points[at];
          button.setAttribute("aria-label", "Show point " + points[at]); button.addEventListener("click", () => pick(points[at], { show: true }));
          cell.scope = "row"; cell.append(button);
        } else if (column.number) { const value = column.of(at); cell.append(make("data", column.words(at), value === null ? {} : { value: String(value), title: String(value) })); }
        else cell.append(make("bdi", column.words(at).slice(0, 120)));
        row.append(cell);
      });
      body.append(row);
    }
    made.append(thead, body);
    const scroll = make("div", "", { className: "scroll" }); scroll.tabIndex = 0; scroll.setAttribute("role", "region"); scroll.setAttribute("aria-label", "Table: all points"); scroll.append(made);
    const last = Math.max(0, Math.ceil(rows.length / PAGE) - 1), pages = make("div", "", { className: "row" });
    const turn = (words, by, off) => { const button = make("button", words, { type: "button", disabled: off }); button.dataset.key = words; button.addEventListener("click", () => { state.page += by; table(); }); return button; };
    pages.append(turn("Previous", -1, state.page === 0), make("span", "Page " + (state.page + 1) + " of " + (last + 1), { className: "note" }), turn("Next", 1, state.page >= last));
    box.replaceChildren(make("p", "Sort by a column's head; a point's number shows it.", { className: "note" }), scroll, ...(last ? [pages] : []));
    if (held) box.querySelector('[data-key="' + CSS.escape(held) + '"]')?.focus();
  }

  /* Charts: a click, and arrows from point to point in the order in which they stand across. */
  function listen(name) {
    const one = coldaisle.views.get(name);
    if (!one || one.listening) return;
    one.listening = true;
    one.view.addEventListener("click", (_event, item) => { const row = item?.datum; const id = row?.id ?? row?.datum?.id; if (id !== undefined) pick(id, { show: name !== "pareto" }); });
    const box = one.box;
    box.tabIndex = 0; box.setAttribute("role", "group"); box.setAttribute("aria-label", "Points; arrow keys choose one");
    box.onkeydown = (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key], ends = { Home: 0, End: -1 }[event.key];
      if ((by === undefined && ends === undefined) || event.ctrlKey || event.metaKey || event.altKey) return;
      const X = results[state.x].values, order = shown.filter((at) => X[at] !== null).sort((a, b) => X[a] - X[b] || a - b);
      if (!order.length) return;
      event.preventDefault();
      const here = order.indexOf(rowOf.get(state.picked));
      const to = ends !== undefined ? order.at(ends) : order[here < 0 ? (by > 0 ? 0 : order.length - 1) : Math.min(order.length - 1, Math.max(0, here + by))];
      pick(points[to]);
    };
  }
  document.addEventListener("drawn", (event) => { const name = event.target.dataset.chart; if (name === "pareto" || name === "parallel") { draw(name); listen(name); } });
  controls(); filter();
  for (const name of ["pareto", "parallel"]) listen(name);
  coldaisle.study = { state, pick, shown: () => shown.map((at) => points[at]), front: () => [...front].map((at) => points[at]).sort((a, b) => a - b) };
  document.documentElement.dataset.study = String(count);
});
