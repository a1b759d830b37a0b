// Talks to Handline: calls that answer with JSON, and streams of server-sent events. Each carries the page's token in a
// header, which no page of another origin can send; that is why the streams are read by fetch and not by EventSource.
const token = document.querySelector('meta[name="token"]').content;

// Problem is why Handline did not do what was asked: what is, what it means, what to do.
export class Problem extends Error {
  constructor({ code = "internal", text, means = "", advice = "" }) {
    super(text);
    Object.assign(this, { code, text, means, advice });
  }
}

export const gone = () => new Problem({ code: "gone-app", text: "Handline is not running", advice: "Start it, then try again." });

async function ask(method, path, body, signal) {
  const headers = { "Handline-Token": token };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let res;
  try {
    res = await fetch(path, { method, headers, signal, cache: "no-store", body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (e) {
    throw signal?.aborted ? e : gone();
  }
  if (res.ok) return res;
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

// follow reads a stream and calls on(name, value) for each event. It returns when the stream ends.
export async function follow(path, on, signal) {
  const res = await ask("GET", path, undefined, signal);
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
