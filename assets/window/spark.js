// The round trip of the last ten minutes, as one line. The page keeps the samples itself, from the snapshots it sees.
const span = 600e3;
const samples = []; // {at, ms}; ms 0 = the line was down

// keep takes a snapshot in, in the order of the clock; at most one sample a second is kept.
export function keep(s, at) {
  const ms = s.status === "connected" ? s.rtt_ms : 0;
  let i = samples.length;
  while (i > 0 && samples[i - 1].at > at) i--;
  const last = samples[i - 1];
  const again = last && at - last.at < 1000 && (ms === 0) === (last.ms === 0);
  if (!last || again || ms || last.ms) samples.splice(again ? i - 1 : i, again ? 1 : 0, { at, ms });
  while (samples.length > 1 && samples[1].at < at - span) samples.shift();
}

// ceiling is the round number that the highest sample stays under.
const ceiling = (ms) => [20, 50, 100, 200, 500, 1000, 2000, 5000].find((n) => n >= ms) ?? 10000;

// draw fills the SVG and gives the words of its scale. x runs from 0 to 600 s, y from the ceiling to 0.
export function draw(svg, now) {
  const seen = samples.filter((p) => p.ms && p.at >= now - span);
  const top = ceiling(Math.max(0, ...seen.map((p) => p.ms)));
  svg.setAttribute("viewBox", `0 0 600 ${top}`);
  const x = (at) => Math.max(0, 600 - (now - at) / 1000).toFixed(1);
  const runs = [];
  const gaps = [];
  samples.forEach((p, i) => {
    const next = samples[i + 1];
    const end = next?.at ?? now;
    if (!p.ms) return gaps.push(`M${x(p.at)} 0H${x(end)}V${top}H${x(p.at)}z`);
    if (!samples[i - 1]?.ms) runs.push([]);
    runs.at(-1).push(p);
    if (!next?.ms) runs.at(-1).push({ at: end, ms: p.ms });
  });
  const line = (run) => run.map((p, i) => `${i ? "L" : "M"}${x(p.at)} ${top - p.ms}`).join("");
  path(svg, "gap", gaps.join(""));
  path(svg, "fill", runs.map((r) => `${line(r)}V${top}H${x(r[0].at)}z`).join(""));
  path(svg, "trip", runs.map(line).join(""));
  const low = Math.min(...seen.map((p) => p.ms));
  const high = Math.max(...seen.map((p) => p.ms));
  const label = seen.length ? `Round trip in the last 10 minutes: ${low === high ? high : `${low} to ${high}`} ms` : "No round trip has been measured yet";
  if (svg.getAttribute("aria-label") !== label) svg.setAttribute("aria-label", label);
  return seen.length ? `${top} ms` : "";
}

function path(svg, name, d) {
  let p = svg.querySelector("." + name);
  if (!p) {
    p = document.createElementNS("http://www.w3.org/2000/svg", "path");
    p.setAttribute("class", name);
    svg.append(p);
  }
  p.setAttribute("d", d);
}
