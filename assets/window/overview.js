// Overview: what is, since when, how well, and the one button that would help.
import { call } from "./api.js";
import * as words from "./words.js";
import { attempt, parts, put, say, show, use } from "./page.js";
import { link, run } from "./actions.js";
import { draw, keep } from "./spark.js";

const root = document.getElementById("overview");
const hero = document.getElementById("hero");
const is = parts(root);
const offered = document.documentElement.dataset.demo;
let demo = ""; // the demo's address
let last = null; // the latest snapshot
let past = ""; // the state before this start, until the line was up once
let told = ""; // what was announced, or is about to be
let telling;
let absent = null; // why Handline cannot be heard: its words and since when

is("mend").addEventListener("click", (e) => { if (last) run(words.mending(last)[1], e.currentTarget); });
is("disconnect").addEventListener("click", (e) => run("disconnect", e.currentTarget));
is("leave").addEventListener("click", (e) => attempt(e.currentTarget, () => call("POST", "v1/demo", { on: false })));

export function update(s) {
  if (!last || s.status !== last.status) soon(refreshToday);
  if (!s.last_heard && !(last?.seq < s.seq)) recall(s); // a Handline that has just started
  if (offered && s.server !== last?.server) call("GET", "v1/demo").then((d) => { demo = d.server; tick(); }).catch(() => {});
  last = s;
  absent = null;
  keep(s, Date.now());
  tick();
}

// lose shows the last state, calmly, once Handline cannot be heard.
export function lose(why) {
  absent = { ...why, at: absent?.at ?? new Date() };
  tick();
}

// tick follows the clock: ages, the countdown, the chart.
export function tick() {
  const now = new Date();
  if (absent) return showAbsent(now);
  if (!last) return;
  const s = last;
  const state = words.icon(s);
  paint(state);
  put(is("status"), s.text);
  put(is("where"), [s.server && words.host(s.server), s.title || s.conversation].filter(Boolean).join(" · ") || "No server is set up");
  put(is("facts"), facts(s, now) || "\u00a0");
  buttons(s);
  trouble(s, now);
  details(s);
  chart(s, now);
  const known = !s.cause?.text || s.text.includes(s.cause.text);
  announce([s.text.replace(/ \(\d+\/\d+\)/, "").replace(/\.+$/, ""), known ? "" : s.cause.text].filter(Boolean).join(". "));
}

// announce tells a screen reader what has come to stay: a line that comes and goes would talk without end.
function announce(news) {
  if (news === told) return;
  told = news;
  clearTimeout(telling);
  telling = setTimeout(() => say(told), 1000);
}

function paint(state) {
  const nav = document.getElementById("nav-state");
  hero.dataset.state = nav.dataset.state = state;
  use(hero.querySelector(".shape"), "s-" + state);
  use(nav, "s-" + state);
}

function facts(s, now) {
  const list = [];
  if (s.since) list.push(`Since ${words.since(new Date(s.since), now)}`);
  if (s.status === "connected") {
    if (s.syncing) list.push("catching up");
    if (words.roundTrip(s)) list.push(words.roundTrip(s));
    if (s.last_heard) list.push(`heard ${words.ago(new Date(s.last_heard), now)}`);
  } else if (past && !s.last_heard) list.push(past);
  return list.join(" · ");
}

function buttons(s) {
  const [label, action] = words.mending(s);
  const mend = is("mend");
  const page = action === "open-login" ? words.portal(s) : "";
  let a = mend.parentElement.querySelector("a");
  if (page && a?.href !== page) {
    a?.remove();
    mend.before(a = link(page, label));
  } else if (!page) a?.remove();
  show(mend, !page);
  put(mend, label);
  mend.classList.toggle("primary", s.status !== "connected");
  if (mend.dataset.action !== action) {
    mend.dataset.action = action;
    mend.disabled = false;
  }
  if (!mend.dataset.ready) { mend.dataset.ready = "yes"; mend.disabled = false; }
  is("disconnect").disabled = false;
  show(is("disconnect"), words.hangable(s));
}

function trouble(s, now) {
  const ill = s.cause?.code && ["error", "reconnecting"].includes(s.status) || s.cause?.code === "not-set-up";
  show(is("trouble"), Boolean(ill));
  if (!ill) return;
  put(is("cause"), s.text.includes(s.cause.text) ? "" : s.cause.text);
  show(is("cause").parentElement, !s.text.includes(s.cause.text));
  put(is("means"), s.cause.means);
  put(is("advice"), s.cause.advice);
  const at = s.retry_at && new Date(s.retry_at);
  show(is("next"), s.status !== "error" || Boolean(at)); // where nobody tries again, no room is kept for when
  const left = at ? Math.ceil((at - now) / 1000) : 0;
  put(is("next"), left > 0 ? `Next try at ${words.clock(at)}, in ${left} s` : ["dialing", "greeting"].includes(s.phase) ? "Trying now…" : "\u00a0");
}

function details(s) {
  const kind = words.dialect(s.dialect);
  put(is("server"), s.server ? s.server + (kind ? ` (${kind})` : "") : "Not set up");
  put(is("conversation"), s.title || s.conversation || (s.server ? "The newest that runs" : "–"));
  put(is("conversation-id"), s.title ? s.conversation ?? "" : "");
  put(is("agent"), words.agent(s.agent));
  const waiting = [s.queued && `${s.queued} queued`, s.undecided && `${s.undecided} ${s.undecided === 1 ? "needs" : "need"} you`].filter(Boolean);
  show(is("queue"), waiting.length > 0);
  put(is("queued"), waiting.join(" · "));
  show(is("demo"), Boolean(demo) && s.server === demo);
}

function chart(s, now) {
  put(is("trip"), words.roundTrip(s) || (s.status === "connected" ? "Measuring…" : "Not connected"));
  put(is("top"), draw(document.getElementById("spark"), now.getTime()));
}

function showAbsent(now) {
  paint("disconnected");
  put(is("status"), absent.text);
  put(is("where"), last ? `As of ${words.minute(absent.at)}: ${last.text}${last.server ? ` · ${words.host(last.server)}` : ""}` : "\u00a0");
  put(is("facts"), absent.advice);
  show(is("trouble"), false);
  keep({ status: "gone" }, now.getTime());
  chart({}, now);
  is("mend").disabled = is("disconnect").disabled = true;
  delete is("mend").dataset.ready;
  announce(`${absent.text}. ${absent.advice}`);
}

// recall finds the last state before this start, so that a restart does not look like a blank page.
async function recall(s) {
  try {
    const { entries } = await call("GET", "v1/timeline?limit=200");
    const begun = new Date(s.since ?? Date.now());
    const before = (entries ?? []).filter((e) => e.kind === "phase" && new Date(e.at) < begun && ["connected", "error", "disconnected"].includes(e.status)).at(-1);
    if (before) past = `before this start: ${before.text.split(" — ")[0]}, as of ${words.since(new Date(before.at), new Date())}`;
    tick();
  } catch { /* The overview is whole without it. */ }
}

// soon waits until the timeline has what the snapshot tells.
let waiting;
function soon(what) {
  clearTimeout(waiting);
  waiting = setTimeout(what, 1500);
}
setInterval(() => refreshToday(), 60e3);

export async function refreshToday() {
  try {
    const { days } = await call("GET", "v1/stats");
    const d = days?.at(-1);
    put(is("today"), !d?.wanted_s ? "Not connected yet" : `${share(d.connected)} connected · ${words.plural(d.reconnects, "reconnect", "reconnects")}`);
  } catch { put(is("today"), "–"); }
}

// share never rounds a flaw away.
export const share = (x) => `${x === 1 ? 100 : Math.min(99.9, Math.round(x * 1000) / 10)} %`;
