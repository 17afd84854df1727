// Sets up the page: panels, the table of the front, the toolbar, the tray of what is selected.

document.documentElement.classList.add("js");

// --- panels
const roots = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-panel]")]);
const panels = roots.map((root) => drawers[root.dataset.panel](root, DATA.panels[root.dataset.panel]));
// Of many designs, what is in sight is drawn first.
const MANY = 10_000;
changed.on("draw", () => { if (designs.length > MANY) drawSeen(0); else panels.forEach((panel) => panel.draw()); });

// While prices move, what is in sight follows at once, and the rest when there is time.
let behind = [], later = 0;
changed.on("price", () => {
  drawSeen();
  writeHead();
});

function drawSeen(wait = 250) {
  const boxes = roots.map((root) => root.getBoundingClientRect());
  const isSeen = (_, i) => (panels[i].isPrompt && wait) || (boxes[i].bottom > 60 && boxes[i].top < innerHeight);
  const prompt = panels.filter(isSeen);
  behind = panels.filter((panel) => !prompt.includes(panel));
  prompt.forEach((panel) => panel.draw());
  clearTimeout(later);
  later = setTimeout(catchUp, wait);
}

// The shares of draws come when they are done.
changed.on("sure", () => {
  if (state.colour === "p_front" || panels.some((panel) => panel.shows?.("p_front"))) changed.call("draw");
  panels.forEach((panel) => panel.follow?.());
  writeTable();
});

function catchUp() {
  const panel = behind.shift();
  if (!panel) {
    document.documentElement.dataset.drawn = "all";
    performance.mark("all drawn");
    if (instead.values.size || rows !== asMade) writeTable();
    return;
  }
  panel.draw();
  later = setTimeout(catchUp);
}
changed.on("mark", (selecting) => {
  panels.forEach((panel) => panel.mark(selecting));
  markTable();
  markTray();
});

// --- the tray
const tray = document.getElementById("tray");
let shownInTray = null;

function markTray() {
  tray.hidden = !state.selected.length;
  if (shownInTray === state.selected) return;
  shownInTray = state.selected;
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
// One button for all that a reader changed of what is shown: limits, selection and prices.
const undoAll = document.getElementById("undo-all");

function markUndo() {
  undoAll.hidden = !(state.selected.length || limits.length || (prices && isRepriced()));
}

undoAll.addEventListener("click", () => {
  limits.length = 0;
  select([]);
  if (prices && isRepriced()) backToCard();
  else changed.call("draw");
  writeAddress();
  say("limits, selection and prices are as they were");
});
changed.on("mark.undo", markUndo);
changed.on("draw.undo", markUndo);
changed.on("price.undo", markUndo);

const colour = /** @type {HTMLSelectElement} */ (document.getElementById("colour"));
const colours = [...columns.values()].filter((column) => column.role !== "metric" || column.varies);
colour.append(
  element("option", { value: "" }, "front and rest"),
  ...colours.map((column) => element("option", { value: column.name }, column.name)),
);
colour.value = state.colour;
colour.addEventListener("change", () => {
  state.colour = colour.value;
  changed.call("draw");
});

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

for (const link of document.querySelectorAll('.toolbar nav a')) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    goTo(document.querySelector(link.getAttribute("href")));
  });
}

for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-pick]"))) {
  button.addEventListener("click", () => select(button.dataset.pick.split(",").map(Number)));
}

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
  while (behind.length) behind.shift().draw();
  for (const fold of document.querySelectorAll("details")) fold.open = true;
});

addEventListener("hashchange", readAddress);
showTheme();
changed.call("draw");
readAddress();
