/**
 * JSON text → the same JSON, indented and coloured.
 *
 * Works on the text, not on parsed values: a number that JavaScript cannot hold, a key that comes
 * twice, an escape, all are shown as they came over the wire.
 */

import { element } from "./dom.js";

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.eE+-]*|true|false|null|[{}[\],:]|\s+/y;
const INDENT = "  ";
const COLOUR_LIMIT = 200_000; // characters; beyond, the elements cost more than the colours help

/** Return whether *text* is JSON. */
export function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Return the tokens of JSON text, each `[kind, text]`; with *pretty*, its whitespace made anew.
 *
 * The text has to be JSON: `isJson()` tells.
 */
export function jsonTokens(text, { pretty }) {
  const found = [];
  let depth = 0;
  let previous = "";
  const newLine = () => found.push(["space", `\n${INDENT.repeat(depth)}`]);
  for (const token of scan(text)) {
    const opens = token === "{" || token === "[";
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    if (pretty && closes && previous !== "{" && previous !== "[") newLine();
    if (pretty && !closes && (previous === "{" || previous === "[")) newLine();
    if (token === ":") markKey(found);
    found.push([kindOf(token), token]);
    if (token === ":") found.push(["space", " "]);
    if (opens) depth += 1;
    if (token === ",") {
      if (pretty) newLine();
      else found.push(["space", " "]);
    }
    previous = token;
  }
  return found;
}

function* scan(text) {
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    if (match[0].trim()) yield match[0];
  }
}

function markKey(found) {
  if (found.length) found[found.length - 1][0] = "key";
}

function kindOf(token) {
  if (token[0] === '"') return "string";
  if (/[-0-9]/.test(token[0])) return "number";
  return /[a-z]/.test(token[0]) ? "literal" : "mark";
}

/** Return nodes that show *text* coloured if it is JSON, and as it is if it is not. */
export function jsonNodes(text, { pretty }) {
  if (!isJson(text)) return [text];
  const tokens = jsonTokens(text, { pretty });
  if (text.length > COLOUR_LIMIT) return [tokens.map(([, part]) => part).join("")];
  return tokens.map(([kind, part]) =>
    kind === "space" || kind === "mark" ? part : element("span", { class: `json-${kind}` }, part),
  );
}
