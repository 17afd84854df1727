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
    const head = element("tr", {}, element("th", { scope: "col" }, "energy of a training image"), ...chosen.map((design) => element("th", { scope: "col", class: "number" }, nameOf(design))));
    const body = d3.sort(rows, ({ values }) => -d3.max(chosen, (design) => values[design.i])).map(({ words, values }) => element("tr", {}, element("th", { scope: "row" }, words),
      ...chosen.map((design) => element("td", { class: "number" }, Number.isFinite(values[design.i]) ? [quantity(values[design.i], "J"), ` (${d3.format(".0%")(values[design.i] / total[design.i])})`].join("") : "\u2013"))));
    return [element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table of energies, scrolls sideways" }, element("table", { class: "grid bill" }, element("thead", {}, head), element("tbody", {}, ...body)))];
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
      return element("tr", { class: differs ? "differs" : null }, element("th", { scope: "row", title: title || null }, name), ...cells);
    });
    const grid = element("table", { class: "grid" },
      element("thead", {}, element("tr", {}, element("td", {}), ...head)), element("tbody", {}, ...rows));
    const more = state.selected.length - chosen.length;
    root.replaceChildren(
      element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table of selected designs, scrolls sideways" }, grid),
      ...billRows(chosen),
      ...(more > 0 ? [element("p", { class: "note" }, `${more} more are selected; the first ${MOST} are shown.`)] : []),
    );
  }
  return { draw: () => mark(), mark };
};
