// Parallel coordinates: a line is a design, an axis a parameter or an objective.

drawers.parallel = (root, content) => {
  const signs = element("div", { class: "legend" });
  const place = element("div", { class: "scroll" });
  const plot = element("div");
  place.append(plot);
  const thin = element("p", { class: "note" });
  root.append(signs, place, thin);
  const SIDE = 55; // room beside the first and the last axis, for the words of ticks
  const MOST = 3000; // lines of designs off the front: more would cover each other
  let held = designs, left = 0;
  const brushed = new Map();
  let svg = null, lines = new Map(), tracks = [];
  keys(plot, "Designs over parameters and objectives", () => onFront);

  function draw() {
    const shown = place.clientWidth;
    if (!shown) return;
    const names = content.axes, height = 330, top = 46, bottom = height - 14, places = placesOf(names, shown), width = Math.max(shown, places.at(-1) + SIDE);
    brushed.clear();
    const others = searched.filter((design) => design.role !== "front");
    left = Math.max(0, others.length - MOST);
    const some = left ? d3.range(MOST).map((i) => others[Math.floor((i * others.length) / MOST)]) : others;
    held = onTop([...some, ...onFront, ...controls]);
    thin.textContent = left ? `Drawn: all ${onFront.length} on the front and ${MOST} of the ${others.length} others, evenly thinned out. What is selected along axes is of all.` : "";
    rolesLegend(signs);
    const tracksOf = names.map((name, i) => {
      const flip = columns.get(name)?.goal === "minimise";
      const scale = scaleOf(name, drawn.map((design) => valueOf(design, name)), flip ? [top, bottom] : [bottom, top]);
      return { name, x: places[i], scale };
    });
    tracks = tracksOf;
    svg = canvas(plot, width, height, `Parallel coordinates of ${held.length} designs over ${names.join(", ")}`, () => tableOf(drawn, names));
    lines = new Map(held.map((design) => [design.trial, lineOf(design)]));
    drawLines(width, height);
    svg.append("g").attr("class", "standing");
    svg.append("rect").attr("class", "hit").attr("width", width).attr("height", bottom).attr("fill", "transparent")
      .on("pointermove", (event) => {
        const design = nearestLine(...d3.pointer(event));
        if (!design) return leave();
        hover(design.trial);
        tipOf(event, design);
      }).on("pointerleave", leave).on("click", (event) => {
        const design = nearestLine(...d3.pointer(event));
        if (design) toggle(design.trial);
      });
    for (const track of tracks) drawAxis(track, top, bottom);
    mark();
  }

  // Places of axes that leave their titles and the words of their ticks apart, spread over what is shown.
  function placesOf(names, shown) {
    const wide = names.map((name) => 10 + 6.7 * d3.max(titleOf(name), (part) => part.length));
    const gaps = d3.pairs(wide, (a, b) => Math.max(92, (a + b) / 2)), spare = Math.max(0, shown - 2 * SIDE - d3.sum(gaps)) / Math.max(1, gaps.length);
    return [SIDE, ...Array.from(d3.cumsum(gaps, (gap) => gap + spare), (at) => SIDE + at)];
  }

  // The title of an axis in two lines: the table of a setting and its name, or a long name cut at an underscore.
  function titleOf(name) {
    const dot = name.lastIndexOf("."), cuts = d3.range(name.length).filter((i) => name[i] === "_");
    if (dot < 0 && (name.length < 14 || !cuts.length)) return ["", name];
    const cut = dot > 0 ? dot : d3.least(cuts, (i) => Math.abs(i + 1 - name.length / 2));
    return [name.slice(0, cut + 1), name.slice(cut + 1)];
  }

  const lineOf = (design) => tracks.map(({ name, x, scale }) => [x, scale.at(valueOf(design, name))]);
  // A design in which a parameter does not act has a gap there.
  const path = d3.line().defined(([, y]) => y !== undefined);

  function drawLines(width, height) {
    const paint = painter();
    if (held.some(isPainted)) paintLines(width, height, paint);
    svg.append("g").selectAll("path").data(held.filter((design) => !isPainted(design))).join("path")
      .attr("class", (design) => `line ${design.role}`).attr("data-trial", (design) => design.trial)
      .attr("d", (design) => path(lines.get(design.trial)))
      .style("stroke", (design) => (design.role === "control" ? null : paint(design)))
      .style("stroke-opacity", (design) => (state.colour && ["searched", "infeasible"].includes(design.role) ? 0.45 : null));
  }

  function paintLines(width, height, paint) {
    const context = under(plot, width, height), usual = colourOf(plot, "searched");
    context.globalAlpha = Math.max(0.04, (state.colour ? 0.45 : 0.28) * Math.min(1, 2000 / held.length));
    for (const design of held.filter(isPainted)) {
      context.strokeStyle = paint(design) ?? usual;
      context.beginPath();
      d3.line().defined(([, y]) => y !== undefined).context(context)(lines.get(design.trial));
      context.stroke();
    }
  }

  function drawAxis({ name, x, scale }, top, bottom) {
    const group = svg.append("g").attr("class", "axis").attr("transform", `translate(${x},0)`);
    group.append("line").attr("y1", top).attr("y2", bottom).style("stroke", "var(--soft)");
    for (const tick of scale.ticks) {
      const y = scale.at(tick);
      group.append("line").attr("x1", -3).attr("x2", 3).attr("y1", y).attr("y2", y).style("stroke", "var(--soft)");
      group.append("text").attr("class", "halo").attr("x", -6).attr("y", y).attr("dy", "0.32em").attr("text-anchor", "end").text(scale.text(tick));
    }
    const [first, second] = titleOf(name), title = group.append("text").attr("class", "title axis-title").attr("text-anchor", "middle");
    if (first) title.append("tspan").attr("class", name.includes(".") ? "path" : null).attr("x", 0).attr("y", 14).text(first);
    title.append("tspan").attr("x", 0).attr("y", 28).text(second);
    const brush = d3.brushY().extent([[-11, top - 4], [11, bottom + 4]]).touchable(false);
    group.append("g").attr("class", "brush").call(brush).on("pointermove", () => leave());
    brush.on("end", (event) => {
      if (!event.sourceEvent) return;
      if (event.selection) brushed.set(name, event.selection);
      else brushed.delete(name);
      const through = searched.filter((design) => [...brushed].every(([axis, [low, high]]) => {
        const y = tracks.find((track) => track.name === axis).scale.at(valueOf(design, axis));
        return y !== undefined && y >= low && y <= high;
      }));
      select(brushed.size ? through.map((design) => design.trial) : []);
    });
  }

  function nearestLine(x, y) {
    const i = d3.bisector((track) => track.x).right(tracks, x);
    if (i === 0 || i === tracks.length) return null;
    const part = (x - tracks[i - 1].x) / (tracks[i].x - tracks[i - 1].x);
    const away = (design) => {
      const [[, a], [, b]] = lines.get(design.trial).slice(i - 1, i + 1);
      return a === undefined || b === undefined ? Infinity : Math.abs(a + part * (b - a) - y);
    };
    const found = d3.least(held, away);
    return found && away(found) < 10 ? found : null;
  }

  function mark(selecting = true) {
    if (!svg) return;
    if (selecting) {
      const chosen = new Set(state.selected);
      svg.classed("has-selection", chosen.size > 0);
      svg.selectAll(".line:not(.on-top)").classed("is-selected", (design) => chosen.has(design.trial));
    }
    svg.select(".standing").selectAll("path").data(standing(300), (design) => design.trial).join("path")
      .attr("class", (design) => `line on-top is-selected${isTagged(design.trial) ? "" : " is-thin"}`).attr("data-line", (design) => design.trial)
      .attr("d", (design) => path(lines.get(design.trial) ?? lineOf(design))).style("stroke", (design) => tagOf(design.trial));
  }
  return { draw, mark };
};
