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

async function preview() {
  is("ok").disabled = true;
  try {
    put(is("preview"), await text(`v1/report?preview&${query()}`));
    is("ok").disabled = false;
  } catch (e) {
    put(is("preview"), `The report could not be made. ${e.text ?? e.message}`);
  }
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
