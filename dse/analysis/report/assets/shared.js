// What all panels share: the data, what is hovered and selected, how values are written, the tip.

const DATA = JSON.parse(document.getElementById("data").textContent);
const columns = new Map(DATA.designs.columns.map((column) => [column.name, column]));
const designs = DATA.designs.trial.map((trial, i) => ({
  trial, i, role: DATA.designs.role[i], origin: DATA.designs.origin[i], seeds: DATA.designs.seeds[i],
}));
const byTrial = new Map(designs.map((design) => [design.trial, design]));
const everySearched = designs.filter((design) => design.role !== "control");
const controls = designs.filter((design) => design.role === "control");
// Those that are shown; while prices are changed, those that the page can price.
let drawn = designs, searched = everySearched;
let onFront = designs.filter((design) => design.role === "front");
let infeasible = designs.filter((design) => design.role === "infeasible");
const COLOURED = 8; // selected designs with a colour of their own

// Columns and intervals that stand in for those of the table while prices are changed; see pricing.js.
const instead = { values: new Map(), ci95: new Map() };
const packed = new Columns(DATA.designs.packed), made = { values: new Map(), ci95: new Map() };

// A column of the table, read when it is first asked for; null for one that there is not.
function columnOf(kind, name) {
  if (!made[kind].has(name)) made[kind].set(name, read(DATA.designs[kind][name]));
  return made[kind].get(name);
}

function read(place) {
  if (!Array.isArray(place)) return place === undefined ? null : packed.at(place);
  const [own, words] = place;
  return Array.from(packed.at(own), (n) => words[n] ?? null);
}

// A number that is missing or infinite is null to all who ask.
const known = (value) => (value === undefined || (typeof value === "number" && !Number.isFinite(value)) ? null : value);
const valueOf = (design, name) => known((instead.values.get(name) ?? columnOf("values", name))?.[design.i]);
const halfOf = (design, name) => known((instead.ci95.get(name) ?? columnOf("ci95", name))?.[design.i]);
const ofTable = (design, name) => known(columnOf("values", name)?.[design.i]); // whatever the prices are now
// Of several studies, a number has the letter of its study.
const numberOf = (design) => DATA.designs.names?.[design.i] ?? String(design.trial);
const nameOf = (design) => (design.role === "control" ? design.origin : `trial ${numberOf(design)}`);
const STUDY = DATA.designs.names ? "study" : ""; // the column that tells studies apart

// --- panels: drawers by name; each gets its element and content and returns { draw, mark }. `mark` follows what is
// hovered, and what is selected where it is told so.
const drawers = {};

// --- what is hovered and selected
const state = { hovered: null, selected: [], colour: STUDY };
const changed = d3.dispatch("mark", "draw", "price", "sure");
let places = new Map(); // of what is selected
const isSelected = (trial) => places.has(trial);
const isTagged = (trial) => trial === state.hovered || (places.get(trial) ?? -1) < COLOURED;
const tagOf = (trial) => {
  const place = places.get(trial) ?? COLOURED;
  return place < COLOURED ? `var(--s${place})` : "var(--ink)";
};

function hover(trial) {
  if (trial === state.hovered) return;
  state.hovered = trial;
  changed.call("mark", null, false);
}

function select(trials) {
  state.selected = [...new Set(trials)].filter((trial) => byTrial.has(trial));
  places = new Map(state.selected.map((trial, place) => [trial, place]));
  writeAddress();
  changed.call("mark", null, true);
}

// --- the address: what of the page a link keeps, by name; "" where there is nothing to keep
const kept = new Map([["designs", {
  write: () => state.selected.slice(0, 50).join(","),
  read: (text) => { if (/^[\d,]+$/.test(text)) select(text.split(",").map(Number)); },
}]]);

function writeAddress() {
  const parts = [...kept].map(([name, { write }]) => [name, write()]).filter(([, text]) => text);
  const words = parts.map(([name, text]) => `${name}=${text}`).join("&");
  try {
    history.replaceState(null, "", words ? `#${words}` : location.pathname + location.search);
  } catch {
    // a page within another, as in a notebook, has no address of its own
  }
}

// While a slider moves, the address waits: browsers take only some hundred changes a minute.
let addressTimer = 0;
function writeAddressSoon() {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(writeAddress, 150);
}

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return ""; }
}

function readAddress() {
  const found = location.hash.slice(1).split("&").map((part) => part.split(/=(.*)/s)).filter(([name]) => kept.has(name));
  for (const [name, text] of found) kept.get(name).read(decoded(text ?? ""));
}

function toggle(trial) {
  select(isSelected(trial) ? state.selected.filter((other) => other !== trial) : [...state.selected, trial]);
}

// Designs that stand out now, the hovered one last, so that it is drawn on top.
function standing(most = Infinity) {
  const trials = state.selected.slice(0, most + 1).filter((trial) => trial !== state.hovered).slice(0, most);
  if (state.hovered !== null) trials.push(state.hovered);
  return trials.map((trial) => byTrial.get(trial));
}

// --- how values are written
const plain = d3.format(",.4~r"), whole = d3.format(","), tiny = d3.format(".3~e"), si = d3.format(".3~s");

function quantity(value, unit) {
  if (value === 0) return `0 ${unit}`;
  return si(value).replace(/([a-zµ]?)$/i, `\u2009$1${unit}`);
}

function number(value) {
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return whole(value);
  const size = Math.abs(value);
  return size >= 1e-4 && size < 1e7 ? plain(value) : tiny(value);
}

function text(name, value) {
  if (value === null || value === undefined) return "\u2013";
  if (typeof value !== "number") return String(value);
  const unit = columns.get(name)?.unit;
  if (name === "trial") return String(value);
  return unit === "J" || unit === "s" ? quantity(value, unit) : number(value);
}

// The half-width of an interval has two digits; more would say nothing.
const rounded = (half) => Number(half.toPrecision(2));

function withInterval(design, name) {
  const half = halfOf(design, name);
  return text(name, valueOf(design, name)) + (half ? ` \u00b1 ${text(name, rounded(half))}` : "");
}

function labelOf(name) {
  const column = columns.get(name);
  const unit = column?.unit ? ` (${column.unit})` : "";
  const better = column?.goal === "maximise" ? ", higher is better" : column?.goal === "minimise" ? ", lower is better" : "";
  return `${name}${unit}${column?.role === "parameter" || column?.role === "search" ? "" : better}`;
}

// --- colours
const SHADES = 256, shades = new Map();

function ramp(t) {
  const place = Math.round(t * (SHADES - 1)) + (isDark() ? SHADES : 0);
  if (!shades.has(place)) {
    const part = (place % SHADES) / (SHADES - 1);
    shades.set(place, d3.interpolateViridis(place >= SHADES ? 0.25 + 0.75 * part : 0.88 * part));
  }
  return shades.get(place);
}

// What a design is filled with, or null for the colour of its role.
function painter() {
  const name = state.colour;
  if (!name) return () => null;
  const column = columns.get(name);
  if (column.levels) {
    const place = new Map(column.levels.map((level, i) => [level, i / Math.max(1, column.levels.length - 1)]));
    return (design) => (valueOf(design, name) === null ? null : ramp(place.get(String(valueOf(design, name)))));
  }
  const [low, high] = d3.extent(searched, (design) => valueOf(design, name));
  const log = column.log && low > 0;
  const scale = (log ? d3.scaleLog() : d3.scaleLinear()).domain([low, high === low ? low + 1 : high]).clamp(true);
  return (design) => {
    const value = valueOf(design, name);
    return value === null || (log && value <= 0) ? null : ramp(scale(value));
  };
}

const wanted = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme || (wanted.matches ? "dark" : "light")) === "dark";

// --- elements
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// A name that breaks after its underscores and points, where it has to.
const breakable = (name) => name.split(/(?<=[_.])/).flatMap((part, i) => (i ? [element("wbr"), part] : [part]));

// Buttons that select designs, by their numbers.
const chips = (some, most = 12) => [
  ...some.slice(0, most).map((design) => element("button", {
    type: "button", class: "chip", "aria-pressed": String(isSelected(design.trial)), "data-trial": String(design.trial), on: { click: () => toggle(design.trial) },
  }, design.role === "control" ? design.origin : numberOf(design))),
  some.length > most ? ` and ${some.length - most} more` : "",
];

// Writes an element anew; a button of a design keeps the keyboard.
function rewrite(root, ...children) {
  const had = root.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.trial : undefined;
  root.replaceChildren(...children);
  if (had) root.querySelector(`[data-trial="${had}"]`)?.focus();
}

function chooser(label, options, chosen, listener) {
  const choices = options.map((option) => {
    const [value, name] = Array.isArray(option) ? option : [option, option];
    return element("option", { value, selected: value === chosen ? "" : null }, name);
  });
  const list = element("select", { on: { change: () => listener(list.value) } }, ...choices);
  return element("label", {}, `${label} `, list);
}

function legend(root, entries) {
  root.replaceChildren(...entries.map(([kind, colour, name]) => {
    const sign = element("i", { class: kind });
    if (colour) sign.style.background = colour;
    return element("span", {}, sign, name);
  }));
}

const counted = (number, what) => (number ? `${number} ${what}${number === 1 ? "" : "s"}` : "");

// The keyboard follows to a panel; the address, which holds what was selected and changed, stays.
function goTo(panel) {
  panel.scrollIntoView();
  panel.tabIndex = -1;
  panel.focus({ preventScroll: true });
}

// What a slider asks for, once a picture.
let sliding = null;
function soon(step) {
  if (!sliding) requestAnimationFrame(() => { const last = sliding; sliding = null; last(); });
  sliding = step;
}

function say(words) {
  document.getElementById("said").textContent = words;
}

// --- the tip
const tip = document.getElementById("tip");

function showTip(event, title, rows) {
  const body = rows.map(([name, value]) => element("tr", {}, element("td", {}, name), element("td", {}, value)));
  tip.replaceChildren(element("b", {}, title), element("table", {}, ...body));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = event.clientX + 16 + width > innerWidth ? event.clientX - 12 - width : event.clientX + 16;
  const top = Math.min(event.clientY + 14, innerHeight - height - 8);
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

function tipOf(event, design, more = []) {
  const names = [...DATA.objectives, ...["rank", "p_front", ...(design.role === "infeasible" ? ["violation"] : []), state.colour].filter((name) => columns.has(name))];
  const shown = [...new Set(names)].filter((name) => valueOf(design, name) !== null || DATA.objectives.includes(name));
  const title = nameOf(design) + (design.role === "infeasible" ? ", infeasible" : "");
  showTip(event, title, [...shown.map((name) => [name, withInterval(design, name)]), ...more]);
}

function leave() {
  tip.hidden = true;
  hover(null);
}
