/**
 * The operations of a document → the list at the side, by tag, with its filter.
 */

import { element, fill } from "./dom.js";
import { breakable, methodBadge } from "./operation_view.js";
import { inline } from "./prose.js";

/** Return the fragment that opens an operation. */
export function addressOf(operation) {
  return `#${encodeURIComponent(operation.id)}`;
}

/** Return the id that a fragment names; an empty text without one. */
export function idOf(fragment) {
  const text = fragment.replace(/^#/, "");
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Fill the list and let the filter work on it.
 *
 * @param {{list, form, field, count}} parts - The elements of the page.
 * @returns {{mark: Function}} `mark(operation)` shows which one is open.
 */
export function navigation(groups, parts) {
  const entries = [];
  const boxes = groups.map((group) => {
    const items = group.operations.map((operation) => {
      const item = navigationItem(operation);
      entries.push({ ...item, operation, words: wordsOf(operation) });
      return item.node;
    });
    const list = element("ul", {}, items);
    if (!group.name) return list;
    return element("details", { open: true }, element("summary", {}, element("h2", {}, group.name)), list);
  });
  fill(parts.list, boxes);
  const filter = () => applyFilter(parts, entries, boxes);
  parts.field.addEventListener("input", filter);
  parts.form.addEventListener("submit", (event) => {
    event.preventDefault();
    entries.find(({ node }) => !node.hidden)?.anchor.click();
  });
  filter();
  return { mark: (operation) => mark(entries, operation) };
}

function navigationItem(operation) {
  const anchor = element(
    "a",
    { href: addressOf(operation), class: operation.deprecated ? "is-deprecated" : undefined },
    methodBadge(operation.method),
    element(
      "span",
      { class: "entry" },
      element("span", { class: "path" }, breakable(operation.path)),
      operation.summary ? element("span", { class: "entry-summary" }, inline(operation.summary)) : null,
      operation.deprecated ? element("span", { class: "entry-summary" }, "deprecated") : null,
    ),
  );
  return { anchor, node: element("li", {}, anchor) };
}

function wordsOf({ method, path, summary, id, tags }) {
  return [method, path, summary, id, ...tags].join(" ").toLowerCase();
}

function applyFilter({ field, count }, entries, boxes) {
  const asked = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const { node, words } of entries) node.hidden = !asked.every((word) => words.includes(word));
  for (const box of boxes) {
    box.hidden = !box.querySelector("li:not([hidden])");
    if (asked.length && !box.hidden) box.open = true;
  }
  const all = new Set(entries.map(({ operation }) => operation));
  const shown = new Set(entries.filter(({ node }) => !node.hidden).map(({ operation }) => operation));
  const noun = all.size === 1 ? "operation" : "operations";
  count.textContent = asked.length ? `${shown.size} of ${all.size} ${noun}` : `${all.size} ${noun}`;
}

function mark(entries, operation) {
  for (const entry of entries) {
    if (entry.operation === operation) entry.anchor.setAttribute("aria-current", "page");
    else entry.anchor.removeAttribute("aria-current");
  }
  entries.find((entry) => entry.operation === operation)?.anchor.scrollIntoView({ block: "nearest" });
}
