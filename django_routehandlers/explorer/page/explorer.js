/**
 * The explorer's page, once there is JavaScript: asks without leaving the tree, which it marks and cuts down.
 *
 * What is parsed as HTML is what this page's own server has escaped.
 */

import { byId, leave, send } from "./sending.js";

let asking = 0; // how many questions there were: an answer to any but the last one comes too late
let shown = location.search; // the question that the panel answers

// Asking

async function show(query, push) {
  leave();
  const mine = ++asking;
  const own = new URL(query || "?", location.href);
  const asked = new URL(own);
  asked.searchParams.set("only", "panel");
  const response = await fetch(asked, { cache: "no-store" }).catch(() => null);
  const html = response?.ok && !response.redirected ? await response.text() : null;
  if (mine !== asking) return;
  if (html === null) return location.assign(own);
  const parsed = new DOMParser().parseFromString(html, "text/html");
  byId("panel").replaceChildren(...parsed.body.childNodes);
  if (push) history.pushState(null, "", own);
  shown = own.search;
  markCurrent(own);
  const heading = byId("panel").querySelector("h2");
  heading.focus({ preventScroll: true });
  heading.scrollIntoView();
  document.title = `${heading.textContent.trim()} – Routes`;
}

/** Mark in the tree what the panel is about: a method of a route, or the route that answers a URL. */
function markCurrent({ searchParams }) {
  const link = byId("panel").querySelector(".answer a.method");
  const asked = link && searchParams.has("match") ? new URL(link.href).searchParams : searchParams;
  const parts = ["route", "at", ...(asked === searchParams ? ["method"] : [])];
  for (const one of document.querySelectorAll(".tree [aria-current]")) one.removeAttribute("aria-current");
  if (!asked.has("route")) return;
  const found = [...document.querySelectorAll(".tree a.method")].find((one) => {
    const its = new URL(one.href).searchParams;
    return parts.every((name) => its.get(name) === asked.get(name));
  });
  const marked = asked === searchParams ? found : found?.closest(".leaf");
  marked?.setAttribute("aria-current", "true");
  // On a narrow screen the tree is part of the page, which is not to move.
  if (getComputedStyle(byId("tree")).overflowY === "auto") marked?.scrollIntoView({ block: "center" });
}

/** Lead back to the place in the tree from which the panel was opened, if it is there to be seen. */
function goBack(event) {
  const marked = document.querySelector(".tree [aria-current]");
  if (!marked?.checkVisibility()) return;
  event.preventDefault();
  marked.scrollIntoView({ block: "center" });
  (marked.matches("a") ? marked : marked.querySelector("a")).focus({ preventScroll: true });
}

/** Show the routes that have every word, and the folders that lead to them. */
function filterTree(words) {
  const leaves = [...document.querySelectorAll(".leaf")];
  for (const leaf of leaves) {
    const text = leaf.textContent.toLowerCase();
    leaf.hidden = !words.every((word) => text.includes(word));
  }
  for (const folder of document.querySelectorAll(".tree li, .tree section")) {
    folder.hidden = !folder.querySelector(".leaf:not([hidden])");
  }
  if (words.length) for (const folder of document.querySelectorAll(".tree details")) folder.open = true;
  const left = leaves.filter((leaf) => !leaf.hidden).length;
  byId("count").textContent = words.length ? `${left} of ${leaves.length} routes` : "";
}

byId("filter").hidden = false;
byId("words").addEventListener("input", ({ target }) => {
  filterTree(target.value.toLowerCase().split(/\s+/).filter(Boolean));
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='?']");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  show(link.getAttribute("href"), true);
});
document.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.target.id === "filter") return;
  if (event.target.id === "ask") show(`?match=${encodeURIComponent(byId("match").value)}#panel`, true);
  else send(event.target);
});
addEventListener("popstate", () => {
  // A link to a part of the page fires it too, and is no reason to lose what was typed.
  if (location.search !== shown) show(location.search, false);
});
document.addEventListener("click", (event) => {
  if (event.target.matches(".back a")) goBack(event);
  if (event.target.id !== "stop") return;
  leave();
  document.querySelector("#send [type=submit]").focus();
});
markCurrent(new URL(location.href));
// A link that somebody wrote by hand: on a narrow screen the answer is below the whole tree.
if (!location.hash && byId("panel").querySelector(".answer, .route")) byId("panel").scrollIntoView();
