// Ask: limits that designs must meet, weights of a compromise, and why a design is not on the front.

drawers.ask = (root) => {
  const parts = [limitsPart(), weightsPart(), whyPart()];
  root.append(element("div", { class: "views pair" }, ...parts.map((part) => part.root)));
  const draw = () => parts.forEach((part) => part.write());
  return { draw, mark: (selecting = true) => { if (selecting) draw(); }, follow: draw };
};

// --- limits: {name, sign, bound, typed}; a word is met by equal words
const limits = [];
const isMet = ({ name, sign, bound }, design) => {
  const value = valueOf(design, name);
  if (value === null) return false;
  if (sign === "=") return String(value) === String(bound);
  return sign === ">=" ? value >= bound : value <= bound;
};
const meetsAll = (design) => limits.every((limit) => isMet(limit, design));

// A limit such as "validation_accuracy >= 0.95", or what is wrong with it.
function limitOf(words) {
  const found = /^\s*(\S+?)\s*(>=|<=|=)\s*(\S+)\s*$/.exec(words);
  if (!found) return { wrong: `${JSON.stringify(words)} is not understood; give a name, >=, <= or =, and a value, such as ${DATA.objectives[0]} >= 0.95` };
  const [, name, sign, right] = found;
  if (!columns.has(name)) return { wrong: `there is no ${JSON.stringify(name)}; pick a name from the list` };
  if (sign === "=") return { name, sign, bound: right, typed: right };
  const bound = Number(right);
  if (!Number.isFinite(bound)) return { wrong: `${JSON.stringify(right)} is not a number; write it as 0.95 or 1e-9` };
  if (columns.get(name).levels) return { wrong: `${name} has words among its values; give ${name} = one of ${columns.get(name).levels.join(", ")}` };
  return { name, sign, bound, typed: right };
}

const wordsOf = ({ name, sign, typed }) => `${name} ${sign} ${typed}`;

function limitsPart() {
  const names = element("datalist", { id: "limit-names" }, ...[...columns.keys()].map((name) => element("option", { value: `${name} ${columns.get(name).levels ? "=" : columns.get(name).goal === "minimise" ? "<=" : ">="} ` })));
  const field = element("input", { type: "text", list: "limit-names", placeholder: `${DATA.objectives[0]} >= 0.95`, "aria-label": "a limit, such as a metric >= a number", on: { keydown: (event) => { if (event.key === "Enter") add(); } } });
  const wrong = element("p", { class: "refusal", role: "alert" }), list = element("ul", { class: "limits" }), answer = element("div", { class: "answer", "aria-live": "polite" });
  const made = element("div", { class: "view" }, element("h3", {}, "What must a design be like?"), names,
    element("div", { class: "controls ask-row" }, field, element("button", { type: "button", on: { click: add } }, "Add")), wrong, list, answer);

  function add() {
    const limit = limitOf(field.value);
    wrong.textContent = limit.wrong ?? "";
    if (limit.wrong) return;
    limits.push(limit);
    field.value = "";
    follow();
  }
  function follow() {
    writeAddress();
    changed.call("draw");
  }
  kept.set("limits", {
    write: () => limits.map((limit) => encodeURIComponent(wordsOf(limit).replaceAll(" ", ""))).join(","),
    read: (text) => {
      limits.splice(0, Infinity, ...text.split(",").map((words) => limitOf(words)).filter((limit) => !limit.wrong));
      changed.call("draw");
    },
  });
  function write() {
    list.replaceChildren(...limits.map((limit, i) => {
      const unmet = searched.filter((design) => !isMet(limit, design)).length;
      const remove = element("button", { type: "button", class: "link", "aria-label": `remove ${wordsOf(limit)}`, on: { click: () => { limits.splice(i, 1); follow(); } } }, "\u00d7");
      return element("li", {}, `${wordsOf(limit)} `, element("span", { class: "note" }, `${unmet} do not meet it`), remove);
    }));
    if (!limits.length) {
      rewrite(answer, element("p", { class: "note" }, "Limit any metric or parameter; the designs that meet all limits are named here, the best of each objective first. To draw a limit, drag over a picture."));
      return;
    }
    const met = searched.filter(meetsAll), front = bestFirst(met.filter((design) => design.role === "front"));
    const best = DATA.objectives.map((name) => [name, d3.least(met.filter((design) => valueOf(design, name) !== null), (design) => signOf(name) * valueOf(design, name))]);
    rewrite(answer,
      element("p", {}, element("b", {}, String(met.length)), ` of ${searched.length} designs meet ${limits.length > 1 ? "all limits" : "it"}, ${front.length} of them on the front: `, ...chips(front)),
      ...(met.length ? best.filter(([, design]) => design).map(([name, design]) => element("p", { class: "note" }, `best ${name}: ${withInterval(design, name)} `, ...chips([design]))) : [element("p", { class: "note" }, nearestTo(limits))]),
      element("button", { type: "button", on: { click: () => select(met.map((design) => design.trial)) } }, "Select these"));
  }
  return { root: made, write };
}

// Which design is nearest to meeting limits that none meets: by the sum of violations, as constraints have it.
function nearestTo(some) {
  const numeric = some.filter(({ sign }) => sign !== "=");
  const far = (design) => d3.sum(numeric, ({ name, sign, bound }) => violation(valueOf(design, name) ?? NaN, sign, bound)) + (numeric.some(({ name }) => valueOf(design, name) === null) ? Infinity : 0);
  const found = d3.least(searched.filter((design) => some.every((limit) => limit.sign !== "=" || isMet(limit, design))), far);
  if (!found || !Number.isFinite(far(found))) return "No design is near.";
  const off = numeric.filter((limit) => !isMet(limit, found)).map(({ name }) => `${name} ${text(name, valueOf(found, name))}`);
  return `The nearest is ${nameOf(found)}, with ${off.join(", ")}.`;
}

// --- weights: the best compromise on the front
function weightsPart() {
  const weights = new Map(DATA.objectives.map((name) => [name, 1]));
  const rows = DATA.objectives.map((name) => element("label", { class: "weight" }, element("span", {}, name),
    element("input", { type: "range", min: "0", max: "4", step: "0.1", value: "1", "aria-label": `weight of ${name}`, on: { input: (event) => { weights.set(name, +event.target.value); soon(write); } } })));
  const answer = element("div", { class: "answer", "aria-live": "polite" });
  const made = element("div", { class: "view" }, element("h3", {}, "Which compromise?"), ...rows, answer);
  function write() {
    const some = onFront.filter(meetsAll), total = d3.sum(weights.values());
    if (!some.length || !total) {
      rewrite(answer, element("p", { class: "note" }, total ? "No design on the front meets the limits." : "Give an objective a weight."));
      return;
    }
    const spans = DATA.objectives.map((name) => {
      const values = onFront.map((design) => costIn(design, name));
      const [low, high] = d3.extent(values);
      return { name, low, wide: high - low || 1 };
    });
    const score = (design) => d3.sum(spans, ({ name, low, wide }) => (weights.get(name) / total) * (costIn(design, name) - low) / wide);
    const order = d3.sort(some, score);
    rewrite(answer,
      element("p", {}, element("b", {}, "trial "), ...chips(order.slice(0, 1)), ", then ", ...chips(order.slice(1, 6))),
      element("p", { class: "note" }, DATA.objectives.map((name) => `${name} ${withInterval(order[0], name)}`).join(", ")),
      element("p", { class: "note" }, "The least weighted sum of objectives in parts of their range over the front; quantities on logarithmic axes by their logarithm."));
  }
  return { root: made, write };
}

function costIn(design, name) {
  const value = valueOf(design, name), { log } = columns.get(name);
  return signOf(name) * (log && value > 0 ? Math.log(value) : value);
}

// --- why not
function whyPart() {
  const field = element("input", { type: "text", inputmode: "numeric", size: "6", placeholder: "trial", "aria-label": "number of a trial", on: { change: ask } });
  const answer = element("div", { class: "answer", "aria-live": "polite" });
  const made = element("div", { class: "view whole-row" }, element("h3", {}, "Why is it not on the front?"),
    element("div", { class: "controls ask-row" }, element("span", { class: "note" }, "trial"), field, element("button", { type: "button", on: { click: ask } }, "Ask")), answer);
  // The design that was selected last is asked about; a number that is asked for is selected.
  function ask() {
    const words = field.value.trim().toUpperCase(), found = designs.find((design) => numberOf(design) === words);
    if (found) {
      if (found.trial !== state.selected.at(-1)) select([...state.selected.filter((trial) => trial !== found.trial), found.trial]);
      else write();
      return;
    }
    const ends = [d3.least(searched, (design) => design.trial), d3.greatest(searched, (design) => design.trial)];
    rewrite(answer, element("p", { class: "refusal" }, `this page holds no trial ${JSON.stringify(field.value)}; it holds ${searched.length} from ${ends.map(numberOf).join(" to ")}`));
  }
  function write() {
    const design = byTrial.get(state.selected.at(-1));
    field.value = design ? numberOf(design) : "";
    rewrite(answer, ...(design ? reasons(design) : [element("p", { class: "note" }, "Select a design, or give its number.")]));
  }
  return { root: made, write };
}

function reasons(design) {
  const say_ = (...words) => element("p", {}, ...words);
  if (design.role === "control") return [say_(`${nameOf(design)} is a control: it is compared with the front, and is never on it.`)];
  const missing = DATA.objectives.filter((name) => valueOf(design, name) === null);
  if (missing.length) return [say_(`It has no ${missing.join(", ")}${missing.some((name) => columns.get(name)?.unit === "J") ? ": on this card its converters have no price" : ""}.`)];
  if (design.role === "infeasible") return [say_("It is infeasible: ", ...(WHATIF?.constraints ?? []).filter(([name, sign, bound]) => violation(decisive([name]).get(name)[design.i], sign, bound) !== 0).map(([name, sign, bound]) => `${name} is ${text(name, valueOf(design, name))}, not ${sign} ${text(name, bound)}. `))];
  const own = nowJudged.points[design.i];
  const better = searched.filter((other) => nowJudged.points[other.i].every((cost) => !Number.isNaN(cost)) && beats(nowJudged.points[other.i], own));
  if (!better.length) return [say_(element("b", {}, "It is on the front"), ": no design is as good in every objective and better in one.", ...sureOf(design))];
  const front = better.filter((other) => other.role === "front");
  const worst = (other) => d3.max(DATA.objectives, (_, k) => (nowJudged.points[other.i][k] - own[k]) / (Math.abs(own[k]) || 1));
  const order = d3.sort(front, worst).slice(0, 5);
  return [
    say_(`${better.length} design${better.length > 1 ? "s are" : " is"} as good in every objective and better in one; of the front: `, ...chips(front)),
    dominanceTable(design, order),
    say_(element("b", {}, "To be on the front "), "it would need one of: ", DATA.objectives.map((name, k) => enough(name, k, better, own)).join("; "), "."),
    ...sureOf(design),
  ];
}

// The bound that one objective alone would have to pass.
function enough(name, k, better, own) {
  const cost = d3.min(better, (other) => nowJudged.points[other.i][k]), bound = signOf(name) * cost;
  const part = own[k] ? ` (${d3.format("+.2~%")((cost - own[k]) / Math.abs(own[k]) * signOf(name))})` : "";
  return `${name} ${signOf(name) < 0 ? "above" : "below"} ${text(name, bound)}${cost === own[k] ? "" : part}`;
}

function sureOf(design) {
  const share = valueOf(design, "p_front");
  return share === null ? [] : [element("p", { class: "note" }, `p_front ${number(share)}: the share of draws of the means in which it is on the front.`)];
}

// Who beats a design, by how much, and whether the intervals of both means leave a doubt.
function dominanceTable(design, others) {
  const head = ["objective", nameOf(design), ...others.map(nameOf)].map((words, i) => element("th", { scope: "col", class: i ? "number" : null }, words));
  const rows = DATA.objectives.map((name) => {
    const cells = others.map((other) => {
      const gap = valueOf(other, name) - valueOf(design, name), halves = [halfOf(design, name), halfOf(other, name)];
      const part = valueOf(design, name) ? d3.format("+.2~%")(gap / Math.abs(valueOf(design, name))) : d3.format("+.3~g")(gap);
      const doubt = halves.includes(null) ? "" : Math.abs(gap) > Math.hypot(...halves) ? " sure" : " in doubt";
      return element("td", { class: "number" }, text(name, valueOf(other, name)), element("span", { class: "interval" }, gap === 0 ? " equal" : ` ${part}${doubt}`));
    });
    return element("tr", {}, element("th", { scope: "row" }, ...breakable(name)), element("td", { class: "number" }, withInterval(design, name)), ...cells);
  });
  const several = others.some((other) => DATA.objectives.some((name) => halfOf(other, name) !== null));
  const words = several ? "sure: the 95 % interval of the difference leaves out 0 (Welch, with the degrees of freedom of one mean)." : "One seed a design: nothing says how sure that is.";
  return element("div", {}, element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table of designs that beat it, scrolls sideways" },
    element("table", { class: "grid" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows))), element("p", { class: "note" }, words));
}
