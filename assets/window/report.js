// The report is read before it is saved.
import { blob, text } from "./api.js";
import { parts, put, tell } from "./page.js";

const dialog = document.getElementById("report");
const is = parts(dialog);

const query = () => (is("titles").checked ? "titles" : "");

is("titles").addEventListener("change", preview);
is("cancel").addEventListener("click", () => dialog.close());
is("ok").addEventListener("click", save);

export function offer() {
  is("titles").checked = false;
  put(is("preview"), "Gathering…");
  dialog.showModal();
  preview();
}

let latest = 0; // the number of the latest question: an earlier one's answer is not what would be saved

async function preview() {
  const question = ++latest;
  is("ok").disabled = true;
  let said;
  let made = false;
  try {
    said = await text(`v1/report?preview&${query()}`);
    made = true;
  } catch (e) {
    said = `The report could not be made. ${e.text ?? e.message}`;
  }
  if (question !== latest) return;
  put(is("preview"), said);
  is("ok").disabled = !made;
}

async function save() {
  try {
    const address = URL.createObjectURL(await blob(`v1/report?${query()}`));
    const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, "").replace("T", "-").slice(0, 15);
    Object.assign(document.createElement("a"), { href: address, download: `handline-report-${stamp}.zip` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10e3);
  } catch (e) {
    tell(e);
  }
  dialog.close();
}
