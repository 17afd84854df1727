// The card as it is now: what a reader changed of it, the designs priced on it, and the front and ranks that follow.

const WHATIF = DATA.panels.whatif ?? null;
const prices = WHATIF && new Prices(WHATIF);
const constants = new Map((WHATIF?.constants ?? []).map((constant) => [constant.name, constant]));
const pricing = { card: WHATIF?.card ?? "", changes: {}, storage: "" };
const isRepriced = () => pricing.card !== WHATIF.card || pricing.storage !== "" || Object.keys(pricing.changes).length > 0;

const entryOf = (name, card = pricing.card) => WHATIF.cards[card].entries[name]; // value, low, high, number of the source
const valueNow = (name) => pricing.changes[name] ?? entryOf(name)[0];

// {constant: [value, low, high]}; a constant that was changed has no range any more.
function cardOf(changes = pricing.changes, card = pricing.card) {
  return Object.fromEntries(Object.entries(WHATIF.cards[card].entries).map(([name, [value, low, high]]) => {
    const own = changes[name];
    return [name, own === undefined ? [value, low ?? value, high ?? value] : [own, own, own]];
  }));
}

// --- columns: prices that the table does not store are shown, too
if (prices) {
  prices.take(cardOf());
  for (const { name, ...described } of WHATIF.priced) {
    if (columns.has(name)) continue;
    const found = prices.means(name);
    const [low, high] = d3.extent(prices.designOf, (i) => (Number.isFinite(found[i]) ? found[i] : undefined));
    if (low === undefined) continue;
    columns.set(name, { name, role: "metric", log: low > 0 && high > 4 * low, varies: low < high, ...described });
    made.values.set(name, found);
  }
}

// What decides on the front, for each design: objectives and bounded quantities at the prices as they are now.
function decisive(names) {
  const priced = new Set(Object.keys(WHATIF.program.outputs));
  return new Map(names.map((name) => [name, priced.has(name) ? prices.means(name) : columnOf("values", name) ?? new Float64Array(designs.length).fill(NaN)]));
}

// How far a value is beyond a bound, as dse/pricing/bounds.py has it: 0 where it is met, NaN where it is missing.
function violation(value, sign, bound) {
  if (Number.isNaN(value) || (sign === ">=" ? value >= bound : value <= bound)) return Number.isNaN(value) ? NaN : 0;
  return Number.isFinite(value) ? Math.min(Math.abs(value - bound) / (Math.max(Math.abs(value), Math.abs(bound)) || 1), 2) : 1;
}

const isHeld = (design) => !prices || prices.holds[design.i] > 0;
const priced = designs.filter(isHeld), isPartial = everySearched.some((design) => !isHeld(design));

// Ranks of the searched designs on the card that was taken last, by place; -1 for those that have none.
function judged() {
  const names = [...DATA.objectives, ...WHATIF.constraints.map(([name]) => name)];
  const values = decisive([...new Set(names)]);
  const signs = DATA.objectives.map(signOf), own = DATA.objectives.map((name) => values.get(name)), missing = own.map(() => NaN);
  const far = new Float64Array(designs.length).fill(NaN), broken = new Uint8Array(designs.length).fill(1), points = designs.map(() => missing);
  for (const { i, role } of priced) {
    const beyond = WHATIF.constraints.map(([name, sign, bound]) => violation(values.get(name)[i], sign, bound));
    far[i] = d3.fsum(beyond);
    broken[i] = +beyond.some((one) => one !== 0);
    if (role !== "control" && !broken[i]) points[i] = own.map((costs, k) => signs[k] * costs[i]);
  }
  const ranks = new Int32Array(designs.length).fill(-1);
  ranksOf(priced.map(({ i }) => points[i])).forEach((rank, n) => { ranks[priced[n].i] = rank; });
  return { ranks, far, broken, points };
}

// As the table has them, at the card of the study.
function asStored() {
  const signs = DATA.objectives.map(signOf), own = DATA.objectives.map((name) => columnOf("values", name)), missing = DATA.objectives.map(() => NaN);
  const points = designs.map(({ i, role }) => (role === "control" || role === "infeasible" ? missing : own.map((values, k) => (values ? signs[k] * values[i] : NaN))));
  const ranked = columnOf("values", "rank");
  return { points, ranks: Int32Array.from(designs, ({ i }) => (ranked && ranked[i] >= 0 ? ranked[i] : -1)) };
}

// --- all that follows from a change
let stored = null; // worked out when it is first asked for: of many designs it takes a while
const untouched = {
  roles: designs.map((design) => design.role),
  get points() { return (stored ??= asStored()).points; },
  get ranks() { return (stored ??= asStored()).ranks; },
};
/** @type {{ranks: Int32Array, points: number[][]}} */
let nowJudged = untouched;

function reprice(words = "") {
  prices.take(cardOf(), pricing.storage);
  instead.values.clear();
  instead.ci95.clear();
  if (isRepriced()) standIn();
  else {
    nowJudged = untouched;
    designs.forEach((design, i) => { design.role = untouched.roles[i]; });
    [drawn, searched] = [designs, everySearched];
  }
  // The table of the study has the shares of its own draws.
  clearTimeout(drawing);
  if (isRepriced() && WHATIF.replicates && !isPartial) drawing = setTimeout(() => drawOn(probability()), 600);
  onFront = bestFirst(searched.filter((design) => design.role === "front"));
  infeasible = searched.filter((design) => design.role === "infeasible");
  writeAddressSoon();
  changed.call("price");
  if (words) say(words);
}

function standIn() {
  if (isPartial) [drawn, searched] = [designs, everySearched].map((some) => some.filter((design) => design.role === "control" || isHeld(design)));
  for (const { name } of WHATIF.priced) {
    if (!columns.has(name)) continue;
    instead.values.set(name, prices.means(name));
    instead.ci95.set(name, prices.halves(name));
  }
  const found = judged(), { ranks, far, broken } = found, none = designs.map(() => null);
  nowJudged = found;
  instead.values.set("rank", designs.map((design) => (ranks[design.i] < 0 ? null : ranks[design.i])));
  if (WHATIF.constraints.length) instead.values.set("violation", far);
  if (columns.has("knee") || WHATIF.weights) instead.values.set("knee", kneesOf(found.points, ranks, weightings()));
  for (const name of ["p_front", "distance"]) instead.values.set(name, none);
  for (const design of searched) design.role = broken[design.i] ? "infeasible" : ranks[design.i] === 0 ? "front" : "searched";
}

// --- how sure the front is: the shares of draws of the means in which designs are on it, as dse/analysis/fronts/confidence.py
// has them, from draws of the page's own; some at a time, while nobody waits
let drawing = 0;
const weightings = () => WHATIF.weights.map((place) => prices.columns.at(place));
const DRAWS = 1000;

function probability(draws = DRAWS) {
  const bounds = WHATIF.constraints, names = [...DATA.objectives, ...bounds.map(([name]) => name)];
  const rows = names.map((name) => (name in WHATIF.replicates ? prices.columns.at(WHATIF.replicates[name]) : prices.rows(name).slice()));
  const signs = DATA.objectives.map(signOf), isIn = (means) => bounds.every(([, sign, bound], k) => violation(means[signs.length + k], sign, bound) === 0);
  return new FrontProbability(rows, prices.designOf, (i) => designs[i].role !== "control", signs, isIn, draws);
}

function drawOn(found) {
  const started = performance.now();
  while (!found.isDone && performance.now() - started < 25) found.draw();
  if (!found.isDone) {
    drawing = setTimeout(() => drawOn(found), 5);
    return;
  }
  instead.values.set("p_front", found.shares(designs.length));
  changed.call("sure");
}

// Set constants, {name: value}; null takes one back to the card.
function setConstants(values) {
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === entryOf(name)[0]) delete pricing.changes[name];
    else pricing.changes[name] = value;
  }
  reprice();
}

function setCard(name) {
  pricing.card = name;
  pricing.changes = Object.fromEntries(Object.entries(pricing.changes).filter(([key, value]) => value !== entryOf(key)[0]));
  reprice(`prices of the card ${name}`);
}

function backToCard() {
  Object.assign(pricing, { card: WHATIF.card, changes: {}, storage: "" });
  reprice("back to the card of the study");
}

// What is wrong with a value, as a card would say it; "" for nothing.
function refused(name, value) {
  const { unit, largest, positive } = constants.get(name);
  const isFine = Number.isFinite(value) && (positive ? value > 0 : value >= 0) && value <= largest;
  return isFine ? "" : `${name} must be a number ${positive ? "above 0" : "from 0"} to ${largest} ${unit === "1" ? "" : unit}`.trim();
}

// --- the address
if (prices) {
  kept.set("card", { write: () => (pricing.card === WHATIF.card ? "" : encodeURIComponent(pricing.card)), read: (name) => { if (Object.hasOwn(WHATIF.cards, name)) setCard(name); } });
  kept.set("storage", { write: () => pricing.storage, read: (name) => { if (Object.hasOwn(WHATIF.storages, name)) { pricing.storage = name; reprice(); } } });
  kept.set("set", {
    write: () => Object.entries(pricing.changes).map(([name, value]) => `${name}:${value}`).join(","),
    read: (text) => {
      const pairs = text.split(",").map((pair) => pair.split(":")).map(([name, value]) => [name, Number(value)]);
      setConstants(Object.fromEntries(pairs.filter(([name, value]) => constants.has(name) && !refused(name, value))));
    },
  });
}

// --- a card as TOML, which `dse price --card FILE` takes
function cardAsToml() {
  const quoted = (words) => JSON.stringify(words).replaceAll("\u007f", "\\u007f");
  const names = Object.keys(pricing.changes), { library, title } = WHATIF.cards[pricing.card];
  const entry = (name) => {
    const [value, low, high, source] = entryOf(name), own = pricing.changes[name];
    const from = own === undefined ? WHATIF.sources[source] : `chosen in the page of the study ${WHATIF.study}; ${pricing.card} has ${value}`;
    const lines = [`[${name}]`, `value = ${own ?? value}`, `unit = ${quoted(constants.get(name).unit)}`, `source = ${quoted(from)}`];
    if (own === undefined && low !== null) lines.push(`low = ${low}`);
    if (own === undefined && high !== null) lines.push(`high = ${high}`);
    return lines.join("\n");
  };
  const head = [`title = ${quoted(`${title}; ${names.length} constants changed`)}`];
  if (library) head.push(`base = ${quoted(pricing.card)}`);
  if (pricing.storage) head.unshift(`# Accumulators were priced in ${pricing.storage}, which no card says: --set ${WHATIF.storage}=${pricing.storage}`);
  return `${[head.join("\n"), ...(library ? names : [...constants.keys()]).map(entry)].join("\n\n")}\n`;
}

// For the console of a browser, and for tests: prices of designs on the card as it is now, or with constants changed.
globalThis.dse = prices && {
  designs: () => designs.map(({ trial, role }) => ({ trial, role, rank: nowJudged.ranks[byTrial.get(trial).i] })),
  names: () => Object.keys(WHATIF.program.outputs),
  price: (changes = pricing.changes, card = pricing.card, storage = pricing.storage) => {
    prices.take(cardOf(changes, card), storage);
    const found = Object.fromEntries(Object.keys(WHATIF.program.outputs).map((name) => [name, Array.from(prices.means(name))]));
    prices.take(cardOf(), pricing.storage);
    return found;
  },
  probability: (draws) => { const found = probability(draws); while (!found.isDone) found.draw(); return Array.from(found.shares(designs.length), (share) => known(share)); },
  knees: () => designs.map((design) => valueOf(design, "knee")),
  set: setConstants, card: setCard, back: backToCard, toml: cardAsToml,
};
