// Energy of a training image: a bar is a design, its parts are parts of the hardware or phases of the training.

drawers.energy = (root, content) => {
  const MOST = 24;
  const chosen = { by: "part", as: "energy", order: "energy" };
  const redraw = (key) => (value) => { chosen[key] = value; draw(); };
  const signs = element("div", { class: "legend" });
  const plot = element("div"), note = element("p", { class: "note" });
  root.append(
    element("div", { class: "controls" },
      chooser("Divided by", [["part", "part of the hardware"], ["phase", "phase of the training"]], chosen.by, redraw("by")),
      chooser("Shown as", [["energy", "joules"], ["share", "share of the total"]], chosen.as, redraw("as")),
      chooser("Sorted by", [["energy", "energy"], ["objective", DATA.objectives[0]]], chosen.order, redraw("order"))),
    signs, plot, note,
  );
  keys(plot, "Energies of designs", () => rows);
  let svg = null, rows = [], drawnFor = "";

  const asMade = { card: content.card, of: content.of, total: content.total };

  // The bill at the prices as they are now.
  function bill() {
    Object.assign(content, asMade);
    if (!instead.values.size) return;
    const parts = content.items.map(({ phase, part }) => prices.means(`${phase}_${part}_per_sample_j`)), sums = prices.means("energy_per_sample_j");
    const known = designs.filter((design) => asMade.of[design.trial] && Number.isFinite(sums[design.i]));
    content.of = Object.fromEntries(known.map((design) => [design.trial, parts.map((part) => part[design.i])]));
    content.total = Object.fromEntries(known.map((design) => [design.trial, sums[design.i]]));
    content.card = `${pricing.card}${Object.keys(pricing.changes).length ? ", with constants changed" : ""}`;
  }

  // Controls, what is selected, and the front, evenly thinned out.
  function chosenRows() {
    const priced = (design) => content.of[design.trial];
    const picked = state.selected.map((trial) => byTrial.get(trial)).filter((design) => design.role !== "control" && priced(design)).slice(0, MOST);
    const front = onFront.filter((design) => priced(design) && !picked.includes(design));
    const room = Math.max(0, MOST - picked.length);
    const some = front.length <= room ? front : d3.range(room).map((i) => front[Math.floor((i * front.length) / room)]);
    const sign = columns.get(DATA.objectives[0]).goal === "maximise" ? -1 : 1;
    const key = (design) => (chosen.order === "energy" ? content.total[design.trial] : sign * valueOf(design, DATA.objectives[0]));
    return { list: [...controls.filter(priced), ...d3.sort([...picked, ...some], key)], left: front.length - some.length };
  }

  function draw() {
    const width = plot.clientWidth;
    if (!width) return;
    bill();
    drawnFor = state.selected.join();
    const { list, left } = chosenRows();
    rows = list;
    const names = [...new Set(content.items.map((item) => item[chosen.by]))];
    const sums = (design) => names.map((name) => d3.sum(content.items, (item, i) => (item[chosen.by] === name ? content.of[design.trial][i] : 0)));
    const top = 8, step = 21, height = top + rows.length * step + 42;
    const labelled = Math.min(width * 0.32, 12 + 6.4 * d3.max(rows, (design) => nameOf(design).length));
    const most = chosen.as === "share" ? 1 : scaleEnd(rows);
    const scale = d3.scaleLinear([0, most], [labelled, width - 70]).clamp(true);
    const unit = (value) => (chosen.as === "share" ? d3.format(".0%")(value) : quantity(value, "J"));
    svg = canvas(plot, width, height, `Energy of a training image of ${rows.length} designs by ${chosen.by}`, () => [
      ["trial", "origin", ...content.items.map(({ phase, part }) => `${phase}_${part}_per_sample_j`), "ci95_energy_per_sample_j"], ...rows.map((design) => [design.trial, design.origin, ...content.of[design.trial], halfOf(design, "energy_per_sample_j")]),
    ]);
    axes(svg, { at: scale, ticks: scale.ticks(Math.max(2, (width - labelled) / 110)), text: unit }, { at: () => 0, ticks: [], text: String },
      { left: labelled, right: width - 70, top, bottom: height - 42 }, { x: chosen.as === "share" ? "share of the energy" : "energy per training image", y: "" });
    rows.forEach((design, r) => {
      const y = top + r * step, total = content.total[design.trial], values = sums(design);
      const factor = chosen.as === "share" ? 1 / (total || 1) : 1;
      let at = 0;
      const row = svg.append("g").attr("class", "hit").attr("data-trial", design.trial);
      row.append("rect").attr("y", y).attr("width", width).attr("height", step).attr("fill", "transparent");
      row.append("text").attr("class", "row-label").attr("x", labelled - 8).attr("y", y + step / 2).attr("dy", "0.32em").attr("text-anchor", "end").text(nameOf(design));
      values.forEach((value, i) => {
        row.append("rect").attr("x", scale(at)).attr("y", y + 3).attr("height", step - 6).attr("width", Math.max(0, scale(at + value * factor) - scale(at)))
          .style("fill", `var(--p${i % 11})`).attr("data-part", i);
        at += value * factor;
      });
      if (at > most * 1.0001) row.append("path").attr("class", "cut").attr("d", `M${scale(most) - 16},${y + step}l6,${-step}h5l-6,${step}z`);
      // The total is a mean over seeds; a bar of 95 % ends at the edge of the picture, and has no place at one that is cut.
      const half = chosen.as === "share" || at > most * 1.0001 ? null : halfOf(design, "energy_per_sample_j");
      const [from, to] = [at - (half ?? 0), at + (half ?? 0)].map(scale);
      if (half) row.append("path").attr("class", "bar95 of-total").attr("data-bar", design.trial).attr("d", `M${from},${y + step / 2}H${to}m0,-4v8M${from},${y + step / 2 - 4}v8`);
      row.append("text").attr("x", to + 6).attr("y", y + step / 2).attr("dy", "0.32em").text(quantity(total, "J"));
      row.on("pointermove", (event) => {
        hover(design.trial);
        const order = d3.sort(d3.range(names.length).filter((i) => values[i] > 0), (i) => -values[i]);
        const sure = halfOf(design, "energy_per_sample_j"), mean = quantity(total, "J") + (sure === null ? "" : ` \u00b1 ${quantity(rounded(sure), "J")}`);
        showTip(event, `${nameOf(design)}: ${mean}`, order.map((i) => [words(names[i]), `${quantity(values[i], "J")}, ${d3.format(".1%")(values[i] / total)}`]));
      }).on("pointerleave", leave).on("click", () => toggle(design.trial));
    });
    legend(signs, names.map((name, i) => ["square", `var(--p${i % 11})`, words(name)]));
    note.textContent = `On the card ${content.card}.${left > 0 ? ` ${left} more designs on the front are left out; select one to see it.` : ""}`;
    mark();
  }

  // A control that dwarfs all designs is cut, with its figure beside it.
  function scaleEnd(list) {
    const most = (some) => d3.max(some, (design) => content.total[design.trial]) || 0;
    const all = most(list), theirs = most(list.filter((design) => design.role !== "control"));
    return theirs > 0 && all > 2.5 * theirs ? 1.5 * theirs : all || 1;
  }

  const words = (name) => name.replaceAll("_", " ");

  function mark() {
    if (!svg) return;
    if (drawnFor !== state.selected.join()) return draw();
    const labels = svg.selectAll(".hit").selectAll("text.row-label");
    labels.each(function each() {
      const trial = +this.parentNode.dataset.trial;
      d3.select(this).classed("is-selected", isSelected(trial)).classed("is-hovered", trial === state.hovered)
        .style("fill", isSelected(trial) ? tagOf(trial) : null);
    });
  }
  return { draw, mark };
};
