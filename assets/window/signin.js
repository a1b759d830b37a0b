// A login with a browser: the server's page shows a code, its user says yes there, and Handline gets the key. The page
// sees the code and never the key.
import { call } from "./api.js";
import { clone, parts, put, show } from "./page.js";
import { minute } from "./words.js";

// offer fills a place with the login. done is called when the key is stored. It gives a function that looks where the
// login stands, and says whether the server has one.
export function offer(place, done) {
  place.append(clone("sign-in"));
  const is = parts(place);
  let looking;

  is("start").addEventListener("click", () => act(() => call("POST", "v1/sign-in", {})));
  is("cancel").addEventListener("click", () => act(async () => {
    await call("DELETE", "v1/sign-in", {});
    return { offered: true, state: "" };
  }));

  async function act(what) {
    is("start").disabled = is("cancel").disabled = true;
    try {
      paint(await what());
    } catch (e) {
      paint({ offered: true, state: "failed", error: e });
    }
    is("start").disabled = is("cancel").disabled = false;
    (is("waiting").hidden ? is("start") : is("page")).focus();
  }

  function paint(s) {
    clearTimeout(looking);
    const waiting = s.state === "waiting";
    show(is("waiting"), waiting);
    show(is("start").parentElement, !waiting);
    if (waiting) {
      put(is("code"), s.code);
      if (is("page").getAttribute("href") !== s.url) is("page").href = s.url;
      put(is("until"), `Waiting for you to say yes there. The code is good until ${minute(new Date(s.ends))}.`);
      looking = setTimeout(look, 1000);
    }
    put(is("said"), s.state === "done" ? "You are signed in. The key is stored." : [s.error?.text, s.error?.means, s.error?.advice].filter(Boolean).map((t) => (t.endsWith(".") ? t : t + ".")).join(" "));
    is("said").classList.toggle("good", s.state === "done");
    put(is("start"), s.state === "done" || s.state === "failed" ? "Sign In Again…" : "Sign In…");
    if (s.state === "done") {
      call("DELETE", "v1/sign-in", {}).catch(() => {}); // it is told
      done();
    }
  }

  async function look() {
    let s;
    try {
      s = await call("GET", "v1/sign-in");
    } catch { // Handline is away; it goes on waiting when it is back
      looking = setTimeout(look, 2000);
      return false;
    }
    if (s.offered || s.state) paint(s);
    return s.offered;
  }
  return look;
}
