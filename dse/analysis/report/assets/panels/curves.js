// Learning curves; those that stand out have bands over seeds.

const LOGARITHMIC = new Set(["loss", "energy_per_sample_j", "set_pulses", "reset_pulses", "worst_writes"]);

// Places of epochs, and those that are named; a single epoch is in the middle.
function epochScale(first, last, box, width) {
  const ends = first === last ? [first - 1, last + 1] : [first, last], scale = d3.scaleLinear(ends, [box.left + 4, box.right]);
  const ticks = first === last ? [first] : scale.ticks(Math.min(last - first + 1, width / 70)).filter(Number.isInteger);
  return { scale, ticks };
}

drawers.curves = (root, content) => {
  const chosen = { metric: content.metrics[0] };
  const plot = element("div");
  const place = element("div", { class: "legend" });
  const missing = element("p", { class: "note" });
  root.append(
    element("div", { class: "controls" }, chooser("Curve of", content.metrics, chosen.metric, (name) => { chosen.metric = name; draw(); })),
    place, plot, missing,
  );
  let held = designs.filter((design) => content.of[design.trial]);
  keys(plot, "Learning curves", () => held.filter((design) => design.role !== "searched"));
  let svg = null, lines = new Map();

  function draw() {
    const width = plot.clientWidth, height = Math.max(250, Math.min(360, width * 0.45));
    if (!width) return;
    rolesLegend(place);
    held = onTop(held);
    const of = (design) => content.of[design.trial], name = chosen.metric;
    const values = held.flatMap((design) => of(design)[name]);
    const log = LOGARITHMIC.has(name) && d3.min(values) > 0 && d3.max(values) > 3 * d3.min(values);
    const sy = scaleFor(values, [height - 42, 24], { log });
    const box = { left: roomFor(sy), right: width - 12, top: 24, bottom: height - 42 };
    const last = d3.max(held, (design) => d3.max(of(design).epoch)), first = d3.min(held, (design) => d3.min(of(design).epoch));
    const { scale, ticks } = epochScale(first, last, box, width);
    const sx = { at: scale, ticks, text: String };
    svg = canvas(plot, width, height, `Learning curves of ${held.length} designs: ${name} over epochs`, () => [
      ["trial", "origin", "epoch", name, `ci95_${name}`],
      ...held.flatMap((design) => of(design).epoch.map((epoch, i) => [design.trial, design.origin, epoch, of(design)[name][i], of(design)[`ci95_${name}`]?.[i] ?? null])),
    ]);
    axes(svg, sx, sy, box, { x: "epoch", y: labelOf(name) });
    lines = new Map(held.map((design) => [design.trial, of(design).epoch.map((epoch, i) => ({
      x: scale(epoch), y: sy.at(of(design)[name][i]), value: of(design)[name][i],
      half: of(design)[`ci95_${name}`]?.[i] ?? null, epoch, design,
    }))]));
    const clip = (y) => within(y ?? box.bottom, box.top, box.bottom);
    lines.forEach((line) => line.forEach((point) => {
      if (point.half !== null) point.span = [clip(sy.at(point.value - point.half)), clip(sy.at(point.value + point.half))];
    }));
    const paint = painter();
    svg.append("g").selectAll("path").data(held).join("path")
      .attr("class", (design) => `line ${design.role}`).attr("data-trial", (design) => design.trial)
      .attr("d", (design) => path(lines.get(design.trial))).style("stroke", (design) => (design.role === "control" ? null : paint(design)));
    // A curve of one epoch is a mark.
    const single = held.filter((design) => dotOf(design));
    svg.append("g").selectAll("path").data(single.map((design) => ({ design, ...dotOf(design) }))).join("path")
      .attr("class", ({ design }) => `mark ${design.role}`).attr("data-dot", ({ design }) => design.trial).attr("d", ({ design }) => signs[design.role])
      .attr("transform", ({ x, y }) => `translate(${x},${y})`).style("fill", ({ design }) => (design.role === "control" ? null : paint(design)));
    svg.append("g").attr("class", "standing");
    const flat = [...lines.values()].flat().filter((point) => point.y !== undefined).map((point) => ({ ...point, px: point.x, py: point.y }));
    svg.append("rect").attr("class", "hit").attr("width", width).attr("height", height).attr("fill", "transparent")
      .on("pointermove", (event) => {
        const found = nearest(flat, ...d3.pointer(event), 40);
        if (!found) return leave();
        hover(found.design.trial);
        const half = found.half === null ? "" : ` \u00b1 ${number(rounded(found.half))}`;
        tipOf(event, found.design, [[`${chosen.metric}, epoch ${found.epoch}`, number(found.value) + half]]);
      }).on("pointerleave", leave)
      .on("click", (event) => {
        const found = nearest(flat, ...d3.pointer(event), 40);
        if (found) toggle(found.design.trial);
      });
    mark();
  }

  // The place of a curve of one epoch; null for others.
  function dotOf(design) {
    const there = lines.get(design.trial).filter((point) => point.y !== undefined);
    return there.length === 1 ? there[0] : null;
  }

  const path = d3.line((point) => point.x, (point) => point.y).defined((point) => point.y !== undefined);
  const band = d3.area((point) => point.x, (point) => point.span[0], (point) => point.span[1]).defined((point) => point.span);

  function mark(selecting = true) {
    if (!svg) return;
    if (selecting) {
      const chosen = new Set(state.selected);
      svg.classed("has-selection", chosen.size > 0);
      svg.selectAll(".line:not(.on-top)").classed("is-selected", (design) => chosen.has(design.trial));
      svg.selectAll(".mark").classed("is-selected", ({ design }) => chosen.has(design.trial));
    }
    const shown = standing(100).filter((design) => lines.has(design.trial));
    const group = svg.select(".standing");
    group.selectAll(".band").data(shown.filter((design) => isTagged(design.trial)), (design) => design.trial).join("path").attr("class", "band")
      .attr("d", (design) => band(lines.get(design.trial))).style("fill", (design) => tagOf(design.trial));
    group.selectAll(".line").data(shown, (design) => design.trial).join("path")
      .attr("class", (design) => `line on-top is-selected${isTagged(design.trial) ? "" : " is-thin"}`)
      .attr("data-line", (design) => design.trial)
      .attr("d", (design) => path(lines.get(design.trial))).style("stroke", (design) => tagOf(design.trial));
    const dots = shown.filter(dotOf);
    group.selectAll(".bar95").data(dots.filter((design) => dotOf(design).span), (design) => design.trial).join("path").attr("class", "bar95")
      .attr("d", (design) => { const { x, span } = dotOf(design); return `M${x},${span[0]}V${span[1]}`; }).style("stroke", (design) => tagOf(design.trial)).style("stroke-opacity", 1);
    group.selectAll(".ring").data(dots, (design) => design.trial).join("circle").attr("class", "ring").attr("r", 7)
      .attr("cx", (design) => dotOf(design).x).attr("cy", (design) => dotOf(design).y).style("stroke", (design) => tagOf(design.trial));
    const without = state.selected.filter((trial) => !content.of[trial]);
    missing.textContent = without.length ? `No curve is held here for ${without.slice(0, 8).map((trial) => nameOf(byTrial.get(trial))).join(", ")}${without.length > 8 ? " and others" : ""}; dse show has it.` : "";
  }
  return { draw, mark };
};
