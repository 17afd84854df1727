// Selected designs side by side; parameters in which they differ are marked.

drawers.selected = (root) => {
  const MOST = 12, FEW = 5;
  const names = [...columns.keys()].filter((name) => name !== "trial");

  // The energy of a training image by part and phase, and the share of each.
  function billRows(chosen) {
    const bill = DATA.panels.energy;
    if (!bill || !prices || chosen.length > FEW) return [];
    const total = prices.means("energy_per_sample_j");
    const rows = bill.items.map(({ phase, part }) => ({ words: `${phase}: ${part.replaceAll("_", " ")}`, values: prices.means(`${phase}_${part}_per_sample_j`) }))
      .filter(({ values }) => chosen.some((design) => values[design.i] > 0));
    const cell = (value, i) => (Number.isFinite(value) ? `${quantity(value, "J")} (${d3.format(".0%")(value / total[i])})` : "\u2013");
    return tableOfRows("energy of a training image", chosen, d3.sort(rows, ({ values }) => -d3.max(chosen, (design) => values[design.i]))
      .map(({ words, values }) => [words, chosen.map(({ i }) => cell(values[i], i))]));
  }

  // Rows below a head of the chosen designs.
  function tableOfRows(title, chosen, rows) {
    if (!rows.length) return [];
    const head = element("tr", {}, element("th", { scope: "col" }, title), ...chosen.map((design) => element("th", { scope: "col", class: "number" }, nameOf(design))));
    const body = rows.map(([words, cells]) => element("tr", {}, element("th", { scope: "row" }, words), ...cells.map((cell) => element("td", { class: "number" }, cell))));
    return [element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `Table: ${title}, scrolls sideways` }, element("table", { class: "grid bill" }, element("thead", {}, head), element("tbody", {}, ...body)))];
  }

  // What each layer takes of the energy, at the card of the study: events by layer are not in the page.
  function layerRows(chosen) {
    const bill = DATA.panels.energy;
    if (!bill || chosen.length > FEW) return [];
    const of = chosen.map((design) => new Map(bill.layers[design.trial] ?? [])), layers = d3.sort(new Set(of.flatMap((own) => [...own.keys()])));
    const cell = (own, layer) => (own.has(layer) ? `${quantity(own.get(layer), "J")} (${d3.format(".0%")(own.get(layer) / d3.sum(own.values()))})` : "\u2013");
    return tableOfRows(`energy by layer, on ${WHATIF?.card ?? "the card of the study"}`, chosen, layers.map((layer) => [`layer ${layer}`, of.map((own) => cell(own, layer))]));
  }

  // What the most written cell of each layer has, and what half of its cells stay within; and other measures of its cells.
  function wearRows(chosen) {
    const wear = DATA.panels.wear;
    if (!wear || chosen.length > FEW) return [];
    const of = chosen.map((design) => new Map((wear.of[design.trial] ?? []).map((own) => [own.layer, own])));
    const layers = d3.sort(new Set(of.flatMap((own) => [...own.keys()])));
    const rows = layers.flatMap((layer) => Object.entries(wear.kinds).map(([kind, words]) => [`layer ${layer}: ${words}`, of.map((own) => {
      const values = own.get(layer)?.[kind] ?? [], most = values.findLast((value) => value !== null);
      if (most === undefined) return "\u2013";
      return values.length > 1 && values[0] !== null ? `${number(most)}, half within ${number(values[0])}` : number(most);
    })])).filter(([, cells]) => cells.some((words) => words !== "\u2013" && words !== "0, half within 0"));
    return tableOfRows("cells by layer", chosen, rows);
  }

  // Learning curves of the chosen designs alone, with their bands.
  function drawCurves(place, chosen) {
    const curves = DATA.panels.curves, held = chosen.filter((design) => curves?.of[design.trial]), width = Math.min(place.clientWidth, 640), height = 230;
    if (!held.length || chosen.length > FEW || !width) return;
    const metric = curves.metrics[0], points = held.map((design) => {
      const { epoch, [metric]: values, [`ci95_${metric}`]: halves } = curves.of[design.trial];
      return epoch.map((at, i) => ({ at, value: values[i], half: halves?.[i] ?? 0 })).filter(({ value }) => value !== null);
    });
    const all = points.flat(), sy = scaleFor(all.flatMap(({ value, half }) => [value - half, value + half]), [height - 42, 24]);
    const box = { left: roomFor(sy), right: width - 12, top: 24, bottom: height - 42 };
    const { scale, ticks } = epochScale(...d3.extent(all, ({ at }) => at), box, width);
    const svg = canvas(place, width, height, `Learning curves of ${held.map(nameOf).join(", ")}: ${metric} over epochs`, () => [
      ["trial", "epoch", metric, `ci95_${metric}`], ...points.flatMap((own, n) => own.map(({ at, value, half }) => [held[n].trial, at, value, half])),
    ]);
    axes(svg, { at: scale, ticks, text: String }, sy, box, { x: "epoch", y: labelOf(metric) });
    points.forEach((own, n) => {
      svg.append("path").attr("class", "band").attr("d", d3.area(({ at }) => scale(at), ({ value, half }) => sy.at(value - half), ({ value, half }) => sy.at(value + half))(own)).style("fill", tagOf(held[n].trial));
      svg.append("path").attr("class", "line").attr("data-curve", held[n].trial).attr("d", d3.line(({ at }) => scale(at), ({ value }) => sy.at(value))(own)).style("stroke", tagOf(held[n].trial)).style("stroke-width", 2);
      // A curve of one point is a point, with its interval.
      if (own.length !== 1) return;
      const [{ at, value, half }] = own;
      svg.append("line").attr("class", "bar95").attr("x1", scale(at)).attr("x2", scale(at)).attr("y1", sy.at(value - half)).attr("y2", sy.at(value + half));
      svg.append("circle").attr("cx", scale(at)).attr("cy", sy.at(value)).attr("r", 4).style("fill", tagOf(held[n].trial));
    });
  }

  function mark(selecting = true) {
    if (!selecting) return;
    const chosen = state.selected.slice(0, MOST).map((trial) => byTrial.get(trial));
    if (!chosen.length) {
      root.replaceChildren(element("p", { class: "empty" }, "Nothing is selected yet."));
      return;
    }
    const head = chosen.map((design) => {
      const cell = element("th", { scope: "col", class: "number" }, element("span", { class: "swatch" }), nameOf(design));
      cell.style.setProperty("--tag", tagOf(design.trial));
      return cell;
    });
    // Beside up to five: by what factor each differs from the first, and whether intervals leave a doubt.
    const against = (name, i) => {
      const [first, own] = [chosen[0], chosen[i]].map((design) => valueOf(design, name));
      if (i === 0 || chosen.length > FEW || !["objective", "metric"].includes(columns.get(name).role) || !(first > 0) || typeof own !== "number" || own === first) return "";
      const halves = [halfOf(chosen[0], name), halfOf(chosen[i], name)];
      const doubt = halves.includes(null) ? "" : Math.abs(own - first) > Math.hypot(...halves) ? ", sure" : ", in doubt";
      return ` (\u00d7${d3.format(".3~g")(own / first)}${doubt})`;
    };
    const rows = names.filter((name) => chosen.some((design) => valueOf(design, name) !== null)).map((name) => {
      const texts = chosen.map((design) => withInterval(design, name));
      const differs = columns.get(name).role === "parameter" && new Set(texts.filter((_, i) => valueOf(chosen[i], name) !== null)).size > 1;
      const cells = texts.map((words, i) => element("td", { class: "number" }, words, element("span", { class: "interval" }, against(name, i))));
      const title = columns.get(name).meaning;
      return element("tr", { class: differs ? "differs" : null }, element("th", { scope: "row", title: title || null }, ...breakable(name)), ...cells);
    });
    const grid = element("table", { class: "grid" },
      element("thead", {}, element("tr", {}, element("td", {}), ...head)), element("tbody", {}, ...rows));
    const more = state.selected.length - chosen.length, place = element("div");
    root.replaceChildren(
      element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table of selected designs, scrolls sideways" }, grid),
      ...billRows(chosen), ...layerRows(chosen), ...wearRows(chosen), place,
      ...(more > 0 ? [element("p", { class: "note" }, `${more} more are selected; the first ${MOST} are shown.`)] : []),
    );
    drawCurves(place, chosen);
  }
  return { draw: () => mark(), mark, follow: () => mark() };
};
