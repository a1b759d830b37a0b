// What buttons do, wherever they stand: in the overview, beside a failed check, in the steps of the first launch.
import { call } from "./api.js";
import { attempt, turn } from "./page.js";
import { portal } from "./words.js";

const settings = (focus) => async () => turn("settings", focus);

const actions = {
  connect: () => call("POST", "v1/connect", {}),
  resume: () => call("POST", "v1/connect", { wake: true }),
  reconnect: () => call("POST", "v1/reconnect", {}),
  cancel: () => call("POST", "v1/disconnect", {}),
  disconnect: () => call("POST", "v1/disconnect", {}),
  "set-up": settings("f-server"),
  "open-settings": settings("f-server"),
  "enter-key": settings("f-key"),
  "choose-conversation": settings("f-talk"),
};

// labels are of the buttons beside a failed check; the same words as the menu's where it has them.
const labels = {
  connect: "Reconnect Now", resume: "Resume…", "set-up": "Set Up…", "open-settings": "Open Settings…", "enter-key": "Enter Key…",
  "choose-conversation": "Choose Conversation…", "open-login": "Open Login Page…",
};

export const run = (action, button) => attempt(button, actions[action]);

// link opens a page outside; the window hands it to the browser.
export function link(to, label) {
  const a = document.createElement("a");
  Object.assign(a, { className: "button", href: to, target: "_blank", rel: "noreferrer noopener", textContent: label });
  return a;
}

// control is the button or link for an action, null where there is nothing to press.
export function control(action, snapshot) {
  if (!labels[action]) return null;
  if (action === "open-login") return portal(snapshot) ? link(portal(snapshot), labels[action]) : null;
  const b = document.createElement("button");
  const first = action === "connect" && snapshot?.status === "disconnected"; // nothing to connect again
  Object.assign(b, { type: "button", textContent: first ? "Connect" : labels[action] });
  b.addEventListener("click", () => run(action, b));
  return b;
}
