// Settings: each field is checked as it is typed, in the server's own words, and stored when it is left.
import { call } from "./api.js";
import { attempt, current, parts, put, show, tell } from "./page.js";
import { fill } from "./conversations.js";
import { host } from "./words.js";
import { offer } from "./signin.js";

const root = document.getElementById("settings");
const is = parts(root);
const talk = document.getElementById("f-talk");
const talkID = document.getElementById("f-talk-id");
const plain = document.getElementById("f-plain");
const keyField = document.getElementById("f-key");
let config = null;
let queue = Promise.resolve();

// load shows what is in force, and then which conversations there are.
export async function load() {
  try {
    config = await call("GET", "v1/config");
    showAll();
  } catch (e) { return tell(e); }
  signIn();
  list();
  notices();
}

// A server that has a login with a browser offers it. The key goes to Handline, and the page hears that it is there.
const login = offer(is("sign-in"), list);
let asked = Promise.resolve();
const signIn = () => { asked = login().then((offered) => show(is("sign-in-row"), offered)); };

// What the system keeps from being shown is said where notifications are chosen.
const notices = () => call("GET", "v1/notices").then(({ muted }) => show(is("muted"), muted)).catch(() => {});
addEventListener("focus", () => { if (current() === "settings") notices(); });
is("allow-notices").addEventListener("click", (e) => attempt(e.currentTarget, () => call("POST", "v1/notices", {})));

// On macOS a click always opens the menu.
show(is("click"), !/Mac/.test(navigator.platform));

const at = (c, path) => path.split(".").reduce((v, name) => v?.[name], c);

// changed is the configuration with one setting changed. Another server has other conversations.
export function changed(c, path, value) {
  const next = structuredClone(c);
  const names = path.split(".");
  const last = names.pop();
  names.reduce((v, name) => v[name], next)[last] = value;
  if (path === "server" && value !== c.server) Object.assign(next, { conversation: "", params: {} });
  return next;
}

// complaint is the error of one field, "" where the fault is not this field's.
export function complaint(e, path) {
  if (!e?.text?.startsWith(path)) return "";
  const text = e.text.slice(e.text.indexOf(": ") + 2);
  return text[0].toUpperCase() + text.slice(1);
}

// refusal asks whether a setting would do, and gives the field's complaint.
export async function refusal(c, path, value) {
  const { error } = await call("PUT", "v1/config?check", changed(c, path, value));
  return complaint(error, path);
}

function error(field, text) {
  const p = field.closest(".field").querySelector(".field-error");
  if (!p) return;
  p.id ||= field.id + "-error";
  put(p, text);
  if (text) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
  field.setAttribute("aria-describedby", p.id);
}

// apart takes a name and a password out of a proxy's address: they are kept where keys are, and not in the configuration.
export function apart(path, value) {
  let u = null;
  if (path === "proxy") try { u = new URL(value); } catch { /* The field says so. */ }
  if (!u?.username) return { value };
  const plain = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
  const login = `${plain(u.username)}:${plain(u.password)}`;
  u.username = u.password = "";
  return { value: u.href.replace(/\/$/, ""), login };
}

// store changes one setting, one at a time. The configuration is read anew, so that nobody else's change is undone.
function store(path, entered, field) {
  const { value, login } = apart(path, entered);
  queue = queue.then(async () => {
    try {
      config = await call("PUT", "v1/config", changed(await call("GET", "v1/config"), path, value));
      if (login) await call("POST", "v1/key", { proxy: value, key: login });
      error(field, "");
      saved();
    } catch (e) {
      const own = complaint(e, path);
      if (own) error(field, own);
      else tell(e);
      if (!own || field.type !== "url") showAll(field);
      return;
    }
    showAll(field);
    if (path === "server") { signIn(); list(); }
  });
  return queue;
}

let fading;
function saved() {
  put(is("saved"), "Saved");
  clearTimeout(fading);
  fading = setTimeout(() => put(is("saved"), ""), 1500);
}

// check asks whether what stands in a field would do, once the typing rests.
function check(field, path) {
  clearTimeout(field.resting);
  field.resting = setTimeout(async () => {
    const value = field.value;
    const text = await refusal(config, path, apart(path, value).value).catch(() => null);
    if (text !== null && field.value === value) error(field, text);
  }, 150);
}

for (const field of root.querySelectorAll("[data-path]")) {
  const path = field.dataset.path;
  const value = () => (field.type === "checkbox" ? field.checked : field.value.trim());
  if (field.tagName === "INPUT" && field.type !== "checkbox") field.addEventListener("input", () => check(field, path));
  field.addEventListener("change", () => { clearTimeout(field.resting); store(path, value(), field); });
}
root.querySelector("form").addEventListener("submit", (e) => { e.preventDefault(); document.activeElement?.blur(); });

// A preset stands for all its numbers; without any the server takes the standard ones.
for (const select of root.querySelectorAll("[data-preset]")) {
  select.addEventListener("change", () => store(select.dataset.preset, select.value === "default" ? {} : { preset: select.value }, select));
}

// Automatic, off, or an address of one's own, which has a field that shows when it is chosen.
for (const field of root.querySelectorAll("[data-choice]")) {
  const [select, input] = [field.querySelector("select"), field.querySelector("input")];
  select.addEventListener("change", () => {
    show(input, select.value === "own");
    if (select.value !== "own") return store(field.dataset.choice, select.value, select);
    input.focus();
  });
}

function showAll(busy) {
  for (const field of root.querySelectorAll("[data-path]")) {
    const value = at(config, field.dataset.path);
    if (field === document.activeElement && field !== busy) continue;
    if (field.type === "checkbox") field.checked = value;
    else field.value = value;
  }
  for (const select of root.querySelectorAll("[data-preset]")) showPreset(select, config[select.dataset.preset]);
  for (const field of root.querySelectorAll("[data-choice]")) {
    const [select, input] = [field.querySelector("select"), field.querySelector("input")];
    const own = !["auto", "off"].includes(input.value);
    select.value = own ? "own" : input.value;
    if (!own) input.value = "";
    show(input, own);
  }
  if (!talk.disabled && [...talk.options].some((o) => o.value === config.conversation)) talk.value = config.conversation;
  showPlaintext();
}

// The numbers of the standards, to tell them from somebody's own.
const standards = {
  retry: { initialDelay: "1s", factor: 1.5, maxDelay: "30s", maxAttempts: 10, jitter: 0.3 },
  heartbeat: { idle: "15s", looking: "5s", timeout: "0s" },
};
const whys = {
  retry: { default: "10 attempts, at most 30 s apart.", patient: "20 attempts, at most 30 s apart.", own: "As written in config.json." },
  heartbeat: { default: "Every 15 s, every 5 s while you look.", relaxed: "Every 30 s.", own: "As written in config.json." },
};

function showPreset(select, value) {
  const group = select.dataset.preset;
  const standard = Object.entries(standards[group]).every(([k, v]) => value[k] === v);
  select.value = value.preset ?? (standard ? "default" : "own");
  show(select.querySelector('[value="own"]'), select.value === "own");
  put(is(group + "-why"), whys[group][select.value] ?? "");
}

const loopback = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/;

function showPlaintext() {
  let u = null;
  try { u = new URL(config.server); } catch { /* Nothing is set up. */ }
  const asked = u?.protocol === "http:" && !loopback.test(u.hostname);
  show(is("plaintext"), Boolean(asked));
  if (!asked) return;
  plain.checked = config.allowPlaintext.includes(u.origin);
  put(is("plain-why"), `Your key would travel unencrypted to ${host(u.origin)}.`);
}

plain.addEventListener("change", () => {
  const { origin } = new URL(config.server);
  store("allowPlaintext", [...config.allowPlaintext.filter((o) => o !== origin), ...(plain.checked ? [origin] : [])], plain);
});

// The key goes one way only.
keyField.addEventListener("input", () => { is("store").disabled = !keyField.value.trim(); put(is("key-said"), ""); });
keyField.addEventListener("keydown", (e) => { if (e.key === "Enter" && keyField.value.trim()) { e.preventDefault(); sendKey(keyField.value); } });
is("store").addEventListener("click", () => sendKey(keyField.value));
is("forget").addEventListener("click", () => sendKey(""));

async function sendKey(key) {
  const line = is("key-said");
  is("store").disabled = is("forget").disabled = true;
  try {
    await call("POST", "v1/key", { key });
    keyField.value = "";
    put(line, key ? "The key is stored" : "No key is kept for this server");
    line.classList.add("good");
    list();
  } catch (e) {
    put(line, [e.text, e.advice].filter(Boolean).join(". "));
    line.classList.remove("good");
  }
  is("forget").disabled = false;
  is("store").disabled = !keyField.value.trim();
}

talk.addEventListener("change", () => {
  show(talkID, talk.value === "own");
  if (talk.value === "own") talkID.focus();
  else store("conversation", talk.value, talk);
});
is("reload").addEventListener("click", list);

// list shows the conversations. Who asks while an answer is on its way has changed what was asked: it is asked again.
// Nothing is pressed here before it is known whether a row comes above it, and moves what the pointer is on.
let stale = false;
let listing = false;
async function list() {
  if (current() !== "settings") return;
  stale = true;
  if (listing) return;
  listing = is("reload").disabled = true;
  let problem;
  while (stale) {
    stale = false;
    problem = config?.server === "" ? null : await fill(talk, config?.conversation ?? "");
    await asked;
  }
  talk.disabled = config?.server === "";
  show(talkID, talk.value === "own");
  put(is("talk-said"), problem ? problem.text : "");
  is("talk-said").classList.toggle("good", problem?.code === "not-offered");
  listing = is("reload").disabled = false;
}
