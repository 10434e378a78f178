/**
 * A JSON Schema → words: its type and its constraints, and the parts that are worth drawing below it.
 *
 * Knows nothing of the DOM.
 */

import { isObject, listOr, objectOr } from "./openapi.js";

const MAX_WORDS = 4; // nesting of type labels: "array of array of …"
const BOUNDS = [
  ["minimum", "≥"],
  ["exclusiveMinimum", ">"],
  ["maximum", "≤"],
  ["exclusiveMaximum", "<"],
  ["multipleOf", "multiple of"],
];
const COUNTS = [
  ["minLength", "maxLength", "character", "characters"],
  ["minItems", "maxItems", "item", "items"],
  ["minProperties", "maxProperties", "property", "properties"],
];

/**
 * Return *schema* with its reference followed and `allOf` folded in, and the names that were followed.
 *
 * `{ schema, names, missing }`; a schema of `true` or nothing at all is an empty one.
 */
export function unfold(schema, resolve, seen = []) {
  const { value, name, missing } = resolve(schema);
  const names = name === null ? seen : [...seen, name];
  if (!isObject(value)) return { schema: value === false ? { not: {} } : {}, names, missing };
  const parts = listOr(value.allOf);
  if (!parts.length || (name !== null && seen.includes(name))) return { schema: value, names, missing };
  const { allOf: _, ...folded } = value;
  let followed = names;
  for (const part of parts) {
    const inner = unfold(part, resolve, names);
    followed = [...followed, ...inner.names];
    fold(folded, inner.schema);
  }
  return { schema: folded, names: [...new Set(followed)], missing };
}

function fold(into, part) {
  for (const [key, value] of Object.entries(part)) {
    if (key === "properties") into.properties = Object.assign({}, into.properties, value, into.properties);
    else if (key === "required") into.required = [...new Set([...listOr(into.required), ...listOr(value)])];
    else if (into[key] === undefined) into[key] = value;
  }
}

/** Return the variants of a union without null, and whether null is one of them. */
export function variantsOf(schema, resolve) {
  const all = [...listOr(schema.anyOf), ...listOr(schema.oneOf)];
  const variants = all.filter((variant) => objectOr(resolve(variant).value).type !== "null");
  const nullable = variants.length < all.length || (Array.isArray(schema.type) && schema.type.includes("null"));
  return { variants, nullable };
}

/** Return what a schema is in a few words, such as `array of Product or null`. */
export function typeLabel(schema, resolve, depth = 0) {
  const { value, name, missing } = resolve(schema);
  if (missing) return `${name} (not in the document)`;
  if (value === false) return "nothing";
  if (!isObject(value)) return "any value";
  if (name !== null && !isPlain(value)) return name;
  if (depth > MAX_WORDS) return "…";
  const { variants, nullable } = variantsOf(value, resolve);
  const words = variants.length
    ? [...new Set(variants.map((variant) => typeLabel(variant, resolve, depth + 1)))].join(" or ")
    : labelByType(value, resolve, depth);
  return nullable && words !== "null" ? `${words} or null` : words;
}

/** Return whether a component reads better as its type than by its name: it has no parts of its own. */
function isPlain(schema) {
  return !(
    schema.properties ||
    schema.allOf ||
    schema.anyOf ||
    schema.oneOf ||
    schema.enum ||
    schema.additionalProperties
  );
}

function labelByType(schema, resolve, depth) {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (listOr(schema.allOf).length) {
    return schema.allOf.map((part) => typeLabel(part, resolve, depth + 1)).join(" and ");
  }
  const types = [schema.type ?? guessType(schema)].flat().filter((type) => type !== "null");
  if (!types.length) return schema.type === undefined ? "any value" : "null";
  return types.map((type) => oneType(String(type), schema, resolve, depth)).join(" or ");
}

function guessType(schema) {
  if (schema.properties || schema.additionalProperties) return "object";
  if (schema.items !== undefined || schema.prefixItems) return "array";
  if (listOr(schema.enum).length)
    return [...new Set(schema.enum.map((value) => (value === null ? "null" : typeof value)))];
  return [];
}

function oneType(type, schema, resolve, depth) {
  if (type === "array") {
    if (listOr(schema.prefixItems).length) {
      return `[${schema.prefixItems.map((item) => typeLabel(item, resolve, depth + 1)).join(", ")}]`;
    }
    return schema.items === undefined ? "array" : `array of ${typeLabel(schema.items, resolve, depth + 1)}`;
  }
  if (type === "object" && isObject(schema.additionalProperties) && !schema.properties) {
    return `map of ${typeLabel(schema.additionalProperties, resolve, depth + 1)}`;
  }
  if (isFile(schema)) return "file";
  return schema.format ? `${type} (${schema.format})` : type;
}

/** Return whether a schema stands for the bytes of a file. */
export function isFile(schema) {
  const encoded = schema.contentMediaType !== undefined && !/json|^text\//.test(String(schema.contentMediaType));
  return schema.type === "string" && (schema.format === "binary" || encoded);
}

/** Return the constraints of a schema, each in a few words. */
export function constraintsOf(schema) {
  const words = BOUNDS.filter(([key]) => schema[key] !== undefined).map(([key, sign]) => `${sign} ${schema[key]}`);
  for (const [least, most, one, unit] of COUNTS) {
    const range = rangeOf(schema[least], schema[most]);
    if (range) words.push(`${range} ${/(^| )1$/.test(range) ? one : unit}`);
  }
  if (schema.uniqueItems) words.push("no item twice");
  if (schema.pattern !== undefined) words.push(`matches ${schema.pattern}`);
  if (schema.contentEncoding) words.push(`encoded as ${schema.contentEncoding}`);
  if (schema.readOnly) words.push("read only");
  if (schema.writeOnly) words.push("write only");
  if (schema.additionalProperties === false) words.push("no other properties");
  return words;
}

function rangeOf(least, most) {
  if (least === undefined && most === undefined) return "";
  if (least === most) return `exactly ${least}`;
  if (most === undefined) return least > 0 ? `at least ${least}` : "";
  return least > 0 ? `${least} to ${most}` : `at most ${most}`;
}

/**
 * Return the parts of a schema that are worth a line each: `{ name, schema, required, isProperty }`.
 *
 * An array is as its items are, and a union of one thing with null as that thing.
 */
export function partsOf(schema, resolve, seen = []) {
  const { schema: opened, names } = unfold(schema, resolve, seen);
  // Only what has no field in between comes here again: an array of itself, a union with itself.
  if (seen.includes(resolve(schema).name)) return { parts: [], names };
  const deeper = (inner) => partsOf(inner, resolve, names);
  const { variants } = variantsOf(opened, resolve);
  if (variants.length === 1) return deeper(variants[0]);
  if (variants.some((variant) => deeper(variant).parts.length)) {
    const parts = variants.map((variant) => ({ name: typeLabel(variant, resolve), schema: variant, isVariant: true }));
    return { parts, names };
  }
  if (listOr(opened.prefixItems).length) {
    const parts = opened.prefixItems.map((item, index) => ({ name: `[${index}]`, schema: item, isProperty: true }));
    return { parts: parts.some((part) => deeper(part.schema).parts.length) ? parts : [], names };
  }
  if (opened.items !== undefined && isObject(opened.items)) return deeper(opened.items);
  return { parts: propertiesOf(opened, deeper), names };
}

function propertiesOf(schema, deeper) {
  const required = listOr(schema.required);
  const parts = Object.entries(objectOr(schema.properties)).map(([name, property]) => ({
    name,
    schema: property,
    required: required.includes(name),
    isProperty: true,
  }));
  const others = schema.additionalProperties;
  if (!isObject(others) || !Object.keys(others).length) return parts;
  if (!parts.length) return deeper(others).parts;
  return [...parts, { name: "any other name", schema: others }];
}
