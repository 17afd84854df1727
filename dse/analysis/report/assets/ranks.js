// Fronts, ranks and volumes. A point is an array of costs, all to be minimised; with NaN it has no rank.

const signOf = (name) => (columns.get(name)?.goal === "maximise" ? -1 : 1);

function beats(a, b) {
  let better = false;
  for (let k = 0; k < a.length; k++) {
    if (a[k] > b[k]) return false;
    if (a[k] < b[k]) better = true;
  }
  return better;
}

// Ranks by efficient non-dominated sorting: in lexicographic order only points before can beat a point, and its rank is
// found by bisection (Zhang et al., IEEE Trans. Evol. Comput. 19, 2015). -1 where a cost is missing.
function ranksOf(points) {
  const known = d3.range(points.length).filter((i) => !points[i].some(Number.isNaN));
  known.sort((i, j) => {
    const k = points[i].findIndex((cost, n) => cost !== points[j][n]);
    return k < 0 ? i - j : points[i][k] - points[j][k];
  });
  const found = new Int32Array(points.length).fill(-1), fronts = [];
  // The last that joined a front is the likeliest to beat the next.
  const beaten = (front, point) => {
    for (let n = front.length - 1; n >= 0; n--) if (beats(front[n], point)) return true;
    return false;
  };
  for (const i of known) {
    let low = 0, high = fronts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (beaten(fronts[middle], points[i])) low = middle + 1;
      else high = middle;
    }
    (fronts[low] ??= []).push(points[i]);
    found[i] = low;
  }
  return found;
}

const MOST_SLICES = 3e7;

// The volume that points below a corner dominate, as a share of the box between the best costs and the corner: slices along the
// last cost, each with the volume of one dimension less. null where that would take long.
function shareOf(points, best, corner) {
  const inside = points.filter((point) => point.every((cost, k) => cost < corner[k]));
  if (!inside.length) return 0;
  if (![...best, ...corner].every(Number.isFinite)) return null;
  if (inside.length ** (corner.length - 1) > MOST_SLICES) return null;
  return sliced(inside.map((point) => point.map((cost, k) => (corner[k] - cost) / (corner[k] - best[k]))), corner.length);
}

// Of boxes from 0 to each point.
function sliced(points, dimensions) {
  if (dimensions === 1) return d3.max(points, (point) => point[0]) ?? 0;
  const last = dimensions - 1, order = d3.sort(points, (point) => -point[last]);
  if (dimensions === 2) {
    let wide = 0, sum = 0;
    order.forEach((point, i) => {
      wide = Math.max(wide, point[0]);
      sum += wide * (point[1] - (order[i + 1]?.[1] ?? 0));
    });
    return sum;
  }
  let sum = 0;
  const held = [];
  order.forEach((point, i) => {
    held.push(point);
    const deep = point[last] - (order[i + 1]?.[last] ?? 0);
    if (deep > 0) sum += deep * sliced(held, last);
  });
  return sum;
}

// The expected marginal utility of each point of the front, as dse/analysis/fronts/quality.py has it: how much more the best
// choice would cost without it, on average over the weights. NaN off the front; equal points share theirs.
function kneesOf(points, ranks, weights) {
  const found = new Float64Array(points.length).fill(NaN), on = d3.range(points.length).filter((i) => ranks[i] === 0);
  const finite = withinReach(on.map((i) => points[i])), same = d3.group(on.map((i, n) => [i, finite[n]]), ([, point]) => point.join());
  const distinct = [...same.values()].map(([[, point]]) => point), utility = new Float64Array(distinct.length);
  if (distinct.length > 1) {
    const spans = weights.map((_, k) => { const [low, high] = d3.extent(distinct, (point) => point[k]); return [low, high > low ? high - low : 1]; });
    const scaled = distinct.map((point) => point.map((cost, k) => (cost - spans[k][0]) / spans[k][1]));
    for (let w = 0; w < weights[0].length; w++) {
      let [first, least, second] = [-1, Infinity, Infinity];
      scaled.forEach((point, n) => {
        let cost = 0;
        for (let k = 0; k < point.length; k++) cost += point[k] * weights[k][w];
        if (cost < least) [first, least, second] = [n, cost, least];
        else if (cost < second) second = cost;
      });
      utility[first] += second - least;
    }
  }
  [...same.values()].forEach((own, n) => { for (const [i] of own) found[i] = utility[n] / weights[0].length; });
  return found;
}

// Costs with what is infinite one range beyond the finite values.
function withinReach(points) {
  if (points.every((point) => point.every(Number.isFinite))) return points;
  const ends = points[0].map((_, k) => { const [low, high] = d3.extent(points.map((point) => point[k]).filter(Number.isFinite)); return [low ?? 0, high ?? 0]; });
  return points.map((point) => point.map((cost, k) => {
    const [low, high] = ends[k], span = high > low ? high - low : 1;
    return cost === Infinity ? high + span : cost === -Infinity ? low - span : cost;
  }));
}

// Whether each point is on the front; a point with NaN is not.
function frontOf(points) {
  const order = d3.range(points.length).filter((i) => !points[i].some(Number.isNaN));
  order.sort((i, j) => {
    for (let k = 0; k < points[i].length; k++) if (points[i][k] !== points[j][k]) return points[i][k] - points[j][k];
    return 0;
  });
  const front = [];
  for (const i of order) if (!front.some((j) => beats(points[j], points[i]))) front.push(i);
  return front;
}

// Draws of the means of replicates from the multivariate t distribution that belongs to their intervals, and the shares of
// draws in which each design is on the front.
class FrontProbability {
  // `rows`: a column for each objective, and then for each bounded quantity, a value for each trial and seed; `designOf` the
  // place of the design of each; `isIn` says whether means meet the bounds.
  constructor(rows, designOf, isSearched, signs, isIn, draws) {
    this.signs = signs;
    this.isIn = isIn;
    this.draws = this.left = draws;
    this.random = randomOf(1);
    const of = d3.group(d3.range(designOf.length).filter((row) => isSearched(designOf[row])), (row) => designOf[row]);
    this.designs = [...of].map(([i, own]) => {
      const values = rows.map((column) => own.map((row) => column[row])), count = own.length;
      const isWhole = values.every((column) => !column.some(Number.isNaN));
      // Where all are equal their mean is exact, so that ties stay ties; what is infinite stays as it is.
      const isSame = values.map((column) => column.every((value) => value === column[0]));
      const means = values.map((column, k) => (isSame[k] ? column[0] : d3.sum(column) / count));
      const differences = values.map((column, k) => column.map((value) => (isSame[k] || !Number.isFinite(means[k]) ? 0 : value - means[k])));
      return { i, count, means, differences, isSure: isWhole && count > 1 };
    });
    this.hits = new Float64Array(this.designs.length);
  }

  get isDone() {
    return this.left <= 0;
  }

  draw() {
    this.left -= 1;
    const points = this.designs.map(({ count, means, differences }) => {
      if (count < 2) return this.costs(means);
      const z = Array.from({ length: count }, this.random), degrees = count - 1;
      let chi2 = 0;
      for (let n = 0; n < degrees; n++) chi2 += this.random() ** 2;
      const wide = Math.sqrt(degrees / chi2) / Math.sqrt(count * degrees);
      return this.costs(means.map((mean, k) => mean + wide * d3.sum(differences[k], (difference, n) => difference * z[n])));
    });
    for (const n of frontOf(points)) this.hits[n] += 1;
  }

  costs(means) {
    const isIn = this.isIn(means);
    return this.signs.map((sign, k) => (isIn ? sign * means[k] : NaN));
  }

  // By the place of each design; NaN for those with fewer than two seeds.
  shares(length) {
    const found = new Float64Array(length).fill(NaN);
    this.designs.forEach(({ i, isSure }, n) => { if (isSure) found[i] = this.hits[n] / (this.draws - this.left); });
    return found;
  }
}

// Standard normal numbers, the same for the same seed (mulberry32, and Box and Muller's transform).
function randomOf(seed) {
  const uniform = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
