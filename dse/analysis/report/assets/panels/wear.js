// Wear: a histogram of the most written cells of designs, and how writes spread over the cells of layers.

drawers.wear = (root, content) => {
  const metrics = ["worst_writes", "worst_flips", "set_pulses", "reset_pulses"]
    .filter((name) => searched.some((design) => (valueOf(design, name) ?? 0) > 0));
  const kinds = Object.entries(content.kinds);
  const chosen = { metric: metrics[0], kind: kinds[0][0] };
  const histogram = element("div"), profile = element("div"), title = element("p", { class: "note" });
  let profiledNow = "";
  const view = (control, plot, ...more) => element("div", { class: "view" }, element("div", { class: "controls" }, control), plot, ...more);
  root.append(element("div", { class: "views pair" },
    view(chooser("Designs by", metrics, chosen.metric, (name) => { chosen.metric = name; drawHistogram(); }), histogram),
    view(chooser("Cells by", kinds, chosen.kind, (kind) => { chosen.kind = kind; drawProfile(); }), profile, title)));
  let place = null;

  function drawHistogram() {
    const width = histogram.clientWidth, height = 270;
    if (!width || !chosen.metric) return;
    const known = searched.filter((design) => valueOf(design, chosen.metric) !== null);
    const values = known.map((design) => valueOf(design, chosen.metric));
    const box = { left: 40, right: width - 10, top: 24, bottom: height - 42 };
    const log = columns.get(chosen.metric).log;
    const sx = scaleFor(values, [box.left, box.right], { log, text: number });
    const bins = Math.max(6, Math.min(30, Math.ceil(2 * Math.cbrt(values.length))));
    const counts = d3.range(bins).map((i) => ({ from: box.left + (i / bins) * (box.right - box.left), to: box.left + ((i + 1) / bins) * (box.right - box.left), designs: [] }));
    const binOf = (design) => counts[Math.min(bins - 1, Math.max(0, Math.floor(((sx.at(valueOf(design, chosen.metric)) - box.left) / (box.right - box.left)) * bins)))];
    for (const design of known) if (sx.at(valueOf(design, chosen.metric)) !== undefined) binOf(design).designs.push(design);
    const most = d3.max(counts, (bin) => bin.designs.length) || 1;
    const up = d3.scaleLinear([0, most], [box.bottom, box.top]);
    const sy = { at: up, ticks: up.ticks(5).filter(Number.isInteger), text: String };
    const svg = canvas(histogram, width, height, `Histogram of ${chosen.metric} over ${known.length} designs`, () => tableOf(known, [chosen.metric]));
    axes(svg, sx, sy, box, { x: labelOf(chosen.metric), y: "designs; on the front in colour" });
    for (const bin of counts) {
      const front = bin.designs.filter((design) => design.role === "front").length;
      const bar = svg.append("g").attr("class", "hit").on("click", () => select(bin.designs.map((design) => design.trial)))
        .on("pointermove", (event) => showTip(event, `${bin.designs.length} designs`, [["on the front", String(front)], ["click", "selects them"]]))
        .on("pointerleave", leave);
      for (const [from, to, fill] of [[0, front, "var(--front)"], [front, bin.designs.length, "var(--searched)"]]) {
        bar.append("rect").attr("x", bin.from + 1).attr("width", Math.max(1, bin.to - bin.from - 2)).attr("y", up(to)).attr("height", up(from) - up(to))
          .style("fill", fill).style("fill-opacity", fill === "var(--front)" ? 1 : 0.6);
      }
    }
    const rug = svg.append("g");
    place = () => rug.selectAll("path").data(standing(60), (design) => design.trial).join("path")
      .attr("class", "tick").attr("data-tick", (design) => design.trial)
      .attr("d", (design) => {
        const x = sx.at(valueOf(design, chosen.metric));
        return x === undefined ? "" : `M${x},${box.bottom}V${box.top}`;
      })
      .style("stroke", (design) => tagOf(design.trial)).style("stroke-width", 2);
    place();
  }

  // The designs that stand out; the first of the front until there are any.
  const profiled = () => {
    const shown = standing(8).filter((design) => content.of[design.trial]);
    const has = (design) => content.of[design.trial], usual = onFront.find(has) ?? searched.find(has);
    return shown.length || !usual ? shown : [usual];
  };

  const profileKey = () => profiled().map((design) => `${design.trial} ${tagOf(design.trial)}`).join();

  function drawProfile() {
    const width = profile.clientWidth, height = 270;
    if (!width) return;
    const shown = profiled();
    profiledNow = profileKey();
    const lines = shown.flatMap((design) => content.of[design.trial].map((layer) => ({ design, layer: layer.layer, values: layer[chosen.kind] })));
    const values = lines.flatMap((line) => line.values);
    const quantiles = content.whole.includes(chosen.kind) ? ["whole"] : content.quantiles;
    const log = d3.max(values) > 30 * Math.max(1, d3.min(values));
    const sy = scaleFor(values, [height - 42, 24], { symlog: log, zero: true });
    const box = { left: roomFor(sy), right: width - 52, top: 24, bottom: height - 42 };
    const scale = d3.scalePoint(quantiles, [box.left, box.right]).padding(0.2);
    const names = { q50: "half", q90: "90 %", q99: "99 %", q999: "99.9 %", max: "all", whole: "layer" };
    const svg = canvas(profile, width, height, `Writes that shares of the cells stay within, of ${shown.map(nameOf).join(", ")}`, () => [
      ["trial", "layer", ...quantiles], ...lines.map((line) => [line.design.trial, line.layer, ...line.values]),
    ]);
    axes(svg, { at: scale, ticks: quantiles, text: (q) => names[q] ?? q }, sy, box, { x: "share of the cells of a layer", y: `at most so many ${content.kinds[chosen.kind]}` });
    const path = d3.line((_, i) => scale(quantiles[i]), (value) => sy.at(value)).defined((value) => value !== null);
    const ended = (line) => line.values.findLast((value) => value !== null);
    for (const line of lines) {
      if (ended(line) === undefined) continue;
      const colour = state.hovered === line.design.trial || isSelected(line.design.trial) ? tagOf(line.design.trial) : "var(--front)";
      svg.append("path").attr("class", "line").attr("d", path(line.values)).style("stroke", colour).style("stroke-width", 1.8)
        .attr("data-line", line.design.trial);
      // A line of one point would not be seen.
      const single = line.values.filter((value) => value !== null).length === 1;
      line.values.forEach((value, i) => {
        if (single && value !== null) svg.append("circle").attr("cx", scale(quantiles[i])).attr("cy", sy.at(value)).attr("r", 3).style("fill", colour);
      });
      line.colour = colour;
    }
    // Words beside the ends of lines, from the highest down, none over another.
    let last = -Infinity;
    for (const line of d3.sort(lines.filter((each) => each.colour), (each) => sy.at(ended(each)))) {
      last = Math.max(last + 11, sy.at(ended(line)));
      svg.append("text").attr("x", box.right + 4).attr("y", last).attr("dy", "0.32em").style("fill", line.colour).text(`layer ${line.layer}`);
    }
    title.textContent = shown.length ? `${shown.map(nameOf).join(", ")}. Select other designs to see theirs.` : "";
  }

  function draw() {
    drawHistogram();
    drawProfile();
  }
  return { draw, mark: () => { place?.(); if (profiledNow !== profileKey()) drawProfile(); } };
};
