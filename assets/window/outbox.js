// Messages: the box in which one is written, and what became of those that were sent. Nothing that was typed is lost: the
// text leaves the box when Handline has stored it, and until then Handline remembers it for the next page.
import { call, farewell } from "./api.js";
import * as words from "./words.js";
import { attempt, clone, current, parts, put, say, show, use } from "./page.js";

const root = document.getElementById("activity");
const is = parts(root);
const box = document.getElementById("message");
const form = is("compose");
const list = is("messages");
const shown = 3; // so many of the confirmed ones, where nobody asked for all
let snapshot = null;
let messages = null; // null = nobody knows yet
let absent = false; // Handline cannot be heard
let sending = false;
let all = false; // the older confirmed ones are shown too
let unsaved = false; // Handline does not have what is in the box

// The draft
let resting;
let saving = Promise.resolve();
function keep(now) {
  unsaved = true;
  clearTimeout(resting);
  resting = setTimeout(() => {
    saving = saving.then(async () => {
      const text = box.value;
      try {
        await call("PUT", "v1/draft", { text });
        unsaved = box.value !== text;
      } catch { /* It is in the box, and is kept when Handline is back. */ }
    });
  }, now ? 0 : 300);
}
addEventListener("pagehide", () => { if (unsaved) farewell("v1/draft", { text: box.value }); });

(async () => {
  const { text } = await call("GET", "v1/draft").catch(() => ({ text: "" }));
  if (!box.value) fill(text);
})();

function fill(text) {
  box.value = text;
  grow();
  refresh();
}

// grow makes the box as high as its text, within bounds that the style sets.
function grow() {
  box.style.height = "auto";
  if (box.scrollHeight) box.style.height = `${box.scrollHeight + 2}px`;
}

// The box
const mac = /Mac/.test(navigator.platform);
put(is("keys"), mac ? "⌘↩ sends" : "Ctrl+Enter sends");
box.addEventListener("input", () => { grow(); problem(null); refresh(); keep(); });
box.addEventListener("keydown", (e) => {
  if (e.key !== "Enter" || !(e.metaKey || e.ctrlKey) || e.isComposing) return;
  e.preventDefault();
  form.requestSubmit();
});
form.addEventListener("submit", (e) => { e.preventDefault(); send(); });

async function send() {
  const text = box.value;
  if (!text.trim() || sending) return;
  sending = box.readOnly = true;
  refresh();
  try {
    await call("POST", "v1/send", { text });
    problem(null);
    fill("");
    keep(true);
    say("Message queued");
  } catch (e) {
    problem(e);
  }
  sending = box.readOnly = false;
  refresh();
  box.focus();
}

function problem(e) {
  show(is("refused"), Boolean(e));
  put(is("refused-text"), e?.text ?? "");
  put(is("refused-more"), e ? [e.means, e.advice, "Your text is still here."].filter(Boolean).join(" ") : "");
}

// refresh says where a message would go, and whether it can.
function refresh() {
  const s = snapshot;
  const none = s?.server === "";
  show(form, !none);
  show(is("no-server"), none);
  put(is("send"), sending ? "Sending…" : "Send");
  is("send").disabled = !s || absent || sending || !box.value.trim();
  put(is("to"), s ? where(s) : "\u00a0");
}

function where(s) {
  if (absent) return "Handline is not running. What you write stays here.";
  const to = s.title || s.conversation || (s.dialect === "socketio" ? words.host(s.server) : "");
  if (!to) return "No conversation yet: a message goes to the one that Handline follows. Connect first.";
  return s.status === "connected" ? `To ${to}` : `To ${to}. It waits in the outbox until the line returns.`;
}

export function update(s) {
  if (absent) { absent = false; if (box.value) keep(true); } // another Handline does not know it yet
  snapshot = s;
  refresh();
  if (eager) focus();
  if (messages) draw(messages);
}

export function lose() {
  absent = true;
  unsaved = box.value !== "";
  refresh();
}

// focus brings whoever wants to write to the box.
let eager = false; // they came before it was known whether there is one
export function focus() {
  eager = !snapshot;
  grow();
  (form.hidden ? is("no-server").querySelector("button") : box).focus();
}
export const arrive = grow; // a box that is not seen has no height

// The list
export function hear({ messages: now }) {
  tell(messages, now);
  messages = now;
  draw(now);
}

// tell says to a screen reader what became of a message.
function tell(before, now) {
  const was = new Map((before ?? []).map((m) => [m.id, m.state]));
  for (const m of now) {
    const old = was.get(m.id);
    if (old && old !== m.state && !["queued", "sending", "accepted"].includes(m.state)) say(`Message ${m.state}. ${words.became(m, true)}`);
  }
}

is("older").addEventListener("click", () => { all = true; draw(messages); });

function draw(now) {
  const open = now.filter((m) => m.state !== "confirmed");
  const done = now.filter((m) => m.state === "confirmed");
  const seen = [...open, ...(all ? done : done.slice(-shown))].sort((a, b) => a.id.length - b.id.length || (a.id < b.id ? -1 : 1)).reverse();
  const rows = new Map([...list.children].map((li) => [li.dataset.id, li]));
  const focused = [...list.children].findIndex((li) => li.contains(document.activeElement));
  let place = list.firstElementChild;
  for (const m of seen) {
    const li = rows.get(m.id) ?? row(m);
    rows.delete(m.id);
    paint(li, m);
    if (li === place) place = li.nextElementSibling;
    else list.insertBefore(li, place);
  }
  for (const li of rows.values()) li.remove();
  if (focused >= 0 && !list.contains(document.activeElement)) (list.children[Math.min(focused, list.children.length - 1)]?.querySelector("button") ?? box).focus();
  show(list, seen.length > 0);
  show(is("messages-title"), seen.length > 0);
  show(is("older"), !all && done.length > shown);
  put(is("older"), `Show ${done.length - shown} More Confirmed`);
}

const long = 600; // characters: more are shown when they are asked for

function row(m) {
  const li = clone("message-row").firstElementChild;
  const of = parts(li);
  li.dataset.id = m.id;
  const cut = m.text.length > long || m.text.split("\n").length > 6;
  put(of("text"), cut ? m.text.slice(0, long).split("\n").slice(0, 6).join("\n") + "…" : m.text);
  show(of("whole"), cut);
  of("whole").addEventListener("click", () => { put(of("text"), m.text); show(of("whole"), false); of("text").focus(); });
  const at = new Date(m.at);
  put(of("time"), words.since(at, new Date()));
  of("time").dateTime = m.at;
  return li;
}

const shapes = {
  queued: "i-activity", sending: "m-busy", accepted: "m-sent", confirmed: "m-ok", failed: "m-failed", held: "m-held", unknown: "m-unknown",
};
const labels = { retry: "Retry", send: "Send", discard: "Discard", check: "Check", edit: "Edit" };

function paint(li, m) {
  const of = parts(li);
  const mark = li.querySelector("svg");
  use(mark, shapes[m.state] ?? "m-unknown");
  mark.dataset.outcome = m.state;
  mark.classList.toggle("spin", m.state === "sending");
  put(of("state"), words.state(m.state));
  const here = m.conversation === (snapshot?.conversation ?? "") && words.origin(snapshot?.server) === m.identity;
  put(of("means"), [words.became(m, here && snapshot?.status === "connected"), here || m.state === "confirmed" ? "" : `For ${m.conversation || words.host(m.identity)}.`].filter(Boolean).join(" "));
  const verbs = [...(m.verbs ?? [])];
  if (m.state === "failed" && verbs.includes("discard")) verbs.splice(1, 0, "edit");
  const buttons = of("verbs");
  if (buttons.dataset.of === verbs.join()) return;
  buttons.dataset.of = verbs.join();
  buttons.replaceChildren(...verbs.map((v) => button(m, v)));
}

function button(m, verb) {
  const b = Object.assign(document.createElement("button"), { type: "button", className: "small", textContent: labels[verb] ?? verb });
  b.dataset.verb = verb;
  b.addEventListener("click", () => attempt(b, () => (verb === "edit" ? edit(m) : decide(m, verb))));
  return b;
}

const decide = (m, verb) => call("POST", `v1/outbox/${m.id}/${verb}`, {});

// edit takes a message that was refused back into the box, and gives it up when Handline has the text as a draft.
async function edit(m) {
  const text = box.value.trim() ? `${m.text}\n${box.value}` : m.text;
  await call("PUT", "v1/draft", { text });
  fill(text);
  await decide(m, "discard");
  if (current() === "activity") box.focus();
}
