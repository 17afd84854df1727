// Selected designs side by side; parameters in which they differ are marked.

drawers.selected = (root) => {
  const MOST = 12;
  const names = [...columns.keys()].filter((name) => name !== "trial");

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
    const rows = names.filter((name) => chosen.some((design) => valueOf(design, name) !== null)).map((name) => {
      const texts = chosen.map((design) => withInterval(design, name));
      const differs = columns.get(name).role === "parameter" && new Set(texts.filter((_, i) => valueOf(chosen[i], name) !== null)).size > 1;
      const cells = texts.map((words) => element("td", { class: "number" }, words));
      const title = columns.get(name).meaning;
      return element("tr", { class: differs ? "differs" : null }, element("th", { scope: "row", title: title || null }, name), ...cells);
    });
    const grid = element("table", { class: "grid" },
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, ""), ...head)), element("tbody", {}, ...rows));
    const more = state.selected.length - chosen.length;
    root.replaceChildren(
      element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table of selected designs, scrolls sideways" }, grid),
      ...(more > 0 ? [element("p", { class: "note" }, `${more} more are selected; the first ${MOST} are shown.`)] : []),
    );
  }
  return { draw: () => mark(), mark };
};
