// What if: every constant of the card with a slider, and what becomes of the front.

const KINDS = [["_j", "energies"], ["_s", "times"], ["_m2", "areas"]];
const STEPS = 600;

drawers.whatif = (root) => {
  const groups = d3.group(constants.values(), (constant) => constant.group);
  const rows = new Map([...constants.keys()].map((name) => [name, constantRow(name)]));
  const folds = [...groups].map(([group, own]) => groupFold(group, own.map(({ name }) => rows.get(name))));
  const factor = factorRow(groups), head = cardRow(), results = outcome(), tornado = tornadoOf(rows);
  const controls = element("div", { class: "whatif-controls" }, head.root, factor.root, ...folds.map((fold) => fold.root));
  root.append(element("div", { class: "whatif" }, controls, results.root));
  const undo = document.getElementById("undo-prices");
  undo.addEventListener("click", backToCard);

  function draw() {
    rows.forEach((row) => row.write());
    for (const part of [...folds, factor, head, results]) part.write();
    undo.hidden = !isRepriced();
    undo.replaceChildren(element("span", {}, `Other prices (${head.changes()}) \u2013 `), "back to the card");
    tornado.begin();
  }
  return { draw, mark: (selecting = true) => { if (selecting) results.mark(); }, isPrompt: true };
};

// --- the card, what is saved of it, the storage of accumulators
function cardRow() {
  const cards = Object.entries(WHATIF.cards).map(([name, { title }]) => [name, name === WHATIF.card ? `${name} (the study's)` : name, title]);
  const list = chooser("Card", cards.map(([name, words]) => [name, words]), pricing.card, setCard);
  const choices = ["", ...Object.keys(WHATIF.storages)].map((name) => [name, name || "as simulated"]);
  const storage = chooser("Accumulators in", choices, "", (name) => { pricing.storage = name; reprice(); });
  const title = element("p", { class: "note" });
  const button = (words, listener) => element("button", { type: "button", on: { click: listener } }, words);
  const back = button("Back to the card", backToCard), save = button("Save as card", () => saveDialog());
  const link = button("Copy link", () => {
    const told = (words) => { say(words); link.textContent = words; setTimeout(() => { link.textContent = "Copy link"; }, 1500); };
    Promise.resolve(navigator.clipboard?.writeText(location.href)).then(() => told("Copied"), () => told("Copy it from the address bar"));
  });
  const made = element("div", {}, element("div", { class: "controls" }, list, storage, back, save, link), title);
  const changes = () => {
    const parts = [pricing.card === WHATIF.card ? "" : pricing.card, counted(Object.keys(pricing.changes).length, "constant"), pricing.storage];
    return parts.filter(Boolean).join(", ");
  };
  function write() {
    list.querySelector("select").value = pricing.card;
    storage.querySelector("select").value = pricing.storage;
    back.disabled = !isRepriced();
    title.textContent = WHATIF.cards[pricing.card].title;
  }
  return { root: made, write, changes };
}

function saveDialog() {
  const words = cardAsToml(), name = `${WHATIF.study.replace(/[^\w.-]+/g, "_")}_card.toml`;
  const area = element("textarea", { readonly: "", rows: "16", spellcheck: "false", "aria-label": "The card as TOML" });
  area.value = words;
  const address = URL.createObjectURL(new Blob([words], { type: "text/plain" }));
  const dialog = element("dialog", { "aria-label": "Save as card" },
    element("h3", {}, name), element("p", { class: "note" }, `dse price RESULTS --card ${name} prices the study on it; so does [price] card = "${name}" in a study file beside it.`), area,
    element("div", { class: "controls" }, element("a", { href: address, download: name, class: "button" }, "Download"),
      element("button", { type: "button", on: { click: () => dialog.close() } }, "Close")));
  dialog.addEventListener("close", () => { URL.revokeObjectURL(address); dialog.remove(); });
  document.body.append(dialog);
  dialog.showModal();
}

// --- many constants at once: a factor on all energies, times or areas of a group
function factorRow(groups) {
  const converters = [...groups].filter(([group]) => group.endsWith("converters")).flatMap(([, own]) => own);
  const options = [["all converters", converters], ...groups].flatMap(([group, own]) => KINDS.flatMap(([end, kind]) => {
    const names = own.map(({ name }) => name).filter((name) => name.endsWith(end));
    return names.length ? [{ names, words: `${kind} of ${group.toLowerCase()}` }] : [];
  }));
  let chosen = 0;
  const list = chooser("Multiply all", options.map(({ words }, i) => [String(i), words]), "0", (i) => { chosen = +i; write(); });
  const slider = element("input", { type: "range", min: "-2", max: "2", step: "0.01", "aria-label": "factor, logarithmic", on: { input: () => soon(() => apply(Number((10 ** slider.value).toPrecision(2)))) } });
  const field = element("input", { type: "text", inputmode: "decimal", size: "5", "aria-label": "factor", on: { change: () => apply(Number(field.value)) } });
  const note = element("span", { class: "refusal", role: "alert" });
  function apply(times) {
    const values = options[chosen].names.map((name) => [name, entryOf(name)[0] * times]);
    const wrong = values.map(([name, value]) => refused(name, value)).find(Boolean);
    note.textContent = !(times >= 0) ? "give a factor from 0 on, such as 10" : wrong ?? "";
    if (!note.textContent) setConstants(Object.fromEntries(values));
  }
  function write() {
    const ratios = new Set(options[chosen].names.filter((name) => entryOf(name)[0] > 0).map((name) => Number((valueNow(name) / entryOf(name)[0]).toPrecision(6))));
    const [ratio] = ratios.size === 1 ? ratios : [null];
    if (document.activeElement !== slider) slider.value = ratio > 0 ? Math.log10(ratio) : 0;
    if (document.activeElement !== field || ratio !== null) field.value = ratio === null ? "" : ratio;
    field.placeholder = ratios.size > 1 ? "mixed" : "";
  }
  return { root: element("div", { class: "controls factor" }, list, element("span", {}, "by"), slider, field, note), write };
}

// --- a group of constants that opens
function groupFold(group, rows) {
  const count = element("span", { class: "note" });
  const fold = element("details", { class: "group" }, element("summary", {}, element("h3", {}, group), " ", count), ...rows.map((row) => row.root));
  if (group === [...constants.values()][0].group && innerWidth >= 960) fold.open = true;
  return { root: fold, write: () => { count.textContent = counted(rows.filter((row) => row.isChanged()).length, "change"); } };
}

// The ends of a slider: the range of the card and a factor of ten around its value, within what is possible.
function spanOf(name) {
  const [value, low, high] = entryOf(name), { largest } = constants.get(name);
  const others = Object.keys(WHATIF.cards).map((card) => entryOf(name, card)[0]);
  if (value > 0) return { low: Math.min(low || value, value / 10), high: Math.min(largest, Math.max(high ?? value, value * 10)), log: true };
  const top = Math.max(high ?? 0, ...others);
  return top > 0 ? { low: 0, high: Math.min(largest, 2 * top), log: false } : null;
}

const WHOLE = new Set(["bits", "columns", "cells", "words/cycle", "MACs/cycle", "gates"]);

function constantRow(name) {
  const { unit, meaning } = constants.get(name);
  const label = `${name}, ${meaning}`;
  const slider = element("input", { type: "range", min: "0", max: String(STEPS), step: "1", "aria-label": label, on: { input: () => soon(slid) } });
  const field = element("input", { type: "text", inputmode: "decimal", size: "9", "aria-label": label, on: { change: typed } });
  const reset = element("button", { type: "button", class: "link", "aria-label": `${name} back to the card`, on: { click: () => setConstants({ [name]: null }) } }, "undo");
  const refusal = element("p", { class: "refusal", role: "alert" });
  const sourced = element("span", { class: "sourced" }), effect = element("div", { class: "effect" }), from = element("p", { class: "note" });
  const values = WHATIF.free[name] ?? [];
  const chips = values.map((value) => element("button", { type: "button", class: "link", on: { click: () => setConstants({ [name]: value }) } }, number(value)));
  const made = element("div", { class: "constant" },
    element("div", { class: "name" }, element("code", {}, name), element("span", { class: "note" }, meaning)),
    element("div", { class: "slide" }, slider, sourced), field, element("span", { class: "unit" }, unit === "1" ? "" : unit), reset, effect, from, refusal,
    ...(chips.length ? [element("p", { class: "note" }, "in the study: ", ...chips)] : []));
  let span = null;

  const toStep = (value) => STEPS * (span.log ? Math.log(value / span.low) / Math.log(span.high / span.low) : (value - span.low) / (span.high - span.low));
  function slid() {
    const part = slider.value / STEPS, value = span.log ? span.low * (span.high / span.low) ** part : span.low + part * (span.high - span.low);
    setConstants({ [name]: WHOLE.has(unit) ? Math.max(constants.get(name).positive ? 1 : 0, Math.round(value)) : Number(value.toPrecision(3)) });
  }
  function typed() {
    const value = field.value.trim() === "" ? NaN : Number(field.value);
    refusal.textContent = refused(name, value) && `${JSON.stringify(field.value)} is not possible: ${refused(name, value)}`;
    if (!refusal.textContent) setConstants({ [name]: value });
  }
  const isChanged = () => name in pricing.changes;
  let written = "";
  function write() {
    const value = valueNow(name), [own, low, high, source] = entryOf(name);
    if (written === `${pricing.card} ${value}` && !refusal.textContent) return;
    written = `${pricing.card} ${value}`;
    span = spanOf(name);
    made.classList.toggle("is-changed", isChanged());
    slider.hidden = !span;
    if (span && document.activeElement !== slider) slider.value = value > 0 || !span.log ? toStep(value) : 0;
    slider.setAttribute("aria-valuetext", `${number(value)} ${unit}`);
    if (!refusal.textContent || document.activeElement !== field) { field.value = value; refusal.textContent = ""; }
    reset.hidden = !isChanged();
    const ends = [low ?? own, high ?? own];
    sourced.hidden = !span || ends[0] === ends[1];
    if (!sourced.hidden) {
      const [from_, to] = ends.map((end) => within(end > 0 || !span.log ? toStep(end) / STEPS : 0, 0, 1));
      sourced.style.left = `${100 * from_}%`;
      sourced.style.width = `${100 * (to - from_)}%`;
    }
    const range = ends[0] === ends[1] ? "" : `, sources from ${number(ends[0])} to ${number(ends[1])}`;
    from.textContent = `${pricing.card}: ${number(own)}${range}. ${WHATIF.sources[source]}`;
  }
  return { root: made, write, isChanged, effect };
}

// --- what constants do alone, at the ends of their ranges: the tornado of `dse ranges`, on the card as it is
function tornadoOf(rows) {
  let waiting = 0, queue = [];
  const bars = new Map();
  function begin() {
    clearTimeout(waiting);
    queue = [...rows.keys()].filter((name) => { const [value, low, high] = cardOf()[name]; return low !== high && low <= value; });
    for (const [name, row] of rows) if (!queue.includes(name)) row.effect.replaceChildren();
    waiting = setTimeout(next, 700);
  }
  function next() {
    const started = performance.now();
    while (queue.length && performance.now() - started < 25) show(queue.shift());
    if (queue.length) waiting = setTimeout(next, 10);
    else document.getElementById("whatif").dataset.tornado = JSON.stringify(Object.fromEntries(bars));
  }
  function show(name) {
    const ends = tornadoAt(name);
    bars.set(name, ends);
    const bar = ends.map((share) => { const one = element("i"); one.style.width = `${Math.max(share > 0 ? 2 : 0, 46 * share)}px`; return one; });
    const words = ends.map((share) => d3.format(".0%")(share));
    const none = ends.every((share) => share === 0);
    rows.get(name).effect.replaceChildren(...(none ? ["its range leaves the front as it is"] : ["range turns the front by ", element("b", {}, words[0]), bar[0], bar[1], element("b", {}, words[1])]));
  }
  return { begin };
}

// The shares of the designs on either front, now and with a constant at an end of its range, that are not on both.
function tornadoAt(name) {
  const shares = [1, 2].map((end) => {
    const card = cardOf(), value = card[name][end];
    prices.take({ ...card, [name]: [value, value, value] }, pricing.storage);
    const there = judged().ranks;
    let both = 0, either = 0;
    there.forEach((rank, i) => {
      const here = nowJudged.ranks[i] === 0;
      both += +(here && rank === 0);
      either += +(here || rank === 0);
    });
    return either ? 1 - both / either : 0;
  });
  prices.take(cardOf(), pricing.storage);
  return shares;
}

// --- what becomes of the front
function outcome() {
  const facts = element("ul", { class: "facts" }), lists = element("div", { class: "moves" }), plot = element("div"), grid = element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table of prices, scrolls sideways" });
  const made = element("div", { class: "whatif-results", "aria-label": "What becomes of the front", role: "group" }, facts, lists, plot, grid);
  const before = new Set(onFront);
  const baseOf = ofTable;
  const fact = (value, words) => element("li", {}, element("b", {}, value), ` ${words}`);
  const share = (some) => {
    // Of what can be priced, before as now.
    const ranked = designs.filter((design) => isHeld(design) && some.ranks[design.i] >= 0), known = ranked.map((design) => some.points[design.i]);
    const [best, corner] = [d3.min, d3.max].map((end) => DATA.objectives.map((_, k) => end(known, (point) => point[k])));
    return known.length ? shareOf(known.filter((_, n) => some.ranks[ranked[n].i] === 0), best, corner) : 0;
  };
  const volumes = { before: share(untouched) };
  const percent = (value) => (value === null ? "\u2013" : d3.format(".1%")(value));

  const MOVED = 14, ask = document.getElementById("ask");
  const moveList = (title, some, named = chips(some, MOVED)) => element("p", {}, element("b", {}, `${title} (${some.length}) `), ...named);

  // Each design that left, with a way to ask why it is off the front.
  function asked(some) {
    const why = ({ trial }) => element("button", { type: "button", class: "link", "aria-label": `why did ${nameOf(byTrial.get(trial))} leave the front?`, on: { click: () => { select([...state.selected.filter((other) => other !== trial), trial]); goTo(ask); } } }, "why?");
    return chips(some, MOVED).flatMap((chip, n) => (ask && n < Math.min(some.length, MOVED) ? [element("span", { class: "asked" }, chip, why(some[n]))] : [chip]));
  }

  function writeLists() {
    const on = new Set(onFront), left = [...before].filter((design) => !on.has(design));
    rewrite(lists, ...(isRepriced()
      ? [moveList("Stay", onFront.filter((design) => before.has(design))), moveList("Come", onFront.filter((design) => !before.has(design))), moveList("Leave", left, asked(left))]
      : [element("p", { class: "note" }, "Move a slider: designs that stay on the front, come to it and leave it are named here.")]));
  }
  function write() {
    const isChanged = isRepriced();
    facts.replaceChildren(
      fact(String(onFront.length), isChanged ? `on the front, ${before.size} at the card` : "on the front"),
      fact(percent(isChanged ? share(nowJudged) : volumes.before), isChanged ? `of the box dominated, ${percent(volumes.before)} at the card` : "of the box from worst to best dominated"));
    if (isPartial) facts.append(element("li", { class: "note" }, `priced anew: ${counted(searched.filter(isHeld).length, "design")} of ${everySearched.length}`));
    writeLists();
    drawMoves(plot, before, baseOf);
    grid.replaceChildren(priceTable(baseOf));
  }
  function mark() {
    writeLists();
    grid.replaceChildren(priceTable(baseOf));
  }
  return { root: made, write, mark };
}

// Designs on the front before or after, from where they were to where they are.
function drawMoves(plot, before, baseOf) {
  const width = plot.clientWidth, height = 260;
  const priced = WHATIF.priced.map(({ name }) => name);
  const y = DATA.objectives.find((name) => priced.includes(name)) ?? priced.find((name) => columns.has(name));
  const x = DATA.objectives.find((name) => name !== y) ?? "trial";
  if (!width || !y) return;
  const shown = searched.filter((design) => design.role === "front" || before.has(design)).slice(0, 400);
  const both = (name) => shown.flatMap((design) => [baseOf(design, name), valueOf(design, name)]);
  const sy = scaleOf(y, both(y), [height - 42, 24]);
  const box = { left: roomFor(sy), right: width - 8, top: 24, bottom: height - 42 };
  const sx = scaleOf(x, x === "trial" ? shown.map((design) => valueOf(design, x)) : both(x), [box.left, box.right]);
  const svg = canvas(plot, width, height, `${shown.length} designs of the fronts before and after: ${labelOf(y)} over ${labelOf(x)}`, () => [
    ["trial", "role", x, y, `${x} at the card`, `${y} at the card`],
    ...shown.map((design) => [design.trial, design.role, valueOf(design, x), valueOf(design, y), baseOf(design, x), baseOf(design, y)]),
  ]);
  axes(svg, sx, sy, box, { x: labelOf(x), y: labelOf(y) });
  const at = (design, of) => [sx.at(x === "trial" ? valueOf(design, x) : of(design, x)), sy.at(of(design, y))];
  for (const design of shown) {
    const [from, to] = [at(design, baseOf), at(design, valueOf)];
    if ([...from, ...to].includes(undefined)) continue;
    const colour = design.role === "front" ? "var(--front)" : "var(--searched)";
    svg.append("line").attr("class", "moved").attr("x1", from[0]).attr("y1", from[1]).attr("x2", to[0]).attr("y2", to[1]);
    svg.append("circle").attr("class", "was").attr("cx", from[0]).attr("cy", from[1]).attr("r", 3);
    svg.append("circle").attr("class", "hit").attr("cx", to[0]).attr("cy", to[1]).attr("r", before.has(design) ? 4.5 : 5.5).style("fill", colour)
      .style("stroke", before.has(design) ? null : "var(--ink)").on("click", () => toggle(design.trial))
      .on("pointermove", (event) => { hover(design.trial); tipOf(event, design); }).on("pointerleave", leave);
  }
}

function middleOf(values) {
  const known = Float64Array.from(values.filter((value) => value !== null)).sort(), half = known.length >> 1;
  return known.length ? (known.length % 2 ? known[half] : (known[half - 1] + known[half]) / 2) : null;
}

// Prices of what is selected, or of the middle of the designs, at the card and now.
function priceTable(baseOf) {
  const chosen = state.selected.slice(0, 3).map((trial) => byTrial.get(trial));
  const known = WHATIF.priced.map(({ name }) => name).filter((name) => columns.has(name));
  const middle = (of, name) => middleOf(searched.map((design) => of(design, name)));
  const heads = chosen.length ? chosen.map(nameOf) : ["middle of the designs"];
  const rows = known.map((name) => {
    const pairs = chosen.length ? chosen.map((design) => [baseOf(design, name), valueOf(design, name)]) : [[middle(baseOf, name), middle(valueOf, name)]];
    const cells = pairs.map(([was, is]) => {
      const times = was > 0 && is !== null ? is / was : 1;
      const moved = Math.abs(times - 1) > 1e-9;
      return element("td", { class: "number" }, text(name, is), element("span", { class: "interval" }, moved ? ` \u00d7${d3.format(".3~g")(times)}` : ""));
    });
    return element("tr", {}, element("th", { scope: "row", title: columns.get(name).meaning || null }, ...breakable(name)), ...cells);
  });
  return element("table", { class: "grid" }, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "price"), ...heads.map((head) => element("th", { scope: "col", class: "number" }, head)))), element("tbody", {}, ...rows));
}
