// Prices of designs on a card of the reader's: runs the program that dse/pricing/program.py takes from the formulas of
// `dse price`. Nothing is known here of converters or cells. A missing number is NaN.

const OPERATIONS = {
  "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b, "**": (a, b) => a ** b,
  "<": (a, b) => +(a < b), "<=": (a, b) => +(a <= b), ">": (a, b) => +(a > b), ">=": (a, b) => +(a >= b), "==": (a, b) => +(a === b),
  "&": (a, b) => +(a > 0 && b > 0), "|": (a, b) => +(a > 0 || b > 0),
  ceil: Math.ceil, fill: (a, b) => (Number.isNaN(a) ? b : a), if: (p, a, b) => (p > 0 ? a : b),
  min: (a, b) => (Number.isNaN(a) || b < a ? b : a),
};
// Loops for one operation each, so that each is compiled for it alone.
const LOOPS = {
  "+": (a, b, out) => { for (let i = 0; i < out.length; i++) out[i] = a[i] + b[i]; },
  "*": (a, b, out) => { for (let i = 0; i < out.length; i++) out[i] = a[i] * b[i]; },
  "/": (a, b, out) => { for (let i = 0; i < out.length; i++) out[i] = a[i] / b[i]; },
  "* scalar": (a, b, out) => { for (let i = 0; i < out.length; i++) out[i] = a[i] * b; },
  "/ scalar": (a, b, out) => { for (let i = 0; i < out.length; i++) out[i] = a[i] / b; },
};

class Prices {
  // `content` is what dse/analysis/report/whatif.py gives.
  constructor(content) {
    this.content = content;
    this.nodes = content.program.nodes.map((node) => (node[0] === "number" ? ["number", node[1] ?? NaN] : node));
    this.outputs = content.program.outputs;
    const columns = this.columns = new Columns(content.columns);
    this.trial = columns.at(0);
    this.first = columns.at(1);
    this.inputs = { layer: content.layer.map((place) => columns.at(place)), trial: content.trial.map((place) => columns.at(place)) };
    this.instead = Object.fromEntries(Object.entries(content.storages).map(([storage, levels]) => [
      storage, Object.fromEntries(Object.entries(levels).map(([level, own]) => [level, new Map(own.map(([n, place]) => [n, columns.at(place)]))])),
    ]));
    this.depends = [];
    for (const [kind, ...rest] of this.nodes) {
      const own = kind === "card" ? [rest[0]] : ["number", "layer", "trial"].includes(kind) ? [] : rest.flatMap((place) => [...this.depends[place]]);
      this.depends.push(new Set(own));
    }
    this.held = this.nodes.map(() => null);
    this.buffers = this.nodes.map(() => null);
    this.card = {};
    this.storage = "";
    const places = new Map(designs.map((design) => [design.trial, design.i]));
    this.designOf = Int32Array.from(this.trial, (trial) => places.get(trial));
    this.holds = new Uint8Array(designs.length); // which designs have prices here
    this.seeds = new Uint16Array(designs.length);
    for (const i of this.designOf) { this.holds[i] = 1; this.seeds[i] += 1; }
  }

  // Take a card: {constant: [value, low, high]}; what depends on a constant that differs is forgotten.
  take(card, storage = "") {
    const same = (name) => this.card[name]?.every((value, i) => value === card[name][i]);
    const differ = Object.keys(card).filter((name) => !same(name));
    const all = storage !== this.storage;
    this.card = card;
    this.storage = storage;
    if (all) this.held.fill(null);
    else if (differ.length) this.held.forEach((_, place) => { if (differ.some((name) => this.depends[place].has(name))) this.held[place] = null; });
  }

  // The value of a node: a number, or one for each layer or each trial and seed.
  at(place) {
    return (this.held[place] ??= this.worked(place));
  }

  worked(place) {
    const [kind, ...rest] = this.nodes[place];
    if (kind === "number") return rest[0];
    if (kind === "card") return this.card[rest[0]][{ low: 1, high: 2 }[rest[1]] ?? 0];
    if (kind === "layer" || kind === "trial") return this.instead[this.storage]?.[kind].get(rest[0]) ?? this.inputs[kind][rest[0]];
    const given = rest.map((one) => this.at(one));
    if (kind === "sum" || kind === "most") return this.gathered(kind, given[0], place);
    if (kind === "min") return given.slice(1).reduce((a, b, i) => this.each("min", [a, b], i ? null : place), given[0]);
    return this.each(kind, given, place);
  }

  each(kind, given, place) {
    const operation = OPERATIONS[kind];
    const long = given.find((value) => typeof value !== "number");
    if (!long) return operation(...given);
    const out = this.room(place, long.length), [a, b, c] = given;
    const both = typeof a !== "number" && typeof b !== "number" && given.length === 2;
    if (both && LOOPS[kind]) LOOPS[kind](a, b, out);
    else if (typeof b === "number" && given.length === 2 && LOOPS[`${kind} scalar`]) LOOPS[`${kind} scalar`](a, b, out);
    else {
      const read = given.map((value) => (typeof value === "number" ? () => value : (i) => value[i]));
      if (given.length === 1) for (let i = 0; i < out.length; i++) out[i] = operation(a[i]);
      else if (given.length === 2) for (let i = 0; i < out.length; i++) out[i] = operation(read[0](i), read[1](i));
      else if (typeof a === "number") return a > 0 ? (typeof b === "number" ? out.fill(b) : b) : (typeof c === "number" ? out.fill(c) : c);
      else for (let i = 0; i < out.length; i++) out[i] = a[i] > 0 ? read[1](i) : read[2](i);
    }
    return out;
  }

  // Room for the numbers of a node, made once.
  room(place, length) {
    if (place === null) return new Float64Array(length);
    if (this.buffers[place]?.length !== length) this.buffers[place] = new Float64Array(length);
    return this.buffers[place];
  }

  // From layers to trials.
  gathered(kind, values, place) {
    const out = this.room(place, this.trial.length), all = this.inputs.layer[0].length;
    for (let row = 0; row < out.length; row++) {
      const end = row + 1 < out.length ? this.first[row + 1] : all;
      let found = kind === "sum" ? 0 : NaN;
      for (let i = this.first[row]; i < end; i++) {
        const value = typeof values === "number" ? values : values[i];
        if (kind === "sum") found += value;
        else if (Number.isNaN(found) || value > found) found = value;
      }
      out[row] = found;
    }
    return out;
  }

  // A price for each trial and seed.
  rows(name) {
    const found = this.at(this.outputs[name]);
    return typeof found === "number" ? new Float64Array(this.trial.length).fill(found) : found;
  }

  // A price for each design that the page holds, means over seeds; NaN where a seed has none.
  means(name) {
    const rows = this.rows(name), out = new Float64Array(designs.length).fill(NaN);
    for (const i of this.designOf) out[i] = 0;
    for (let row = 0; row < rows.length; row++) out[this.designOf[row]] += rows[row];
    for (let i = 0; i < out.length; i++) if (this.seeds[i]) out[i] /= this.seeds[i];
    return out;
  }

  // Half-widths of the 95 % intervals of these means; NaN for one seed.
  halves(name) {
    const rows = this.rows(name), means = this.means(name);
    const squares = new Float64Array(designs.length), seeds = new Float64Array(designs.length);
    rows.forEach((value, row) => {
      const i = this.designOf[row];
      squares[i] += (value - means[i]) ** 2;
      seeds[i] += 1;
    });
    return squares.map((sum, i) => (this.content.student[seeds[i]] ?? NaN) * Math.sqrt(sum / (seeds[i] - 1) / seeds[i]));
  }
}
