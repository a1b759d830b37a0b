// The first launch: server, key, conversation, one step after the other, and the demo as the way out.
import { call } from "./api.js";
import { attempt, parts, put, show, turn } from "./page.js";
import { fill } from "./conversations.js";
import { changed, complaint, refusal } from "./settings.js";
import { host } from "./words.js";
import { offer } from "./signin.js";

const root = document.getElementById("welcome");
const is = parts(root);
const [server, key, talk] = [1, 2, 3].map((n) => root.querySelector(`[data-step="${n}"]`));
let active = null; // null = nobody knows yet whether there is something to set up
let config = null;

// needed says whether the first launch is under way. It begins where no server is set up and ends with the third step,
// or when somebody else has set one up.
export function needed(s) {
  if (active === null || (!active && !s.server)) begin(!s.server);
  else if (active && s.wanted) active = false;
  return active;
}

function begin(on) {
  active = on;
  if (!on) return;
  show(is("demo-offer"), Boolean(document.documentElement.dataset.demo));
  step(server);
}

function step(now) {
  for (const li of [server, key, talk]) {
    const place = li.compareDocumentPosition(now);
    li.classList.toggle("now", li === now);
    li.classList.toggle("later", Boolean(place & Node.DOCUMENT_POSITION_PRECEDING));
    li.classList.toggle("done", Boolean(place & Node.DOCUMENT_POSITION_FOLLOWING));
    if (li === now) li.setAttribute("aria-current", "step");
    else li.removeAttribute("aria-current");
  }
  if (!root.hidden) [...now.querySelectorAll("button.primary[data-is], input:not([hidden]), select")].find((e) => e.getClientRects().length)?.focus();
}

// said leaves the answer of a finished step under its title.
function said(li, text) {
  let p = li.querySelector(".said");
  if (!p) {
    p = Object.assign(document.createElement("p"), { className: "said" });
    li.querySelector("h2").after(p);
  }
  put(p, text);
}

function problem(li, e) {
  const box = li.querySelector(".field-problem");
  show(box, Boolean(e));
  if (!e) return;
  const strong = Object.assign(document.createElement("strong"), { textContent: e.text });
  box.replaceChildren(strong, [e.means, e.advice].filter(Boolean).join(" "));
}

for (const li of [server, key, talk]) li.querySelector("form").addEventListener("submit", (e) => { e.preventDefault(); });

const address = server.querySelector("input");
const addressError = server.querySelector(".field-error");
let resting;
address.addEventListener("input", () => {
  clearTimeout(resting);
  problem(server, null);
  const value = address.value.trim();
  resting = setTimeout(async () => {
    wrong(value ? await refusal(await call("GET", "v1/config"), "server", value) : "");
  }, 200);
});

function wrong(text) {
  put(addressError, text);
  if (text) address.setAttribute("aria-invalid", "true");
  else address.removeAttribute("aria-invalid");
}

server.querySelector("form").addEventListener("submit", (e) => attempt(e.submitter, async () => {
  clearTimeout(resting);
  if (!address.value.trim()) return wrong("Write an address such as http://localhost:3000");
  try {
    config = await call("PUT", "v1/config", changed(await call("GET", "v1/config"), "server", address.value.trim()));
  } catch (p) {
    if (!complaint(p, "server")) throw p;
    return wrong(complaint(p, "server"));
  }
  wrong("");
  address.value = config.server;
  const p = await look();
  if (p && !["auth", "plaintext", "not-offered", "forbidden", "keychain-locked", "keychain-denied"].includes(p.code)) return problem(server, p);
  said(server, config.server);
  if (!p || p.code === "not-offered") {
    said(key, p ? "" : "This server needs no key, or has yours already.");
    return p ? step(key) : choose(p);
  }
  await signIn();
  step(key);
}));

// Where the server lets one sign in with a browser, that comes before the key. It ends the step as a key does.
const login = offer(is("sign-in"), async () => {
  if (active && key.classList.contains("now")) await settle("You are signed in.");
});
async function signIn() {
  const offered = await login();
  show(is("sign-in"), offered);
  show(is("skip"), !offered); // who signs people in wants to know them
  put(is("key-label"), offered ? "Or enter your key" : "Key of your server");
  parts(is("sign-in"))("start").classList.toggle("primary", offered);
  is("take").classList.toggle("primary", !offered);
}

// settle ends the step of the key, if the server takes what it has now.
async function settle(text) {
  const p = await look();
  problem(key, p && p.code !== "not-offered" ? p : null);
  if (p && p.code !== "not-offered") return p;
  keyField.value = "";
  said(key, text);
  choose(p);
}

// look asks the server for its conversations: the answer tells whether it is there and takes the key.
const look = () => fill(document.getElementById("w-talk"), "");

const keyField = key.querySelector('[name="key"]');
const allow = key.querySelector('[name="allow"]');
key.querySelector("form").addEventListener("submit", (e) => attempt(e.submitter, async () => {
  const value = keyField.value.trim();
  const error = key.querySelector(".field-error");
  put(error, value ? "" : "Enter the key, or say that the server needs none.");
  if (!value) return;
  if (allow.checked && !config.allowPlaintext.includes(new URL(config.server).origin)) {
    config = await call("PUT", "v1/config", changed(await call("GET", "v1/config"), "allowPlaintext", [...config.allowPlaintext, new URL(config.server).origin]));
  }
  await call("POST", "v1/key", { key: value });
  const p = await settle("Kept in the keychain.");
  show(key.querySelector(".allow"), p?.code === "plaintext" || allow.checked);
}));
is("skip").addEventListener("click", (e) => attempt(e.currentTarget, () => settle("None.")));

const select = document.getElementById("w-talk");
const id = document.getElementById("w-talk-id");
select.addEventListener("change", () => show(id, select.value === "own"));

function choose(p) {
  show(select.parentElement, !p);
  show(id, Boolean(p));
  put(document.getElementById("w-talk-hint"), p ? `${host(config.server)} cannot list its conversations. Leave this empty if it needs none.`
    : "You can choose another at any time.");
  step(talk);
}

talk.querySelector("form").addEventListener("submit", (e) => attempt(e.submitter, async () => {
  const conversation = id.hidden ? select.value : id.value.trim();
  await call("POST", "v1/connect", conversation ? { conversation } : {});
  active = false;
  turn("overview");
}));

is("try-demo").addEventListener("click", (e) => attempt(e.currentTarget, async () => {
  await call("POST", "v1/demo", { on: true });
  active = false;
}));
