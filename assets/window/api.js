// Talks to Handline: calls that answer with JSON, and streams of server-sent events. Each carries the page's token in a
// header, which no page of another origin can send; that is why the streams are read by fetch and not by EventSource.
const [token, proof] = ["token", "proof"].map((name) => document.querySelector(`meta[name="${name}"]`).content);

// Problem is why Handline did not do what was asked: what is, what it means, what to do.
export class Problem extends Error {
  constructor({ code = "internal", text, means = "", advice = "" }) {
    super(text);
    Object.assign(this, { code, text, means, advice });
  }
}

export const gone = () => new Problem({ code: "gone-app", text: "Handline is not running", advice: "Start it, then try again." });

let live = false; // the watch is open, and it is our Handline that feeds it
let met = true; // Handline has its port: the page has just come from there

// meet has who answers prove that it knows the token, before it is sent: while Handline is away, any program may take its
// port. Nobody asks anything else until then.
async function meet() {
  if (!crypto.subtle) throw Object.assign(gone(), { status: 403 }); // who cannot tell does not go on
  const nonce = crypto.randomUUID();
  const bytes = (text) => new TextEncoder().encode(text);
  const res = await fetch(`proof?nonce=${nonce}`, { cache: "no-store" }).catch(() => { throw gone(); });
  if (!res.ok) throw Object.assign(gone(), { status: res.status });
  const key = await crypto.subtle.importKey("raw", bytes(token), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  met = await crypto.subtle.verify("HMAC", key, await res.arrayBuffer(), bytes(nonce));
}

async function ask(method, path, body, signal) {
  if (!met || body !== undefined && !live) throw gone(); // nothing is said to whoever may have taken its port
  const headers = { "Handline-Token": token };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let res;
  try {
    res = await fetch(path, { method, headers, signal, cache: "no-store", body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (e) {
    throw signal?.aborted ? e : gone();
  }
  if (res.ok) {
    trusted(res);
    return res;
  }
  const answer = await res.json().catch(() => ({}));
  const p = new Problem(answer.error ?? { text: `Handline answered with HTTP ${res.status}` });
  p.status = res.status;
  throw p;
}

export async function call(method, path, body) {
  const res = await ask(method, path, body);
  return res.status === 204 ? null : res.json();
}

export const text = async (path) => (await ask("GET", path)).text();
export const blob = async (path) => (await ask("GET", path)).blob();

// trusted says whether it is our Handline that answers: when it ends, another program may get its port. One that was
// started anew may be of another version, with another page.
function trusted(res) {
  if (res.headers.get("Handline-Proof") !== proof) throw gone();
  if (res.headers.get("Handline-Version") !== document.documentElement.dataset.version) {
    live = true; // it may be told what this page would lose
    location.reload();
  }
}

// farewell says something while the page goes; nobody hears the answer.
export function farewell(path, body) {
  if (!live) return;
  fetch(path, { method: "PUT", keepalive: true, headers: { "Handline-Token": token, "Content-Type": "application/json" }, body: JSON.stringify(body) }).catch(() => {});
}

// follow reads a stream and calls on(name, value) for each event. It returns when the stream ends.
export async function follow(path, on, signal) {
  const watch = path.startsWith("v1/watch");
  if (watch && !met) await meet();
  try {
    const res = await ask("GET", path, undefined, signal);
    if (watch) live = true;
    await read(res, on, signal);
  } finally {
    if (watch) live = met = false;
  }
}

async function read(res, on, signal) {
  const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((e) => { throw signal?.aborted ? e : gone(); });
    if (done) return;
    const frames = (rest + value).split("\n\n");
    rest = frames.pop();
    for (const f of frames) {
      const line = (name) => f.split("\n").find((l) => l.startsWith(name + ": "))?.slice(name.length + 2);
      on(line("event"), JSON.parse(line("data") ?? "null"));
    }
  }
}
