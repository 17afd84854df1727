// Pictures for a paper: as SVG and PNG in light colours, with their data as CSV.

const KEPT_STYLES = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "opacity", "font-size", "font-weight", "font-family", "text-anchor", "paint-order"];
const PNG_SCALE = 4; // 96 dots an inch on the screen, 384 in print

function offerSave(root, svg, label, rows) {
  const button = element("button", { type: "button", class: "save", "aria-label": `Save the picture: ${label}`, title: "Save as SVG, PNG or CSV" }, "\u2913");
  button.addEventListener("click", (event) => { event.stopPropagation(); saveAs(root, svg, label, rows); });
  button.addEventListener("keydown", (event) => event.stopPropagation());
  root.append(button);
}

async function saveAs(root, svg, label, rows) {
  const name = `${document.querySelector("h1").textContent}_${root.closest(".panel")?.id ?? "picture"}`.replace(/[^\w.-]+/g, "_");
  const picture = svgText(root, svg), table = rows ? csvOf(rows()) : null;
  const addresses = [];
  const link = (blob, end) => {
    addresses.push(URL.createObjectURL(blob));
    return element("a", { class: "button", href: addresses.at(-1), download: `${name}.${end}` }, end.toUpperCase());
  };
  const links = element("div", { class: "controls" }, link(new Blob([picture], { type: "image/svg+xml" }), "svg"));
  const close = element("button", { type: "button", on: { click: () => dialog.close() } }, "Close");
  const dialog = element("dialog", { "aria-label": "Save the picture" }, element("h3", {}, label), links, close);
  dialog.addEventListener("close", () => { addresses.forEach((address) => URL.revokeObjectURL(address)); dialog.remove(); });
  document.body.append(dialog);
  dialog.showModal();
  const png = await pngOf(picture, +svg.getAttribute("width"), +svg.getAttribute("height"));
  links.append(link(png, "png"));
  if (table !== null) links.append(link(new Blob([table], { type: "text/csv" }), "csv"));
  dialog.dataset.ready = "1";
}

// The picture as a file of its own: in light colours, with the styles of the page as attributes.
function svgText(root, svg) {
  const page = document.documentElement, theme = page.dataset.theme;
  page.dataset.theme = "light";
  const copy = svg.cloneNode(true), [width, height] = ["width", "height"].map((name) => +svg.getAttribute(name));
  const given = [svg, ...svg.querySelectorAll("*")], made = [copy, ...copy.querySelectorAll("*")];
  given.forEach((own, i) => {
    const style = getComputedStyle(own);
    made[i].removeAttribute("style"); // the policy of the page refuses text as a style; attributes say the same
    for (const name of KEPT_STYLES) made[i].setAttribute(name, style.getPropertyValue(name));
  });
  for (const extra of copy.querySelectorAll(".brush, .hit[fill='transparent']")) extra.remove();
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const head = document.createElementNS("http://www.w3.org/2000/svg", "g");
  const paper = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of Object.entries({ width, height, fill: "#fff" })) paper.setAttribute(name, String(value));
  head.append(paper);
  const under = root.querySelector("canvas.under");
  if (under) {
    const image = document.createElementNS("http://www.w3.org/2000/svg", "image");
    for (const [name, value] of Object.entries({ width, height, href: under.toDataURL() })) image.setAttribute(name, String(value));
    head.append(image);
  }
  copy.prepend(head);
  if (theme === undefined) delete page.dataset.theme;
  else page.dataset.theme = theme;
  return new XMLSerializer().serializeToString(copy);
}

async function pngOf(picture, width, height) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(picture)}`;
  await image.decode();
  const sheet = element("canvas", { width: Math.round(width * PNG_SCALE), height: Math.round(height * PNG_SCALE) });
  sheet.getContext("2d").drawImage(image, 0, 0, sheet.width, sheet.height);
  return new Promise((resolve) => { sheet.toBlob(resolve, "image/png"); });
}

// A field that another program might take for a formula is quoted by a space, as a name of a user's could be one.
function csvOf(rows) {
  const field = (value) => {
    if (value === null || value === undefined) return "";
    const words = typeof value === "string" && /^[=+@-]/.test(value) ? ` ${value}` : String(value);
    return /[",\n\r]/.test(words) ? `"${words.replaceAll('"', '""')}"` : words;
  };
  return rows.map((row) => `${row.map(field).join(",")}\r\n`).join("");
}

// Designs with some columns, and the half-widths of their intervals.
function tableOf(some, names) {
  const sure = names.filter((name) => some.some((design) => halfOf(design, name) !== null));
  const head = ["trial", "origin", "role", ...names, ...sure.map((name) => `ci95_${name}`)];
  return [head, ...some.map((design) => [design.trial, design.origin, design.role, ...names.map((name) => valueOf(design, name)), ...sure.map((name) => halfOf(design, name))])];
}
