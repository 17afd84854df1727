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
    const found = Array.from(prices.means(name), (value) => (Number.isFinite(value) ? value : null));
    const known = found.filter((value) => value !== null);
    if (!known.length) continue;
    columns.set(name, { name, role: "metric", log: d3.min(known) > 0 && d3.max(known) > 4 * d3.min(known), ...described });
    DATA.designs.values[name] = found;
  }
}

// What decides on the front, for each design: objectives and bounded quantities, without rounding.
function decisive(names) {
  return new Map(names.map((name) => [name, prices.exact[name] ?? prices.means(name)]));
}

// How far a value is beyond a bound, as dse/pricing/bounds.py has it: 0 where it is met, NaN where it is missing.
function violation(value, sign, bound) {
  if (Number.isNaN(value) || (sign === ">=" ? value >= bound : value <= bound)) return Number.isNaN(value) ? NaN : 0;
  return Number.isFinite(value) ? Math.min(Math.abs(value - bound) / (Math.max(Math.abs(value), Math.abs(bound)) || 1), 2) : 1;
}

// Ranks of the searched designs on the card that was taken last, by place; -1 for those that have none.
function judged() {
  const names = [...DATA.objectives, ...WHATIF.constraints.map(([name]) => name)];
  const values = decisive([...new Set(names)]);
  const far = designs.map((design) => d3.fsum(WHATIF.constraints, ([name, sign, bound]) => violation(values.get(name)[design.i], sign, bound)));
  const broken = designs.map((design) => WHATIF.constraints.some(([name, sign, bound]) => violation(values.get(name)[design.i], sign, bound) !== 0));
  const signs = DATA.objectives.map(signOf), own = DATA.objectives.map((name) => values.get(name));
  const points = designs.map((design) => own.map((value, k) => (design.role === "control" || broken[design.i] ? NaN : signs[k] * value[design.i])));
  return { ranks: ranksOf(points), far, broken, points };
}

// The same from the values that the page shows, where nothing can be priced.
function asShown() {
  const points = designs.map((design) => DATA.objectives.map((name) => (["control", "infeasible"].includes(design.role) ? NaN : signOf(name) * (valueOf(design, name) ?? NaN))));
  return { ranks: ranksOf(points), points };
}

// --- all that follows from a change
const untouched = { roles: designs.map((design) => design.role), ...(prices ? judged() : asShown()) };
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
  }
  onFront.splice(0, Infinity, ...bestFirst(searched.filter((design) => design.role === "front")));
  infeasible.splice(0, Infinity, ...searched.filter((design) => design.role === "infeasible"));
  writeAddressSoon();
  changed.call("price");
  if (words) say(words);
}

function standIn() {
  const finite = (values) => Array.from(values, (value) => (Number.isFinite(value) ? value : null));
  for (const { name } of WHATIF.priced) {
    if (!columns.has(name)) continue;
    instead.values.set(name, finite(prices.means(name)));
    instead.ci95.set(name, finite(prices.halves(name)));
  }
  const found = judged(), { ranks, far, broken } = found, none = designs.map(() => null);
  nowJudged = found;
  instead.values.set("rank", designs.map((design) => (ranks[design.i] < 0 ? null : ranks[design.i])));
  if (WHATIF.constraints.length) instead.values.set("violation", finite(far));
  for (const name of ["p_front", "knee", "distance"]) instead.values.set(name, none);
  for (const design of searched) design.role = broken[design.i] ? "infeasible" : ranks[design.i] === 0 ? "front" : "searched";
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
  set: setConstants, card: setCard, back: backToCard, toml: cardAsToml,
};
