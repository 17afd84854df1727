// Pareto views: designs over two columns of choice, as many views as wanted.

drawers.front = (root, content) => {
  const signs = element("div", { class: "legend" });
  const place = element("div", { class: `views${content.views.length === 1 ? " pair" : ""}` });
  const views = [];
  const near = element("input", { type: "checkbox", on: { change: () => view.over(near.checked ? "front" : "usual") } });
  // What the axes of all views span: the front alone, what is usual, or all designs.
  const view = { span: "usual", over: (span) => { view.span = span; near.checked = span === "front"; draw(); } };
  const add = element("button", { type: "button", on: { click: () => { open(...content.views[0]); draw(); } } }, "Add a view");
  root.append(signs, place, element("div", { class: "controls needs-script" }, add, element("label", {}, near, " axes around the front alone")));
  content.views.forEach((pair) => open(...pair));

  function open(x, y) {
    const own = pairView(x, y, content.bands, view, () => {
      views.splice(views.indexOf(own), 1);
      own.root.remove();
    });
    views.push(own);
    place.append(own.root);
  }
  function draw() {
    rolesLegend(signs);
    if (STUDY) signs.append(element("span", {}, "line: the front of a study in the view alone"));
    if (content.bands) signs.append(element("span", {}, "line: attained by half of the drawn fronts; dashes: by 10 and 90 %"));
    views.forEach((own) => own.draw());
  }
  return { draw, mark: (selecting) => views.forEach((own) => own.mark(selecting)), shows: (name) => views.some((own) => own.shows(name)) };
};

function pairView(x, y, bands, view, close) {
  const plot = element("div"), beyond = element("p", { class: "note" });
  const names = [...columns.keys()];
  const chosen = { x, y };
  const pick = (axis) => chooser(axis, names, chosen[axis], (name) => { chosen[axis] = name; draw(); });
  const remove = element("button", { type: "button", "aria-label": "Remove this view", title: "Remove this view", on: { click: close } }, "\u00d7");
  const root = element("div", { class: "view" }, element("div", { class: "controls" }, pick("y"), pick("x"), remove), plot, beyond);
  let points = [], svg = null, at = null, grid = null;
  keys(plot, "Designs over two columns", () => d3.sort(points, (point) => point.px).map((point) => point.design));

  function draw() {
    const width = plot.clientWidth, height = Math.max(250, Math.min(380, width * 0.72));
    if (!width) return;
    const usual = usualOver([chosen.x, chosen.y]);
    const shown = view.span === "front" && onFront.length ? onFront : view.span === "all" ? drawn : usual, on = (name) => shown.map((design) => valueOf(design, name));
    const sy = scaleOf(chosen.y, on(chosen.y), [height - 42, 24]);
    const box = { left: roomFor(sy), right: width - 8, top: 24, bottom: height - 42 };
    const sx = scaleOf(chosen.x, on(chosen.x), [box.left, box.right]);
    svg = canvas(plot, width, height, `${drawn.length} designs: ${labelOf(chosen.y)} over ${labelOf(chosen.x)}`,
      () => tableOf(drawn, [...new Set([chosen.x, chosen.y])].filter((name) => name !== "trial")));
    svg.classed("is-coloured", state.colour !== "");
    axes(svg, sx, sy, box, { x: labelOf(chosen.x), y: labelOf(chosen.y) });
    drawBands(svg, sx, sy, box, bands, chosen);
    points = drawn.map((design) => ({ design, px: sx.at(valueOf(design, chosen.x)), py: sy.at(valueOf(design, chosen.y)) }));
    offScale(svg, points, box);
    points = points.filter((point) => point.px !== undefined && point.py !== undefined);
    const isSeen = ({ px, py }) => px >= box.left && px <= box.right && py >= box.top && py <= box.bottom;
    writeBeyond(points.filter((point) => !isSeen(point)).length, drawn.length - usual.length);
    points = points.filter(isSeen);
    if (STUDY) drawFronts(svg, points, chosen);
    points = onTop(points, ({ design }) => design);
    grid = null;
    at = (design) => ({ design, px: sx.at(valueOf(design, chosen.x)), py: sy.at(valueOf(design, chosen.y)) });
    drawIntervals(svg, points.filter((point) => point.design.role === "front"), sx, sy, box, chosen);
    if (searched.length > PAINTED) paintMarks(plot, points.filter((point) => isPainted(point.design)), width, height);
    drawMarks(svg, points.filter((point) => !isPainted(point.design)), box);
    svg.append("g").attr("class", "rings");
    pointer();
    mark();
  }

  // How many designs lie outside the axes, and a way to see them; once they are seen, the way back.
  function writeBeyond(count, unusual) {
    const way = (words, span) => element("button", { type: "button", class: "link", on: { click: () => view.over(span) } }, words);
    if (count) beyond.replaceChildren(`${counted(count, "design")} outside the axes: `, way("show all", "all"));
    else if (view.span === "all" && unusual) beyond.replaceChildren("Axes over all designs: ", way(`leave ${counted(unusual, "outlier")} outside`, "usual"));
    else beyond.replaceChildren();
  }

  // The brush takes presses; one without a drag is a click.
  function pointer() {
    const under = (event) => (grid ??= new Grid(points)).nearest(...d3.pointer(event, svg.node()));
    const brush = d3.brush().extent([[0, 0], [+svg.attr("width"), +svg.attr("height")]]).touchable(false);
    const area = svg.append("g").attr("class", "brush").call(brush);
    brush.on("end", (event) => {
      if (!event.sourceEvent) return;
      if (event.selection) {
        const [[left, top], [right, bottom]] = event.selection;
        select(points.filter((p) => p.px >= left && p.px <= right && p.py >= top && p.py <= bottom).map((p) => p.design.trial));
        area.call(brush.move, null);
      } else {
        const found = under(event.sourceEvent);
        if (found) toggle(found.design.trial);
      }
    });
    area.on("pointermove", (event) => {
      const found = under(event);
      area.select(".overlay").attr("cursor", found ? "pointer" : "crosshair");
      if (!found) return leave();
      hover(found.design.trial);
      tipOf(event, found.design);
    }).on("pointerleave", leave);
  }

  function mark(selecting = true) {
    if (!svg) return;
    if (selecting) {
      const chosen = new Set(state.selected);
      svg.classed("has-selection", chosen.size > 0);
      svg.selectAll(".mark").classed("is-selected", (point) => chosen.has(point.design.trial));
    }
    const rings = standing(300).map(at).filter((point) => point.px !== undefined && point.py !== undefined);
    svg.select(".rings").selectAll("circle").data(rings, (point) => point.design.trial).join("circle")
      .attr("class", "ring").attr("data-ring", (point) => point.design.trial)
      .attr("r", (point) => (point.design.trial === state.hovered ? 9 : isTagged(point.design.trial) ? 7 : 4))
      .classed("is-thin", (point) => !isTagged(point.design.trial))
      .attr("cx", (point) => point.px).attr("cy", (point) => point.py)
      .style("stroke", (point) => tagOf(point.design.trial));
  }
  return { root, draw, mark, shows: (name) => name === chosen.x || name === chosen.y };
}

// Designs without outliers, which would squeeze all others into a corner: values more than three interquartile ranges beyond
// the quartiles of the search ("far out", Tukey 1977), on logarithmic axes of logarithms. The front and controls are always
// among them; and all are, where so many lie outside that they are a tail and no outliers.
const FEW_OUTSIDE = 0.1, LEAST_FOR_QUARTILES = 8;
function usualOver(names) {
  const fences = names.filter((name) => !columns.get(name).levels).map((name) => {
    const { log } = columns.get(name), size = (design) => { const value = valueOf(design, name); return value === null || !log ? value : value > 0 ? Math.log(value) : null; };
    const known = searched.map(size).filter((value) => value !== null), [low, high] = [0.25, 0.75].map((share) => d3.quantile(known, share));
    const room = 3 * (high - low);
    return known.length < LEAST_FOR_QUARTILES || !room ? () => true : (design) => { const value = size(design); return value === null || (value >= low - room && value <= high + room); };
  });
  const usual = drawn.filter((design) => ["front", "control"].includes(design.role) || fences.every((isWithin) => isWithin(design)));
  return drawn.length - usual.length > FEW_OUTSIDE * searched.length ? drawn : usual;
}

// The front of each study in two columns alone, as steps through what beats all else.
function drawFronts(svg, points, { x, y }) {
  if (![x, y].every((name) => columns.get(name).goal)) return;
  const paint = painter(), some = points.filter(({ design }) => !["control", "infeasible"].includes(design.role));
  for (const [study, own] of d3.group(some, ({ design }) => valueOf(design, STUDY))) {
    const costs = own.map((point) => ({ point, cost: [x, y].map((name) => signOf(name) * valueOf(point.design, name)) }));
    const front = [];
    for (const each of d3.sort(costs, (a, b) => a.cost[0] - b.cost[0] || a.cost[1] - b.cost[1])) {
      if (!front.length || each.cost[1] < front.at(-1).cost[1]) front.push(each);
    }
    svg.append("path").attr("class", "surface of-study").attr("data-study", study)
      .attr("d", d3.line(({ point }) => point.px, ({ point }) => point.py).curve(d3.curveStepAfter)(front))
      .style("stroke", state.colour === STUDY ? paint(own[0].design) : null);
  }
}

const ON_TOP = ["infeasible", "searched", "front", "control"];

// Things in the order in which they are drawn, by the role of their design.
function onTop(some, designOf = (design) => design) {
  const of = d3.group(some, (each) => designOf(each).role);
  return ON_TOP.flatMap((role) => of.get(role) ?? []);
}

function drawMarks(svg, points, box) {
  const paint = painter();
  svg.append("g").selectAll("path").data(points).join("path")
    .attr("class", (point) => `mark ${point.design.role}`).attr("data-trial", (point) => point.design.trial)
    .attr("transform", (point) => `translate(${point.px},${point.py})`)
    .attr("d", (point) => signs[point.design.role])
    .style("fill", (point) => (["control", "infeasible"].includes(point.design.role) ? null : paint(point.design)))
    .style("stroke", (point) => (point.design.role === "infeasible" ? paint(point.design) : null));
  svg.append("g").selectAll("text").data(namesApart(points.filter((point) => point.design.role === "control"), box)).join("text")
    .attr("class", "of-control halo").attr("x", ({ x }) => x).attr("y", ({ y }) => y + 4)
    .attr("text-anchor", ({ anchor }) => anchor).text(({ point }) => point.design.origin)
    .style("fill", "var(--control)");
}

// Where the names of controls stand: beside the mark, below or above it, and nowhere where they would cover each other; the tip
// names these.
function namesApart(points, box) {
  const taken = points.map(({ px, py }) => [px - 6, px + 6, py - 6, py + 6]);
  return points.flatMap((point) => {
    const { px, py } = point, wide = 6.2 * point.design.origin.length;
    for (const [x, y] of [[px + 9, py], [px - 9 - wide, py], [px + 9, py + 13], [px - 9 - wide, py + 13], [px + 9, py - 13], [px - 9 - wide, py - 13]]) {
      const own = [x, x + wide, y - 5, y + 5];
      if (own[0] < box.left || own[1] > box.right || own[2] < box.top - 5 || own[3] > box.bottom) continue;
      if (taken.some((other) => own[0] < other[1] && other[0] < own[1] && own[2] < other[3] && other[2] < own[3])) continue;
      taken.push(own);
      return [{ point, x: x < px ? px - 9 : x, y, anchor: x < px ? "end" : "start" }];
    }
    return [];
  });
}

function paintMarks(plot, points, width, height) {
  const context = under(plot, width, height), paint = painter(), turn = 2 * Math.PI, isMany = searched.length > MANY;
  const usual = { searched: colourOf(plot, "searched"), infeasible: colourOf(plot, "searched"), front: colourOf(plot, "front") };
  let now = "";
  for (const { design, px, py } of points) {
    const colour = paint(design) ?? usual[design.role];
    if (now !== colour + design.role) {
      now = colour + design.role;
      context.globalAlpha = design.role === "front" ? 1 : design.role === "infeasible" ? 0.5 : isMany ? 0.4 : state.colour ? 0.9 : 0.6;
      context.strokeStyle = context.fillStyle = colour;
    }
    if (isMany && design.role !== "front") {
      context.fillRect(px - 1.5, py - 1.5, 3, 3);
      continue;
    }
    context.beginPath();
    if (design.role === "infeasible") {
      context.moveTo(px - 3, py - 3); context.lineTo(px + 3, py + 3); context.moveTo(px - 3, py + 3); context.lineTo(px + 3, py - 3);
      context.stroke();
    } else {
      context.arc(px, py, design.role === "front" ? 4.5 : 3, 0, turn);
      context.fill();
    }
  }
}

const dot = (r) => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0`;
const signs = { searched: dot(3), front: dot(4.5), control: diamond, infeasible: "M-3,-3L3,3M-3,3L3,-3" };

// A control that has one of the two values, but no place on the other axis, is a line.
function offScale(svg, points, box) {
  for (const { design, px, py } of points) {
    if (design.role !== "control" || (px === undefined) === (py === undefined)) continue;
    const across = px === undefined;
    if (across ? py < box.top || py > box.bottom : px < box.left || px > box.right) continue;
    const line = across ? [box.left, box.right, py, py] : [px, px, box.top, box.bottom];
    svg.append("line").attr("class", "off-scale").attr("data-trial", design.trial)
      .attr("x1", line[0]).attr("x2", line[1]).attr("y1", line[2]).attr("y2", line[3]);
    const words = svg.append("text").attr("class", "of-control").text(design.origin);
    if (across) words.attr("x", box.right).attr("y", py - 4).attr("text-anchor", "end");
    else words.attr("transform", `translate(${px - 4},${box.top}) rotate(-90)`).attr("text-anchor", "end");
  }
}

function drawIntervals(svg, points, sx, sy, box, chosen) {
  // One element for all bars: a front of thousands has as many.
  const bars = [];
  for (const { design, px, py } of points) {
    for (const [axis, scale] of [["x", sx], ["y", sy]]) {
      const half = halfOf(design, chosen[axis]), middle = valueOf(design, chosen[axis]);
      if (half === null || middle === null) continue;
      const ends = [middle - half, middle + half].map((value) => scale.at(value) ?? (axis === "x" ? box.left : box.bottom));
      const line = axis === "x" ? ends.map((end) => [within(end, box.left, box.right), py]) : ends.map((end) => [px, within(end, box.top, box.bottom)]);
      bars.push(`M${line[0]}L${line[1]}`);
    }
  }
  svg.append("path").attr("class", "bar95").attr("data-bars", bars.length).attr("d", bars.join("") || null);
}

// Surfaces that 10, 50 and 90 % of drawn fronts attain: stairs towards the worse side of both objectives.
function drawBands(svg, sx, sy, box, bands, chosen) {
  if (!bands?.objectives.includes(chosen.x) || !bands.objectives.includes(chosen.y) || chosen.x === chosen.y) return;
  const turned = bands.objectives[0] !== chosen.x;
  for (const [percentile, [first, second]] of Object.entries(bands.surfaces)) {
    const corners = d3.zip(...(turned ? [second, first] : [first, second]))
      .map(([a, b]) => [sx.at(a), sy.at(b)]).filter(([a, b]) => a !== undefined && b !== undefined)
      .map(([a, b]) => [within(a, box.left, box.right), within(b, box.top, box.bottom)]);
    if (!corners.length) continue;
    const up = columns.get(chosen.x).goal === "maximise", high = columns.get(chosen.y).goal === "maximise";
    corners.sort((a, b) => (up ? b[0] - a[0] : a[0] - b[0]));
    let path = `M${corners[0][0]},${high ? box.bottom : box.top}`;
    for (const [a, b] of corners) path += `H${a}V${b}`;
    path += `H${up ? box.left : box.right}`;
    svg.append("path").attr("class", `surface${percentile === "50" ? "" : " edge"}`).attr("d", path)
      .append("title").text(`attained by ${percentile} % of drawn fronts`);
  }
}
