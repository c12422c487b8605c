// Keeps the page up to date: asks for the same page again and puts its main part in the place of the old one. Without
// it everything works, and is as old as the page.
"use strict";
const EVERY = 5000;
async function renew() {
  const main = document.querySelector("main");
  const field = document.activeElement;
  const busy = document.hidden || (field && main.contains(field) && field.tagName === "INPUT") || String(getSelection());
  if (!busy) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(20000) });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
      if (answer.ok && fresh) {
        const open = [...main.querySelectorAll("details")].map((details) => details.open);
        const focused = field && main.contains(field) ? [...main.querySelectorAll("a, summary, button")].indexOf(field) : -1;
        const beside = [...main.querySelectorAll(".wide")].map((wide) => wide.scrollLeft);
        main.replaceWith(fresh);
        fresh.querySelectorAll(".wide").forEach((wide, index) => { wide.scrollLeft = beside[index] ?? 0; });
        fresh.querySelectorAll("details").forEach((details, index) => { details.open = open[index] ?? details.open; });
        if (focused >= 0) { fresh.querySelectorAll("a, summary, button")[focused]?.focus({ preventScroll: true }); }
        document.body.classList.remove("stale");
      }
    } catch { document.body.classList.add("stale"); }
  }
  setTimeout(renew, EVERY);
}
if (document.body.dataset.live !== undefined) { setTimeout(renew, EVERY); }
