/**
 * A description → paragraphs, lists and code.
 *
 * Reads the few marks that docstrings use (blank lines, bullets, fences, backticks); all else,
 * HTML too, stays the text that it is.
 */

import { element } from "./dom.js";

const FENCE = /^\s*```/;
const BULLET = /^\s*[-*]\s+/;

/** Return the elements for a description; none for a missing one. */
export function prose(text) {
  if (typeof text !== "string" || !text.trim()) return [];
  return blocks(text).map((block) => {
    if (block.kind === "code") return element("pre", { class: "code", tabindex: "0" }, block.lines.join("\n"));
    if (block.kind === "list")
      return element(
        "ul",
        {},
        block.lines.map((line) => element("li", {}, inline(line))),
      );
    return element("p", {}, inline(block.lines.join("\n")));
  });
}

/** Return a line of text with its code marked: `` `x` `` or ``` ``x`` ```. */
export function inline(text) {
  return String(text)
    .split(/(``[^`]+``|`[^`]+`)/)
    .map((part, index) => (index % 2 ? element("code", {}, part.replace(/^`+|`+$/g, "")) : part));
}

function blocks(text) {
  const found = [];
  let block = null;
  let fenced = false;
  const begin = (kind, ...lines) => found.push((block = { kind, lines }));
  for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
    if (FENCE.test(line)) {
      fenced = !fenced;
      if (fenced) begin("code");
      else block = null;
    } else if (fenced) block.lines.push(line);
    else if (!line.trim()) block = null;
    else if (BULLET.test(line)) {
      const item = line.replace(BULLET, "");
      if (block?.kind === "list") block.lines.push(item);
      else begin("list", item);
    } else if (block?.kind === "list") block.lines[block.lines.length - 1] += ` ${line.trim()}`;
    else if (block) block.lines.push(line);
    else begin("text", line);
  }
  return found;
}
