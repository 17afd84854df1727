// Sets up the page: panels, the table of the front, the toolbar, the tray of what is selected.

document.documentElement.classList.add("js");

// --- panels
const panels = [...document.querySelectorAll("[data-panel]")]
  .map((root) => drawers[root.dataset.panel](root, DATA.panels[root.dataset.panel]));
changed.on("draw", () => panels.forEach((panel) => panel.draw()));
changed.on("mark", (selecting) => {
  panels.forEach((panel) => panel.mark(selecting));
  markTable();
  markTray();
});

// --- the table of the front
const table = document.getElementById("front-table");
const rows = table ? [...table.tBodies[0].rows] : [];

function markTable() {
  for (const row of rows) {
    const trial = +row.dataset.trial;
    row.classList.toggle("is-selected", isSelected(trial));
    row.classList.toggle("is-hovered", trial === state.hovered);
    row.style.setProperty("--tag", tagOf(trial));
    row.querySelector("button").setAttribute("aria-pressed", isSelected(trial));
  }
}

function sortTable(place) {
  const heads = [...table.tHead.rows[0].cells];
  const up = heads[place].getAttribute("aria-sort") !== "ascending";
  heads.forEach((head, i) => (i === place ? head.setAttribute("aria-sort", up ? "ascending" : "descending") : head.removeAttribute("aria-sort")));
  const key = (row) => row.cells[place].dataset.value;
  const numeric = heads[place].classList.contains("number");
  const compare = (a, b) => (numeric ? key(a) - key(b) : key(a).localeCompare(key(b), undefined, { numeric: true }));
  const sorted = rows.toSorted((a, b) => (key(a) === "") - (key(b) === "") || (up ? compare(a, b) : compare(b, a)));
  table.tBodies[0].append(...sorted);
}

if (table) {
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    head.replaceChildren(element("button", { type: "button", on: { click: () => sortTable(place) } }, head.textContent));
  });
  for (const row of rows) {
    const trial = +row.dataset.trial;
    const name = row.cells[0].textContent;
    row.cells[0].replaceChildren(element("button", { type: "button", "aria-label": `select trial ${name}`, "aria-pressed": "false" }, name));
    row.addEventListener("click", () => toggle(trial));
    row.addEventListener("pointerenter", () => hover(trial));
    row.addEventListener("pointerleave", () => hover(null));
  }
}
for (const button of document.querySelectorAll("[data-select]")) {
  button.addEventListener("click", () => toggle(+button.dataset.select));
}

// --- the tray
const tray = document.getElementById("tray");

function markTray() {
  tray.hidden = !state.selected.length;
  if (tray.dataset.shown === state.selected.join()) return;
  tray.dataset.shown = state.selected.join();
  const chips = state.selected.slice(0, COLOURED).map((trial) => {
    const name = nameOf(byTrial.get(trial));
    const swatch = element("span", { class: "swatch" });
    swatch.style.setProperty("--tag", tagOf(trial));
    return element("li", {}, element("button", { type: "button", "aria-label": `remove ${name}`, on: { click: () => toggle(trial) } }, swatch, `${name} \u00d7`));
  });
  const count = state.selected.length;
  const more = count > COLOURED ? ` and ${count - COLOURED} more` : "";
  tray.replaceChildren(
    element("ul", {}, ...chips), element("span", {}, more),
    element("button", { type: "button", on: { click: () => select([]) } }, "Clear"),
  );
}

// --- the toolbar
const colour = document.getElementById("colour");
const colours = [...columns.values()].filter((column) => column.role !== "metric" || valuesDiffer(column.name));
colour.append(
  element("option", { value: "" }, "front and rest"),
  ...colours.map((column) => element("option", { value: column.name }, column.name)),
);
colour.addEventListener("change", () => {
  state.colour = colour.value;
  changed.call("draw");
});

function valuesDiffer(name) {
  return new Set(searched.map((design) => valueOf(design, name))).size > 1;
}

const theme = document.getElementById("theme");

function showTheme() {
  theme.textContent = isDark() ? "Light" : "Dark";
  theme.setAttribute("aria-label", `Change to ${isDark() ? "light" : "dark"} colours`);
  if (state.colour) changed.call("draw");
}

theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  showTheme();
});
wanted.addEventListener("change", showTheme);

// --- from now on
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && state.selected.length) select([]);
});

let width = innerWidth;
let waiting = 0;
addEventListener("resize", () => {
  if (innerWidth === width) return; // a phone that shows or hides its address bar
  width = innerWidth;
  clearTimeout(waiting);
  waiting = setTimeout(() => changed.call("draw"), 120);
});
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
});

function fromAddress() {
  const given = /^#designs=([\d,]+)$/.exec(location.hash);
  if (given) select(given[1].split(",").map(Number));
}

addEventListener("hashchange", fromAddress);
showTheme();
changed.call("draw");
fromAddress();
