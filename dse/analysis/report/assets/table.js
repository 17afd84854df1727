// The head of the page and the table of the front, which the page holds as text; they follow changed prices.

const table = /** @type {HTMLTableElement} */ (document.getElementById("front-table"));
let rows = table ? [...table.tBodies[0].rows] : [];
const asMade = rows;

function markTable() {
  for (const row of rows) {
    const trial = +row.dataset.trial;
    row.classList.toggle("is-selected", isSelected(trial));
    row.classList.toggle("is-hovered", trial === state.hovered);
    row.style.setProperty("--tag", tagOf(trial));
    row.querySelector("button").setAttribute("aria-pressed", String(isSelected(trial)));
  }
}

function sortTable(place) {
  const heads = [...table.tHead.rows[0].cells];
  const up = heads[place].getAttribute("aria-sort") !== "ascending";
  heads.forEach((head, i) => (i === place ? head.setAttribute("aria-sort", up ? "ascending" : "descending") : head.removeAttribute("aria-sort")));
  const key = (row) => row.cells[place].dataset.value;
  const numeric = heads[place].classList.contains("number");
  const compare = (a, b) => (numeric ? Number(key(a)) - Number(key(b)) : key(a).localeCompare(key(b), undefined, { numeric: true }));
  const sorted = rows.toSorted((a, b) => Number(key(a) === "") - Number(key(b) === "") || (up ? compare(a, b) : compare(b, a)));
  table.tBodies[0].append(...sorted);
}

function live(row) {
  const trial = +row.dataset.trial;
  const name = row.cells[0].textContent;
  row.cells[0].replaceChildren(element("button", { type: "button", "aria-label": `select trial ${name}`, "aria-pressed": "false" }, name));
  row.addEventListener("click", () => toggle(trial));
  row.addEventListener("pointerenter", () => hover(trial));
  row.addEventListener("pointerleave", () => hover(null));
  return row;
}

const tableNames = table ? [...table.tHead.rows[0].cells].map((head) => head.textContent) : [];
if (table) {
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    head.replaceChildren(element("button", { type: "button", on: { click: () => sortTable(place) } }, head.textContent));
  });
  rows.forEach(live);
}

// The rows of the front as it is now; those that the page came with at the card of the study.
function writeTable() {
  if (!table) return;
  rows = instead.values.size ? bestFirst(onFront).slice(0, 500).map(rowOf) : asMade;
  for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
  table.tBodies[0].replaceChildren(...rows);
  markTable();
}

function rowOf(design) {
  const cells = tableNames.map((name, place) => {
    const value = name === "trial" ? design.trial : name === "seeds" ? design.seeds : valueOf(design, name);
    const half = halfOf(design, name);
    const sure = half === null ? null : element("span", { class: "interval" }, `\u00b1\u00a0${text(name, rounded(half))}`);
    const numeric = table.tHead.rows[0].cells[place].classList.contains("number");
    const cell = element(place ? "td" : "th", { class: place && numeric ? "number" : null, scope: place ? null : "row", "data-value": String(value ?? "") }, place ? text(name, value) : numberOf(design));
    if (sure) cell.append(" ", sure);
    return cell;
  });
  return live(element("tr", { "data-trial": String(design.trial) }, ...cells));
}

function bestFirst(some) {
  const costs = (design) => DATA.objectives.map((name) => signOf(name) * (valueOf(design, name) ?? NaN));
  return [...some].sort((a, b) => { const [x, y] = [costs(a), costs(b)]; const k = x.findIndex((cost, i) => cost !== y[i]); return k < 0 ? 0 : x[k] - y[k]; });
}

// --- the head: how many are on the front, and the best of each objective
const items = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".best > li")]);
const figures = items.map((item) => {
  const words = item.querySelector(".figure .value"), button = /** @type {HTMLElement} */ (item.querySelector("[data-select]"));
  const others = [.../** @type {NodeListOf<HTMLElement>} */ (item.querySelectorAll("[data-first]"))].map((row) => {
    const [title, value] = [row.querySelector("dt"), row.querySelector("dd")], [first, end] = [+row.dataset.first, +row.dataset.end];
    return { title, value, made: [title.textContent, value.textContent], of: designs.filter(({ trial }) => first <= trial && trial < end) };
  });
  return { name: item.dataset.objective, text: words, button, others, made: [words.textContent, button.dataset.select] };
});
for (const figure of figures) {
  figure.button.addEventListener("click", () => toggle(+figure.button.dataset.select));
}
const countOfFront = document.querySelector(".facts .is-front b");
const countMade = countOfFront.textContent;

function writeHead() {
  const isChanged = instead.values.size > 0;
  countOfFront.textContent = isChanged ? String(onFront.length) : countMade;
  for (const figure of figures) {
    const bestOf = (some) => d3.least(some.filter((design) => design.role !== "infeasible" && valueOf(design, figure.name) !== null), (design) => signOf(figure.name) * valueOf(design, figure.name));
    const best = bestOf(searched);
    const [words, trial] = isChanged && best ? [text(figure.name, valueOf(best, figure.name)), best.trial] : figure.made;
    figure.text.textContent = words;
    figure.button.dataset.select = trial;
    figure.button.textContent = `trial ${numberOf(byTrial.get(+trial))}`;
    // Controls, or the best of each of several studies.
    for (const other of figure.others) {
      const its = isChanged ? bestOf(other.of) : null;
      other.title.textContent = its && its.role !== "control" ? numberOf(its) : other.made[0];
      other.value.textContent = its ? text(figure.name, valueOf(its, figure.name)) : other.made[1];
    }
  }
}
