// The list of conversations, for the settings and for the first launch.
import { call } from "./api.js";

// fill asks the server and fills a select. What is chosen there meanwhile stays so. It gives the problem where the server
// did not answer with a list.
export async function fill(select, chosen) {
  const was = select.value;
  let list = [];
  let problem = null;
  try {
    list = (await call("GET", "v1/conversations")).conversations ?? [];
  } catch (e) {
    problem = e;
  }
  if (select.value !== was) chosen = select.value;
  const options = [new Option("The newest that runs", "")];
  for (const c of list) options.push(new Option(label(c), c.id));
  if (chosen && chosen !== "own" && !list.some((c) => c.id === chosen)) options.push(new Option(chosen, chosen));
  options.push(new Option("Another, by its id…", "own"));
  select.replaceChildren(...options);
  select.value = chosen;
  return problem;
}

function label(c) {
  const state = c.running ? "running" : c.asleep ? "asleep" : "";
  return (c.title || c.id) + (state ? ` — ${state}` : "");
}
