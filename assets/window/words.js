// The words and rules that every face shares. Tests hold them to the menu's and the command line's.

// icon names the shape of a snapshot, as the menu bar shows it.
export function icon(s) {
  if (s.status === "connected" && (s.quality === "poor" || s.quality === "unusable")) return "poor";
  return s.status;
}

// portal is the page of a network that wants one to log in, "" where there is none that a browser may open.
export const portal = (s) => (/^https?:\/\//.test(s?.portal ?? "") ? s.portal : "");

// mending is the one button that would help most: its label and what it does.
export function mending(s) {
  if (s.status === "connecting") return ["Cancel", "cancel"];
  if (s.status === "connected" || s.status === "reconnecting") return ["Reconnect Now", "reconnect"];
  switch (s.cause?.code) {
    case "not-set-up": case "plaintext": return ["Set Up…", "set-up"];
    case "auth": return ["Enter Key…", "enter-key"];
    case "captive": if (portal(s)) return ["Open Login Page…", "open-login"]; break;
    case "asleep": return ["Resume…", "resume"];
  }
  if (!s.server) return ["Set Up…", "set-up"];
  return s.status === "error" ? ["Reconnect Now", "reconnect"] : ["Connect", "connect"];
}

// hangable: there is a wish to end, and the mending button does not end it already.
export const hangable = (s) => !["disconnected", "connecting"].includes(s.status);

export function roundTrip(s) {
  return s.quality && s.rtt_ms ? `${s.quality[0].toUpperCase()}${s.quality.slice(1)}, ${s.rtt_ms} ms` : "";
}

const agents = {
  working: "Working", waiting: "Waiting for you", finished: "Finished", paused: "Paused", error: "Stopped with an error",
};
export const agent = (a) => agents[a] ?? "Not known";

// state is what a message's state is called, and became what that means; a reason that is known says it better.
const states = {
  queued: "Queued", sending: "Sending", accepted: "Accepted", confirmed: "Confirmed", failed: "Failed", held: "Held", unknown: "Unknown",
};
export const state = (name) => states[name] ?? name;

export function became(m, connected) {
  if (m.why) return m.why;
  switch (m.state) {
    case "queued": return connected ? "It goes out when its turn comes." : "It will be sent when the line returns.";
    case "sending": return "It is on its way.";
    case "accepted": return "The server has taken it and has not shown it yet.";
    case "confirmed": return "It is in the conversation.";
    case "failed": return "The server did not take it.";
    case "held": return "It waited for more than an hour.";
    case "unknown": return "It may have arrived.";
  }
  return "";
}

const dialects = { socketio: "Socket.IO", events: "events socket", session: "session socket", voicecode: "voice-code" };
export const dialect = (d) => dialects[d] ?? "";

// host is how a server is called in one line.
export function host(server) {
  try {
    const u = new URL(server);
    return u.host + (u.pathname === "/" ? "" : u.pathname);
  } catch { return server; }
}

// origin is a server without its path, as messages name it.
export function origin(server) {
  try { return new URL(server).origin; } catch { return ""; }
}

const two = (n) => String(n).padStart(2, "0");
export const minute = (t) => `${two(t.getHours())}:${two(t.getMinutes())}`;
export const clock = (t) => `${minute(t)}:${two(t.getSeconds())}`;
export const sameDay = (a, b) => a.toDateString() === b.toDateString();
export const date = (t) => t.toLocaleDateString("en-GB", { day: "numeric", month: "long" });

// since is a clock time, with the date where that was not today.
export const since = (t, now) => (sameDay(t, now) ? minute(t) : `${date(t)} ${minute(t)}`);

// span is a duration, rounded to what a person cares for.
export function span(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 1) return `${Math.ceil(ms)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 100) return `${Math.round(s)} s`;
  if (s < 6000) return `${Math.round(s / 60)} min`;
  return `${Math.round(s / 3600)} h`;
}

// ago counts whole seconds.
export function ago(t, now) {
  const s = Math.max(0, Math.floor((now - t) / 1000));
  if (s < 2) return "just now";
  return s < 100 ? `${s} s ago` : `${span(s * 1000)} ago`;
}

export const plural = (n, one, many) => `${n} ${n === 1 ? one : many}`;
