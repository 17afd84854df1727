// A study that runs: asks the server how far it is, and takes new results in when the reader is not busy.

const strip = document.getElementById("live");
const EVERY_MS = 3000, IDLE_MS = 8000, MOST_LINES = 20;

if (strip) {
  const words = element("span", {}), growth = element("span", { class: "growth" }), news = element("button", { type: "button", hidden: "", on: { click: takeIn } }, "Show new results");
  strip.append(words, growth, news);
  const more = /** @type {HTMLDetailsElement} */ (document.getElementById("live-more")), summary = more.querySelector("summary"), lists = element("div", {});
  more.append(lists);
  let touched = 0;
  for (const kind of ["pointermove", "pointerdown", "keydown", "wheel", "touchstart", "scroll"]) addEventListener(kind, () => { touched = Date.now(); }, { passive: true });

  // The address keeps what was chosen, and the browser where the page was scrolled to.
  function takeIn() {
    writeAddress();
    location.reload();
  }
  const isBusy = () => Date.now() - touched < IDLE_MS || document.querySelector("dialog[open]") || document.activeElement?.matches?.("input, select, textarea");

  async function ask() {
    try {
      const answer = await fetch("progress", { cache: "no-store" });
      const now = answer.headers.get("Content-Type")?.startsWith("application/json") ? await answer.json() : { error: await answer.text() };
      if (now.error) throw new Error(now.error);
      show(now);
      const isNew = now.stamp !== strip.dataset.stamp;
      news.hidden = !isNew;
      if (isNew && !isBusy()) takeIn();
    } catch (error) {
      words.textContent = error instanceof TypeError ? "The server does not answer; dse watch has ended." : error.message;
      strip.classList.add("is-lost");
    }
    setTimeout(ask, document.hidden ? 4 * EVERY_MS : EVERY_MS);
  }

  function duration(seconds) {
    const [minutes, hours] = [seconds / 60, seconds / 3600];
    return seconds < 90 ? `${Math.round(seconds)} s` : minutes < 90 ? `${Math.round(minutes)} min` : `${hours.toFixed(1)} h`;
  }

  function show(now) {
    strip.classList.remove("is-lost");
    const parts = [
      now.running ? `Running: ${now.running}` : now.total !== null && now.done >= now.total ? "Finished" : "Nobody runs it",
      `${now.done}${now.total === null ? "" : ` of ${now.total}`} simulations`,
      now.per_minute ? `${number(now.per_minute)} a minute` : "",
      now.left_s === null ? "" : `${duration(now.left_s)} left`,
      now.epochs === null ? "" : `${now.epochs} epochs simulated, ${now.epochs_saved} saved`,
      `${now.front} on the front`,
      now.volume === null ? "" : `volume ${d3.format(".1%")(now.volume)}`,
      ...Object.entries(now.hosts).map(([host, count]) => `${host}: ${count}`),
    ];
    const told = parts.filter(Boolean).join(" \u00b7 ");
    if (words.textContent !== told) words.textContent = told; // what is written anew is read out
    drawGrowth(now.growth);
    tellMore(now);
  }

  // Simulations under way with their actors, and failures with their reasons.
  function tellMore(now) {
    more.hidden = !now.under_way.length && !now.failed;
    summary.textContent = [now.under_way.length ? `${now.under_way.length} under way` : "", now.failed ? `${now.failed} failed` : ""].filter(Boolean).join(", ");
    const running = now.under_way.map(({ trial, seed, actor, since }) => `trial ${trial} seed ${seed} on ${actor}, for ${duration(Math.max(0, (Date.now() - Date.parse(since)) / 1000))}`);
    lists.replaceChildren(...listOf("Under way", running, now.under_way.length), ...listOf("Failed", now.failures.toReversed(), now.failed));
  }

  function listOf(title, lines, count) {
    if (!count) return [];
    const shown = lines.slice(0, MOST_LINES), rest = count - shown.length;
    const items = [...shown, ...(rest ? [`and ${rest} more`] : [])].map((line) => element("li", {}, line));
    return [element("h3", {}, title), element("ul", {}, ...items)];
  }

  function drawGrowth(points) {
    const width = 120, height = 24;
    growth.replaceChildren();
    if (points.length < 2) return;
    const x = d3.scaleLinear([points[0][0], points.at(-1)[0]], [1, width - 1]), y = d3.scaleLinear([0, 1], [height - 2, 2]);
    const svg = d3.select(growth).append("svg").attr("width", width).attr("height", height).attr("role", "img")
      .attr("aria-label", `The volume of the front grew from ${d3.format(".1%")(points[0][1])} to ${d3.format(".1%")(points.at(-1)[1])} over ${points.at(-1)[0]} designs`);
    svg.append("path").attr("class", "surface").attr("d", d3.line((point) => x(point[0]), (point) => y(point[1]))(points));
  }
  ask();
}
