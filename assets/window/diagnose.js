// Connection Diagnostics: a row a step, filled in place as the findings come.
import { follow } from "./api.js";
import { clock, span } from "./words.js";
import { clone, parts, put, show, tell, use } from "./page.js";
import { control } from "./actions.js";
import { offer } from "./report.js";

const root = document.getElementById("diagnostics");
const is = parts(root);
const verdict = root.querySelector(".verdict .mark");
const marks = { ok: "m-ok", failed: "m-failed", "not-reached": "m-none", "not-tested": "m-none", busy: "m-busy" };
const said = { ok: "Passed", failed: "Failed", "not-reached": "Not reached", "not-tested": "Not tested" };
let steps = ["Network", "Name lookup", "Connection", "Encryption", "Server", "Key", "WebSocket", "Conversation", "Round trip"];
let report = null;
let snapshot = null;

export const update = (s) => { snapshot = s; };

is("run").addEventListener("click", examine);
is("save").addEventListener("click", () => offer());
is("copy").addEventListener("click", async () => {
  await copy(asText(report));
  put(is("copy"), "Copied");
  setTimeout(() => put(is("copy"), "Copy"), 1500);
});

for (const li of root.querySelectorAll(".headlines li")) {
  li.append(clone("headline"));
  put(li.querySelector(".name"), li.dataset.of);
}
is("checks").append(...steps.map((title) => row(title)));

function row(title, busy) {
  const d = clone("check").firstElementChild;
  put(d.querySelector(".name"), title);
  d.classList.add("idle");
  d.querySelector("summary").tabIndex = -1;
  mark(d.querySelector(".mark"), busy ? "busy" : "");
  return d;
}

function mark(svg, outcome) {
  use(svg, marks[outcome] ?? "m-none");
  svg.dataset.outcome = outcome;
  svg.classList.toggle("spin", outcome === "busy");
}

async function examine() {
  const run = is("run");
  run.disabled = true;
  put(run, "Running diagnostics...");
  put(is("summary"), "Running diagnostics...");
  put(is("when"), "\u00a0");
  mark(verdict, "busy");
  for (const li of root.querySelectorAll(".headlines li")) headline(li, "busy");
  is("checks").replaceChildren(...steps.map((title) => row(title, true)));
  is("progress").max = steps.length;
  is("progress").value = 0;
  show(is("progress"), true);
  tell(null);
  let done = 0;
  report = null;
  try {
    await follow("v1/diagnose", (name, value) => {
      if (name === "finding") {
        fill(is("checks").children[done] ?? is("checks").appendChild(row(value.title)), value);
        is("progress").value = ++done;
      } else if (name === "summary") report = value;
    });
    if (!report) throw new Error("The diagnostics broke off before their end");
  } catch (e) {
    tell(e);
  }
  finish();
  put(run, "Run Diagnostics");
  run.disabled = false;
  show(is("progress"), false);
  is("copy").disabled = !report;
}

function finish() {
  const findings = report?.findings ?? [];
  while (report && is("checks").children.length > findings.length) is("checks").lastElementChild.remove();
  for (const d of root.querySelectorAll(".idle .mark")) mark(d, "");
  if (findings.length > 1) steps = findings.map((f) => f.title);
  mark(verdict, report ? (report.ok ? "ok" : "failed") : "");
  put(is("summary"), report?.summary ?? "Not finished");
  put(is("when"), report ? `At ${clock(new Date(report.at))}, in ${span(Math.max(1, report.took_ms))}` : "Run the diagnostics again.");
  for (const li of root.querySelectorAll(".headlines li")) headline(li, report?.headlines.find((h) => h.title === li.dataset.of)?.outcome ?? "");
}

function headline(li, outcome) {
  mark(li.querySelector(".mark"), outcome);
  put(li.querySelector(".said"), said[outcome] ? `: ${said[outcome]}` : "");
}

function fill(d, f) {
  d.classList.remove("idle");
  d.querySelector("summary").removeAttribute("tabindex");
  mark(d.querySelector(".mark"), f.outcome);
  put(d.querySelector(".name"), f.title);
  put(d.querySelector(".saw"), f.saw);
  put(d.querySelector(".took"), f.took_ms ? span(f.took_ms) : "");
  put(d.querySelector(".means"), f.means ?? "");
  put(d.querySelector(".advice"), f.advice ?? "");
  put(d.querySelector(".detail"), f.detail ?? "");
  const button = f.action ? control(f.action, snapshot) : null;
  const buttons = d.querySelector(".buttons");
  if (button) buttons.replaceChildren(button);
  show(buttons, Boolean(button));
  d.open = f.outcome === "failed";
}

// asText is the report as it is pasted into a message.
function asText(r) {
  const lines = [r.summary, `${new Date(r.at).toLocaleString("en-GB")}, ${r.server || "no server"}`, ""];
  for (const f of r.findings) {
    lines.push(`${said[f.outcome]}: ${f.title} — ${f.saw}${f.took_ms ? ` (${span(f.took_ms)})` : ""}`);
    if (f.outcome === "failed") lines.push(...[f.means, f.advice, f.detail].filter(Boolean).map((l) => "  " + l));
  }
  return lines.join("\n") + "\n";
}

// copy works without the clipboard API too, which some web views keep from pages.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
