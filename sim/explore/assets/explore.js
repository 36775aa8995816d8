"use strict";
/* The what-if page: controls from the scenario, the answer beside the run. Whatever comes from a run is text here. */
(() => {
  const source = document.getElementById("bench");
  if (!source) return;
  const bench = JSON.parse(source.textContent);
  const at = (id) => document.getElementById(id);
  const made = (tag, words, name) => { const one = document.createElement(tag); if (words !== undefined) one.textContent = words; if (name) one.className = name; return one; };
  const changes = new Map();
  const controls = new Map();
  const timing = { last_ms: 0, pending: 0 };
  const TYPING_MS = 40;
  let asked = 0, again = false, movedAt = 0, simulation = null, later = 0, drawLater = 0;

  /* Asking the server. A refusal is told with its remedy. */
  async function ask(path, body) {
    let answer;
    try {
      answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), credentials: "same-origin" });
    } catch { return { problems: [{ path: "", message: "The server does not answer: is coldaisle open still running?" }] }; }
    try { return await answer.json(); } catch { return { problems: [{ path: "", message: "refused: open the address that the command printed" }] }; }
  }
  const request = () => ({ run: bench.run, set: Object.fromEntries(changes) });

  function told(problems) {
    const box = at("problems");
    box.replaceChildren(); box.hidden = !problems.length;
    for (const control of controls.values()) for (const input of control.inputs) input.removeAttribute("aria-invalid");
    if (!problems.length) return;
    const list = made("ul");
    for (const { path, message } of problems) {
      const line = made("li"), name = made("b", path ? path + ": " : ""), said = made("bdi", message);
      line.append(name, said); list.append(line);
      const control = [...controls.values()].find((one) => path && (path === one.path || path.startsWith(one.path + ".")));
      if (control) for (const input of control.inputs) input.setAttribute("aria-invalid", "true");
    }
    box.append(list);
  }

  /* The answer. */
  function show(answer) {
    at("sentence").textContent = answer.sentence;
    const cards = at("numbers"); cards.replaceChildren();
    for (const one of answer.numbers) {
      const card = made("div"), value = made("data", one.shown);
      value.value = String(one.value); value.dataset.path = one.path; value.title = String(one.value);
      const change = made("p", one.change_shown, "change" + (one.relative > 0 ? " more" : one.relative < 0 ? " less" : ""));
      const spread = made("p", "", "spread"); spread.dataset.path = one.path;
      card.append(made("h3", one.label), value, spread);
      if (changes.size) card.append(made("p", "the run: " + one.base_shown), change);
      cards.append(card);
    }
    showIntervals(answer);
    const box = at("differences"); box.replaceChildren();
    if (!answer.differences.length) { box.append(made("p", changes.size ? "No number changes." : "Move something: the answer stands beside the run.", "note")); return; }
    if (answer.remark) box.append(made("p", answer.remark, "note"));
    const details = made("details", undefined, "numbers"), table = made("table"), head = made("tr"), body = made("tbody"), scroll = made("div", undefined, "scroll");
    details.append(made("summary", "All " + answer.differences.length + " differences"));
    for (const words of ["", "the run", "the answer", "change", ""]) { const cell = made("th", words); cell.scope = "col"; head.append(cell); }
    for (const row of answer.differences) {
      const line = made("tr");
      row.cells.forEach((words, i) => { const cell = made(i ? "td" : "th", words); if (!i) cell.scope = "row"; line.append(cell); });
      body.append(line);
    }
    const top = made("thead"); top.append(head); table.append(top, body);
    scroll.tabIndex = 0; scroll.setAttribute("role", "region"); scroll.setAttribute("aria-label", "Table: all differences");
    scroll.append(table); details.append(scroll); box.append(details);
  }

  function showIntervals(found) {
    for (const line of document.querySelectorAll("#numbers .spread")) line.textContent = found.intervals[line.dataset.path] || "";
    at("without").textContent = found.without;
  }

  function needs(paths) {
    const wanted = Boolean(paths && paths.length);
    at("needed").hidden = !wanted; document.body.classList.toggle("stale", wanted);
    at("simulate").classList.toggle("wanted", wanted);
    at("simulate").textContent = wanted ? "Simulate" : "Simulate anew";
    at("why").textContent = wanted ? "This decides the run itself, so it is simulated: " + paths.join(", ") + "." : "";
    at("share").disabled = wanted;
  }

  /* One question at a time; whatever moved meanwhile is asked once the answer is there, and shown on the way. */
  async function answer() {
    clearTimeout(later);
    if (timing.pending) { again = true; return; }
    const mine = ++asked;
    timing.pending = 1;
    const found = await ask("/answer", request());
    timing.pending = 0;
    if (again) {
      again = false;
      if (found.answer) show(found.answer);
      await answer();
      return;
    }
    if (mine !== asked) return;  // typing goes on
    told(found.problems || []);
    at("share").disabled = at("save").disabled = Boolean(found.problems);
    if (found.problems) { document.body.classList.add("stale"); return; }
    needs(found.needs);
    if (found.answer) { show(found.answer); timing.last_ms = performance.now() - movedAt; drawSoon(mine); }
  }
  /* What is typed waits for the next letter; a slider does not. */
  function answerSoon(wait_ms) {
    asked += 1; movedAt = performance.now();
    clearTimeout(later);
    if (wait_ms) later = setTimeout(answer, wait_ms); else answer();
  }

  /* Charts follow when nothing is moved any more, and wait where it goes on meanwhile: numbers come first. */
  const unasked = async () => { while (timing.pending) await sleep(10); };
  function drawSoon(mine) {
    clearTimeout(drawLater);
    drawLater = setTimeout(async () => {
      const found = await ask("/charts", request());
      if (mine !== asked || !found.html) return;
      const box = at("charts");
      box.style.minHeight = box.offsetHeight + "px";
      box.innerHTML = found.html;  // made by the server, which escapes all that a run names
      await coldaisle.enliven(box, unasked);
      box.style.minHeight = "";
      box.dataset.answered = String(mine);
      if (!bench.uncertain) return;
      const spread = await ask("/intervals", request());
      if (mine === asked && spread.intervals) showIntervals(spread);
    }, 350);
  }

  /* Simulations: begun by a button, with progress, cancelled by another. */
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  async function simulate() {
    const begun = await ask("/simulate", { ...request(), anew: true });
    if (begun.problems) { told(begun.problems); return; }
    const mine = simulation = begun.simulation;
    working(true); at("stage").textContent = "starting";
    for (;;) {
      const now = await ask("/progress", { simulation: mine });
      if (simulation !== mine) return;
      if (now.problems) { told(now.problems); break; }
      at("stage").textContent = now.state === "running" ? now.stage + (now.share > 0 && now.share < 1 ? ", " + Math.round(100 * now.share) + " %" : "") : now.state;
      const bar = at("progress").querySelector("progress");
      if (now.share > 0) bar.value = now.share; else bar.removeAttribute("value");
      if (now.state === "done") { await answer(); break; }
      if (now.state !== "running") break;
      await sleep(150);
    }
    simulation = null; working(false);
  }
  function working(on) { at("progress").hidden = at("cancel").hidden = !on; at("simulate").disabled = on; if (on) at("cancel").focus(); else if (document.activeElement === document.body) at("simulate").focus(); }
  async function cancel() {
    const mine = simulation;
    if (!mine) return;
    simulation = null;
    await ask("/cancel", { simulation: mine });
    working(false); at("kept").textContent = "The simulation was cancelled; the run is as it was.";
  }

  async function keep(path) {
    at("kept").textContent = "";
    const found = await ask(path, { ...request(), name: at("name").value });
    told(found.problems || []);
    if (!found.file) return;
    const said = made("span", path === "/share" ? "Written: " : "Written: " + found.file);
    if (path === "/share") { const link = made("a", found.file); link.href = "/file?at=" + encodeURIComponent(found.file); link.target = "_blank"; link.rel = "noopener"; said.append(link); }
    at("kept").replaceChildren(said);
  }

  /* Controls. Several may write one value: whichever was moved last does. */
  const plain = (number) => String(Number(number.toPrecision(12)));
  let count = 0;
  function control(about) {
    const box = made("div", undefined, "move"), head = made("div", undefined, "head"), pair = made("div", undefined, "pair");
    const name = "move-" + (count += 1), label = made("label", about.label), undo = made("button", "as it was");
    label.htmlFor = name; label.title = about.path;
    undo.type = "button"; undo.hidden = true; undo.setAttribute("aria-label", "As it was: " + about.label);
    const mark = made("span", about.prices ? "at once" : "simulated", "mark");
    head.append(label, undo, mark); box.append(head, pair);
    const one = { ...about, box, inputs: [], undo };
    if (about.kind === "choice") {
      const pick = document.createElement("select");
      pick.id = name;
      for (const [value, words] of about.choices) { const option = made("option", words); option.value = value; pick.append(option); }
      pick.value = about.value; pick.addEventListener("change", () => change(one, pick.value));
      one.put = (value) => { pick.value = value; }; one.inputs = [pick]; pair.append(pick);
    } else {
      const text = document.createElement("input");
      text.type = "text"; text.spellcheck = false; text.value = about.value; text.maxLength = 4000;
      if (about.example) text.placeholder = "e.g. " + about.example;
      one.put = (value) => { text.value = value; };
      if (about.kind === "number") {
        const slide = document.createElement("input");
        /* It stands exactly where the value is; a hand moves it by steps, an arrow to the next step. */
        slide.type = "range"; slide.id = name; slide.min = about.low; slide.max = about.high; slide.step = "any"; slide.value = about.number;
        const says = (value) => { slide.setAttribute("aria-valuetext", value || "not given"); box.classList.toggle("absent", !value); };
        const within = (value) => Math.min(about.high, Math.max(about.low, value));
        const stand = (value) => { const number = parseFloat(value); slide.value = Number.isFinite(number) ? number : about.number; says(value); };
        const slid = (number) => { const value = plain(within(number)) + (about.unit ? " " + about.unit : ""); slide.value = parseFloat(value); text.value = value; says(value); change(one, value); };
        says(about.value);
        slide.addEventListener("keydown", (event) => {
          const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
          if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
          event.preventDefault();
          const steps = slide.valueAsNumber / about.step, whole = way > 0 ? Math.floor(steps + 1e-6) : Math.ceil(steps - 1e-6);
          slid((whole + way) * about.step);
        });
        text.setAttribute("aria-label", about.label + ", exact");
        slide.addEventListener("input", () => slid(Math.round(slide.valueAsNumber / about.step) * about.step));
        one.put = (value) => { text.value = value; stand(value); };
        text.addEventListener("input", () => { stand(text.value); change(one, text.value.trim(), TYPING_MS); });
        one.inputs = [slide, text]; pair.append(slide, text);
      } else {
        text.id = name; text.className = "wide"; text.addEventListener("input", () => change(one, text.value, TYPING_MS));
        one.inputs = [text]; pair.append(text);
      }
    }
    if (about.says) { const said = made("p", about.says, "note"); said.id = name + "-says"; one.inputs[0].setAttribute("aria-describedby", said.id); box.append(said); }
    undo.addEventListener("click", () => { one.put(one.value); change(one, one.value); one.inputs[0].focus(); });
    controls.set(name, one);
    return box;
  }
  function change(one, value, wait_ms = 0) {
    const same = value === one.value, within = (path, whole) => path === whole || path.startsWith(whole + ".");
    for (const other of controls.values()) {
      if (other === one || !(within(other.path, one.path) || within(one.path, other.path))) continue;
      other.put(other.value); moved(other, false); changes.delete(other.path);
    }
    if (same) changes.delete(one.path); else changes.set(one.path, one.written.replace("@", () => value));
    moved(one, !same);
    at("reset").disabled = !changes.size;
    answerSoon(wait_ms);
  }
  function moved(one, yes) { one.box.classList.toggle("changed", yes); one.undo.hidden = !yes; }
  function reset() {
    for (const one of controls.values()) { one.put(one.value); moved(one, false); }
    changes.clear(); at("reset").disabled = true; answerSoon(0);
  }

  for (const about of bench.controls) at(about.usual ? "usual" : "others").append(control(about));
  at("more").hidden = !at("others").children.length;
  at("find").addEventListener("input", () => {
    const words = at("find").value.toLowerCase();
    for (const one of controls.values()) if (!one.usual) one.box.hidden = !(one.path + " " + one.label).toLowerCase().replaceAll("_", " ").includes(words.replaceAll("_", " "));
  });
  at("moves").addEventListener("submit", (event) => event.preventDefault());
  at("reset").addEventListener("click", reset);
  at("simulate").addEventListener("click", simulate);
  at("cancel").addEventListener("click", cancel);
  at("save").addEventListener("click", () => keep("/keep"));
  at("share").addEventListener("click", () => keep("/share"));
  at("name").value = bench.name;
  needs(null); show(bench.answer);
  globalThis.explore = { changes, controls, timing };
})();
