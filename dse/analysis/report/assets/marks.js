// Axes, marks and the pointer, as all pictures use them.

// A position for a column: levels are places in a row, logarithms end at nought.
function scaleOf(name, values, range) {
  const column = columns.get(name);
  if (column?.levels) {
    const scale = d3.scalePoint(column.levels, range).padding(0.5);
    return { at: (value) => (value === null ? undefined : scale(String(value))), ticks: column.levels, text: String };
  }
  return scaleFor(values, range, { log: column?.log, text: (value) => text(name, value) });
}

function scaleFor(values, range, { log = false, symlog = false, zero = false, text: format = number } = {}) {
  const known = values.filter((value) => typeof value === "number" && (!log || value > 0));
  let [low, high] = known.length ? d3.extent(known) : log ? [1, 10] : [0, 1];
  if (zero) low = Math.min(0, low);
  if (log) {
    const room = Math.max((high / low) ** 0.06, low === high ? 1.5 : 1.01);
    const scale = d3.scaleLog([low / room, high * room], range);
    return { at: (value) => (value > 0 ? scale(value) : undefined), ticks: logTicks(scale), text: format, scale };
  }
  if (symlog) {
    // Linear up to 1 and logarithmic beyond, so that nought has a place.
    const scale = d3.scaleSymlog([0, high * 1.15], range), power = d3.range(0, 1 + Math.ceil(Math.log10(high)));
    const ticks = [0, ...power.flatMap((e) => (high > 3000 ? [1] : [1, 3]).map((digit) => digit * 10 ** e))];
    return { at: scale, ticks: ticks.filter((tick) => tick <= high * 1.15), text: format, scale };
  }
  const room = (high - low) * 0.05 || Math.abs(high) * 0.05 || 0.5;
  const scale = d3.scaleLinear([zero && low === 0 ? 0 : low - room, high + room], range);
  const count = Math.max(3, Math.abs(range[1] - range[0]) / 75);
  return { at: (value) => (value === null ? undefined : scale(value)), ticks: scale.ticks(count), text: format, scale };
}

function logTicks(scale) {
  const [low, high] = scale.domain();
  const decades = Math.log10(high / low);
  const leading = decades > 3.5 ? [1] : decades > 0.8 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];
  const ticks = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
    for (const digit of leading) ticks.push(Number(`${digit}e${e}`));
  }
  const inside = ticks.filter((tick) => tick >= low && tick <= high);
  return inside.length >= 2 ? inside : scale.ticks(3);
}

// Grid lines and words of both axes. `box` is { left, right, top, bottom }.
function axes(svg, x, y, box, titles) {
  const group = svg.append("g").attr("class", "axis");
  let last = -Infinity;
  for (const tick of x.ticks) {
    const at = x.at(tick), words = x.text(tick), wide = words.length * 6 + 10;
    group.append("line").attr("class", "grid-line").attr("x1", at).attr("x2", at).attr("y1", box.top).attr("y2", box.bottom);
    if (at - wide / 2 < last) continue;
    last = at + wide / 2;
    group.append("text").attr("x", at).attr("y", box.bottom + 16).attr("text-anchor", "middle").text(words);
  }
  for (const tick of y.ticks) {
    const at = y.at(tick);
    group.append("line").attr("class", "grid-line").attr("x1", box.left).attr("x2", box.right).attr("y1", at).attr("y2", at);
    group.append("text").attr("x", box.left - 7).attr("y", at).attr("dy", "0.32em").attr("text-anchor", "end").text(y.text(tick));
  }
  group.append("line").attr("x1", box.left).attr("x2", box.right).attr("y1", box.bottom).attr("y2", box.bottom);
  group.append("text").attr("class", "title").attr("x", 0).attr("y", box.top - 9).text(titles.y);
  group.append("text").attr("class", "title").attr("x", box.right).attr("y", box.bottom + 34).attr("text-anchor", "end").text(titles.x);
}

// Room to the left for the words of an axis.
const roomFor = (scale) => 14 + 6.2 * d3.max(scale.ticks, (tick) => scale.text(tick).length);

// `rows` gives the data of the picture: a list of lists, the first of them the names.
function canvas(root, width, height, label, rows = null) {
  root.replaceChildren();
  const svg = d3.select(root).append("svg").attr("width", width).attr("height", height)
    .attr("viewBox", `0 0 ${width} ${height}`).attr("role", "img").attr("aria-label", label);
  root.classList.add("picture");
  if (rows) offerSave(root, svg.node(), label, rows);
  return svg;
}

// Where there are more designs than this, those off the front, and a front of so many, are painted on a canvas below the picture: elements of their
// own would take seconds.
const PAINTED = 1000;
const isPainted = ({ role }) => searched.length > PAINTED && (role === "searched" || role === "infeasible" || (role === "front" && onFront.length > PAINTED));

// A canvas below the picture in `root`, sharp on any screen: its context, in the picture's own units.
function under(root, width, height) {
  const made = element("canvas", { width: Math.round(width * devicePixelRatio), height: Math.round(height * devicePixelRatio), class: "under", "aria-hidden": "true" });
  made.style.width = `${width}px`;
  made.style.height = `${height}px`;
  root.prepend(made);
  const context = made.getContext("2d");
  context.scale(devicePixelRatio, devicePixelRatio);
  return context;
}

// A colour of the page as a canvas takes it.
function colourOf(root, name) {
  const probe = element("i");
  probe.style.color = `var(--${name})`;
  root.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// The nearest of some points to the pointer, or null. Points have `px` and `py`.
function nearest(points, x, y, reach = 28) {
  const found = d3.least(points, (point) => (point.px - x) ** 2 + (point.py - y) ** 2);
  return found && Math.hypot(found.px - x, found.py - y) <= reach ? found : null;
}

// Points sorted into cells, so that a pointer asks those near it alone. The cells are a reach wide.
class Grid {
  constructor(points, reach = 28) {
    this.points = points;
    this.reach = reach;
    this.wide = 2 + Math.floor((d3.max(points, (point) => point.px) ?? 0) / reach);
    const cells = Int32Array.from(points, (point) => this.cell(point.px, point.py)), count = (d3.max(cells) ?? 0) + 2;
    this.starts = new Int32Array(count + 1);
    for (const cell of cells) this.starts[cell + 1] += 1;
    for (let cell = 0; cell < count; cell++) this.starts[cell + 1] += this.starts[cell];
    this.order = new Int32Array(points.length);
    const next = this.starts.slice();
    cells.forEach((cell, i) => { this.order[next[cell]++] = i; });
  }

  cell(x, y) {
    return Math.max(0, Math.floor(y / this.reach)) * this.wide + Math.max(0, Math.floor(x / this.reach));
  }

  // The nearest point within reach, of equally near ones the one that is drawn last; or null.
  nearest(x, y) {
    let found = null, least = this.reach ** 2;
    for (let dy = -this.reach; dy <= this.reach; dy += this.reach) {
      for (let dx = -this.reach; dx <= this.reach; dx += this.reach) {
        if (x + dx < 0 || y + dy < 0 || x + dx >= this.reach * this.wide) continue;
        const cell = this.cell(x + dx, y + dy);
        for (let n = this.starts[cell] ?? 0; n < (this.starts[cell + 1] ?? 0); n++) {
          const point = this.points[this.order[n]], far = (point.px - x) ** 2 + (point.py - y) ** 2;
          if (far <= least) [found, least] = [point, far];
        }
      }
    }
    return found;
  }
}

const within = (value, low, high) => Math.max(low, Math.min(high, value));
const diamond = d3.symbol(d3.symbolDiamond, 70)();

// Arrow keys move over designs in an order, Enter selects.
function keys(root, label, ordered) {
  root.tabIndex = 0;
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", `${label}. Arrow keys move over the designs, Enter selects.`);
  root.classList.add("plot");
  root.addEventListener("keydown", (event) => {
    const list = ordered();
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step && list.length) {
      const place = list.findIndex((design) => design.trial === state.hovered);
      const design = list[(place + step + list.length + (place < 0 && step < 0 ? 1 : 0)) % list.length];
      hover(design.trial);
      say(`${nameOf(design)}: ${DATA.objectives.map((name) => `${name} ${withInterval(design, name)}`).join(", ")}`);
      event.preventDefault();
    } else if ((event.key === "Enter" || event.key === " ") && state.hovered !== null) {
      toggle(state.hovered);
      say(`${nameOf(byTrial.get(state.hovered))} ${isSelected(state.hovered) ? "selected" : "no longer selected"}`);
      event.preventDefault();
    }
  });
  root.addEventListener("blur", () => hover(null));
}

function rolesLegend(root) {
  const paint = painter();
  const entries = [];
  if (!state.colour) {
    if (onFront.length) entries.push(["round", "var(--front)", "on the front"]);
    if (searched.length > onFront.length + infeasible.length) entries.push(["round", "var(--searched)", "searched"]);
  } else {
    const column = columns.get(state.colour);
    if (column.levels) {
      const seen = new Map();
      for (const design of searched) if (!seen.has(String(valueOf(design, state.colour)))) seen.set(String(valueOf(design, state.colour)), paint(design));
      for (const level of column.levels) if (seen.get(level)) entries.push(["round", seen.get(level), `${state.colour} ${level}`]);
    } else {
      const [low, high] = d3.extent(searched, (design) => valueOf(design, state.colour));
      const stops = d3.range(0, 1.01, 0.1).map(ramp).join(",");
      entries.push(["ramp", `linear-gradient(90deg, ${stops})`, `${state.colour}: ${text(state.colour, low)} to ${text(state.colour, high)}${column.log ? ", logarithmic" : ""}`]);
    }
    if (onFront.length) entries.push(["round", "var(--ink)", "large: on the front"]);
  }
  if (infeasible.length) entries.push(["cross", null, "infeasible"]);
  if (controls.length) entries.push(["diamond", null, "control"]);
  legend(root, entries);
}
