// Activity: what happened, newest first, and the day's figures.
import { call } from "./api.js";
import * as words from "./words.js";
import { clone, current, parts, put, show, use } from "./page.js";
import { share } from "./overview.js";
import { run } from "./actions.js";

const root = document.getElementById("activity");
const is = parts(root);
let entries = [];
let key = "";
let later;

is("filter").addEventListener("change", draw);
is("search").addEventListener("input", draw);
is("set-up").addEventListener("click", (e) => run("set-up", e.currentTarget));

// update loads anew where something happened that the timeline tells of, while the pane is seen.
export function update(s) {
  const now = [s.status, s.phase, s.cause?.code, s.attempt, s.agent].join();
  if (now === key) return;
  key = now;
  if (current() === "activity") soon();
}

// soon waits until the timeline has been written, a moment after the line has changed.
function soon() {
  clearTimeout(later);
  later = setTimeout(load, 1200);
}

// arrive shows what there is, and what may have happened just now.
export function arrive() {
  soon();
  load();
}

async function load() {
  try {
    entries = (await call("GET", "v1/timeline?limit=500")).entries ?? [];
    entries.sort((a, b) => new Date(a.at) - new Date(b.at)); // clocks are set back now and then
    draw();
  } catch (e) {
    put(is("empty"), `The timeline could not be read. ${e.text ?? ""}`);
    show(is("empty"), true);
  }
  call("GET", "v1/stats").then(({ days }) => figures(days?.at(-1))).catch(() => figures(null));
}

function figures(d) {
  put(is("share"), d?.wanted_s ? share(d.connected) : "–");
  put(is("reconnects"), d ? String(d.reconnects) : "–");
  put(is("median"), d?.reconnects ? words.span(d.median_back_ms) : "–");
  put(is("worst"), d?.reconnects ? words.span(d.p95_back_ms) : "–");
  put(is("tries"), d?.failed_words ?? "");
  show(is("tries"), Boolean(d?.failed_words));
}

function draw() {
  const kind = is("filter").querySelector("input:checked").value;
  const search = is("search").value.trim().toLowerCase();
  const shown = entries.filter((e) => (!kind || e.kind === kind) && (!search || e.text.toLowerCase().includes(search)));
  const days = [];
  for (const e of shown.reverse()) {
    const at = new Date(e.at);
    if (!days.length || !words.sameDay(days.at(-1).at, at)) days.push({ at, items: [] });
    days.at(-1).items.push(item(e, at));
  }
  is("timeline").replaceChildren(...days.flatMap(day));
  put(is("empty"), entries.length ? "Nothing here matches." : "Nothing has happened yet. What Handline sees and does will be listed here.");
  show(is("empty"), !shown.length);
}

function day({ at, items }) {
  const now = new Date();
  const title = words.sameDay(at, now) ? "Today" : words.sameDay(at, new Date(now - 864e5)) ? "Yesterday" : words.date(at);
  const h = Object.assign(document.createElement("h2"), { className: "title", textContent: title });
  const ol = Object.assign(document.createElement("ol"), { className: "group day" });
  ol.append(...items);
  return [h, ol];
}

const shapes = { alert: "i-alert", diagnosis: "i-diagnostics" };

function item(e, at) {
  const li = clone("entry").firstElementChild;
  const time = li.querySelector("time");
  put(time, words.clock(at));
  time.dateTime = e.at;
  const svg = li.querySelector("svg");
  svg.dataset.state = e.kind === "phase" ? e.status : "";
  use(svg, shapes[e.kind] ?? "s-" + (e.status || "disconnected"));
  put(li.querySelector("span"), e.text);
  return li;
}
