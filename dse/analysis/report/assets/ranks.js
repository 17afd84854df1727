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
