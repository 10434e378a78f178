/**
 * A JSON Schema → a list of fields that can be opened further and further.
 *
 * What is below a field is drawn when the reader opens it, so a schema that holds itself has no end
 * that has to be reached.
 */

import { element, present } from "./dom.js";
import { isObject, listOr } from "./openapi.js";
import { inline, prose } from "./prose.js";
import { constraintsOf, partsOf, typeLabel, unfold } from "./schema.js";

const OPEN_DEPTH = 2; // levels that are open from the start
const MAX_VALUES = 30; // values of an enumeration that are listed

/** Return the drawing of a schema: its type, its words, its fields. */
export function schemaView(schema, resolve) {
  const { schema: opened } = unfold(schema, resolve);
  return element(
    "div",
    { class: "schema" },
    element("p", { class: "type" }, typeLabel(schema, resolve), notes(opened)),
    prose(opened.description),
    fields(partsOf(schema, resolve), resolve, 0),
    element(
      "details",
      { class: "raw", ontoggle: (event) => drawOnce(event.target, () => [rawSchema(schema, resolve)]) },
      element("summary", {}, "JSON Schema"),
    ),
  );
}

function rawSchema(schema, resolve) {
  const value = isObject(schema) && typeof schema.$ref === "string" ? resolve(schema).value : schema;
  return element("pre", { class: "code", tabindex: "0" }, JSON.stringify(value, null, 2));
}

/** Return the words behind a type: constraints, default, values, examples. */
export function notes(schema) {
  const words = constraintsOf(schema).map((text) => element("span", { class: "note" }, text));
  if (schema.default !== undefined) words.push(valued("default", [schema.default]));
  if (listOr(schema.enum).length) words.push(valued("one of", schema.enum));
  const examples = schema.examples ?? (schema.example === undefined ? [] : [schema.example]);
  if (listOr(examples).length) words.push(valued("for example", examples));
  if (schema.deprecated) words.unshift(element("span", { class: "note deprecated-note" }, "deprecated"));
  return words.flatMap((word) => [" ", word]);
}

function valued(label, values) {
  const shown = values.slice(0, MAX_VALUES).flatMap((value) => [" ", element("code", {}, shortJson(value))]);
  const more = values.length - MAX_VALUES;
  return element("span", { class: "note" }, label, shown, more > 0 ? ` and ${more} more` : "");
}

function shortJson(value) {
  const text = typeof value === "string" && value !== "" ? value : (JSON.stringify(value) ?? String(value));
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

function fields({ parts, names }, resolve, depth) {
  if (!parts.length) return null;
  return element(
    "ul",
    { class: "fields" },
    parts.map((part) => field(part, names, resolve, depth)),
  );
}

function field(part, names, resolve, depth) {
  const { schema: opened, names: own } = unfold(part.schema, resolve);
  const below = partsOf(part.schema, resolve);
  const repeats = own.some((name) => names.includes(name)) || below.names.some((name) => names.includes(name));
  return element(
    "li",
    { class: opened.deprecated ? "field is-deprecated" : "field" },
    element("div", { class: "field-head" }, fieldHead(part, opened, resolve)),
    typeof opened.description === "string" && opened.description
      ? element("p", { class: "field-text" }, inline(opened.description))
      : null,
    below.parts.length ? nested(below, [...names, ...below.names], resolve, depth, repeats) : null,
  );
}

function fieldHead(part, opened, resolve) {
  const label = typeLabel(part.schema, resolve);
  return present([
    element(part.isProperty ? "code" : "span", { class: part.isProperty ? "name" : "variant" }, part.name),
    part.isVariant ? null : [" ", element("span", { class: "kind" }, label)],
    part.required ? [" ", element("span", { class: "required" }, "required")] : null,
    notes(opened),
  ]);
}

function nested(below, names, resolve, depth, repeats) {
  const count = below.parts.length;
  const variants = below.parts.every((part) => part.isVariant);
  const unit = variants ? "variants" : count === 1 ? "field" : "fields";
  const draw = () => [fields({ parts: below.parts, names }, resolve, depth + 1)];
  const box = element(
    "details",
    { class: "nested", ontoggle: (event) => event.target.open && drawOnce(event.target, draw) },
    element("summary", {}, `${count} ${unit}${repeats ? ", as above" : ""}`),
  );
  if (depth < OPEN_DEPTH - 1 && !repeats) {
    box.open = true;
    drawOnce(box, draw);
  }
  return box;
}

function drawOnce(box, draw) {
  if (box.children.length === 1) box.append(...present(draw()));
}
