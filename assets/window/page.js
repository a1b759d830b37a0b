// What the panes share: finding and filling their parts, the notice at the top, and which pane is shown.
export const parts = (root) => (name) => root.querySelector(`[data-is="${name}"]`);

// put writes a text only where it changed, so that screen readers and selections are left in peace.
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function show(node, on) {
  if (node.hidden === on) node.hidden = !on;
}

export function use(svg, name) {
  const u = svg.firstElementChild;
  if (u.getAttribute("href") !== "#" + name) u.setAttribute("href", "#" + name);
}

export const clone = (id) => document.getElementById(id).content.cloneNode(true);

// say tells a screen reader what changed.
export const say = (text) => put(document.getElementById("live"), text);

const notice = document.getElementById("notice");

// tell shows why something was not done; nothing takes it away.
export function tell(problem) {
  show(notice, Boolean(problem));
  if (!problem) return;
  const is = parts(notice);
  put(is("text"), problem.text ?? String(problem.message ?? problem));
  put(is("more"), [problem.means, problem.advice].filter(Boolean).join(" "));
}
document.getElementById("notice-close").addEventListener("click", () => tell(null));

// attempt does something that may fail, with the button out of reach meanwhile.
export async function attempt(button, what) {
  if (button?.disabled) return false;
  if (button) button.disabled = true;
  try {
    tell(null);
    await what();
    return true;
  } catch (e) {
    tell(e);
    return false;
  } finally {
    if (button) button.disabled = false;
  }
}

const panes = ["overview", "diagnostics", "activity", "settings"];

// current is the pane that the address names. "message" is the box in Activity.
export function current() {
  const name = location.hash.slice(1);
  if (name === "message") return "activity";
  return panes.includes(name) ? name : "overview";
}

// turn shows another pane and, where it is named, gives one of its parts the focus.
export function turn(pane, focus) {
  location.hash = pane;
  if (focus) requestAnimationFrame(() => requestAnimationFrame(() => document.getElementById(focus)?.focus()));
}
