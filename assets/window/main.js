// Joins the panes: which one is shown, and the stream of snapshots that they all live by.
import { follow } from "./api.js";
import { current, show, tell } from "./page.js";
import * as overview from "./overview.js";
import * as diagnose from "./diagnose.js";
import * as activity from "./activity.js";
import * as outbox from "./outbox.js";
import * as settings from "./settings.js";
import * as welcome from "./welcome.js";

let snapshot = null;
let lost = null; // why Handline cannot be heard

// arrange shows the pane that the address names. The first launch takes the overview's place.
function arrange(moved) {
  const pane = current();
  const first = pane === "overview" && snapshot && welcome.needed(snapshot);
  for (const section of document.querySelectorAll(".pane")) show(section, section.id === (first ? "welcome" : pane));
  for (const a of document.querySelectorAll(".sidebar a")) {
    if (a.hash === "#" + pane) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  document.title = `Handline — ${document.querySelector(`.sidebar a[href="#${pane}"] span`).textContent}`;
  if (!moved) return;
  document.getElementById("main").scrollTop = 0;
  tell(pane === "overview" ? null : lost);
  load(pane);
  if (location.hash === "#message") write();
}

// load fills a pane with what the stream does not bring.
function load(pane) {
  if (pane === "activity") {
    activity.arrive();
    outbox.arrive();
  }
  if (pane === "settings") settings.load();
  if (pane === "overview") overview.refreshToday();
}
addEventListener("hashchange", () => arrange(true));

// write leads to the box. The address is then the pane's, so that it can be asked for again.
function write() {
  history.replaceState(null, "", "#activity");
  requestAnimationFrame(() => outbox.focus());
}

const hear = (name, s) => {
  if (name === "outbox") return outbox.hear(s);
  if (name !== "snapshot") return;
  snapshot = s;
  if (lost) {
    tell(lost = null);
    load(current()); // another Handline may have other settings, and another past
  }
  for (const pane of [overview, diagnose, activity, outbox]) pane.update(s);
  arrange(false);
  if (!document.documentElement.dataset.ready) performance.mark("ready");
  document.documentElement.dataset.ready = "yes";
};

const away = { text: "Handline is not running", advice: "Start it again. This window comes back by itself." };
const over = { text: "This window has ended", advice: "Open it again from Handline’s menu." };

function lose(why) {
  if (lost !== why && current() !== "overview") tell(why);
  lost = why;
  overview.lose(why);
  outbox.lose();
}

// listen follows the line for as long as the page lives.
async function listen() {
  for (let wait = 500; ; wait = Math.min(wait * 1.5, 5000)) {
    try {
      await follow("v1/watch?outbox", (name, s) => { wait = 500; hear(name, s); });
      lose(away);
    } catch (e) {
      lose(e.status === 403 || e.status === 404 ? over : away);
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}

setInterval(overview.tick, 1000);
arrange(true);
listen();
