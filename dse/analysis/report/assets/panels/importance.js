// What decides: importances of parameters for each objective, with bars of 95 %.

drawers.importance = (root, content) => {
  const views = content.objectives.map((of) => {
    const plot = element("div");
    const scale = of.scale === "log10" ? " Taken as log10." : "";
    const weak = of.r2 < 0.3 ? ": little is explained, read with care." : ".";
    return { of, plot, root: element("div", { class: "view" }, element("h3", {}, of.objective), plot,
      element("p", { class: "note" }, `R2 of all parameters on designs left out: ${d3.format(".2f")(of.r2)}${weak}${scale}`)) };
  });
  root.append(element("div", { class: "views" }, ...views.map((view) => view.root)));
  const low = d3.min(content.objectives, (of) => d3.min(of.low)), high = d3.max(content.objectives, (of) => d3.max(of.high));

  function draw() {
    for (const { of, plot } of views) {
      const width = plot.clientWidth;
      if (!width) continue;
      const step = 22, top = 6, height = top + of.parameter.length * step + 24;
      const left = Math.min(width * 0.5, 12 + 6.1 * d3.max(of.parameter, (name) => name.length));
      const scale = d3.scaleLinear([Math.min(0, low), high], [left, width - 12]);
      const svg = canvas(plot, width, height, `Importance of parameters for ${of.objective}`, () => [
        ["objective", "parameter", "importance", "low", "high"], ...of.parameter.map((name, i) => [of.objective, name, of.importance[i], of.low[i], of.high[i]]),
      ]);
      axes(svg, { at: scale, ticks: scale.ticks(Math.max(2, (width - left) / 70)), text: number }, { at: () => 0, ticks: [], text: String }, { left, right: width - 12, top, bottom: height - 24 }, { x: "", y: "" });
      svg.append("line").attr("class", "nought").attr("x1", scale(0)).attr("x2", scale(0)).attr("y1", top).attr("y2", height - 24);
      of.parameter.forEach((name, i) => {
        const y = top + (i + 0.5) * step;
        const row = svg.append("g");
        row.append("text").attr("x", left - 8).attr("y", y).attr("dy", "0.32em").attr("text-anchor", "end").text(name);
        row.append("line").attr("class", "whisker").attr("x1", scale(of.low[i])).attr("x2", scale(of.high[i])).attr("y1", y).attr("y2", y);
        row.append("circle").attr("class", "estimate").attr("cx", scale(of.importance[i])).attr("cy", y).attr("r", 4.5);
        row.append("title").text(`${name}: ${number(of.importance[i])}, 95 % from ${number(of.low[i])} to ${number(of.high[i])}`);
      });
    }
  }
  return { draw, mark: () => {} };
};
