/**
 * A JSON Schema → one value that fits it, to begin from.
 *
 * What the document itself says comes first: an example, then the default, then a constant;
 * only then is a value made up from the type.
 */

import { isObject, listOr, objectOr } from "./openapi.js";

const BY_FORMAT = {
  uuid: "3fa85f64-5717-4562-b3fc-2c963f66afa6",
  date: "2026-01-31",
  time: "12:30:00Z",
  "date-time": "2026-01-31T12:30:00Z",
  duration: "P1DT2H",
  email: "ada@example.com",
  uri: "https://example.com/",
  url: "https://example.com/",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
};

/**
 * Return a value that fits *schema*; `undefined` where there is none, as in an endless recursion.
 *
 * @param {Function} resolve - From `makeResolver()`.
 */
export function exampleOf(schema, resolve, seen = []) {
  const { value, name } = resolve(schema);
  if (!isObject(value)) return value === false ? undefined : null;
  const given = givenExample(value);
  if (given !== undefined) return given;
  // A component inside of itself: leave it out where it may be left out.
  if (name !== null && seen.includes(name)) return undefined;
  const inside = name === null ? seen : [...seen, name];
  if (listOr(value.allOf).length) return exampleOfAll(value, resolve, inside);
  const variants = [...listOr(value.anyOf), ...listOr(value.oneOf)];
  if (variants.length) return exampleOfAny(variants, resolve, inside);
  return exampleByType(value, resolve, inside);
}

/** Return the example that the document gives; `undefined` without one. */
export function givenExample(schema) {
  if (listOr(schema.examples).length) return schema.examples[0];
  for (const key of ["example", "default", "const"]) if (schema[key] !== undefined) return schema[key];
  return listOr(schema.enum)[0];
}

function exampleOfAny(variants, resolve, seen) {
  const isNull = (variant) => objectOr(resolve(variant).value).type === "null";
  for (const variant of variants.filter((entry) => !isNull(entry))) {
    const value = exampleOf(variant, resolve, seen);
    if (value !== undefined) return value;
  }
  return variants.some(isNull) ? null : undefined;
}

function exampleOfAll(schema, resolve, seen) {
  const { allOf, ...own } = schema;
  const parts = [...allOf, own].map((part) => exampleOf(part, resolve, seen));
  const objects = parts.filter(isObject);
  return objects.length
    ? Object.fromEntries(objects.flatMap(Object.entries))
    : parts.find((part) => part !== undefined && part !== null);
}

function exampleByType(schema, resolve, seen) {
  const types = [schema.type].flat();
  const type = types.find((entry) => entry !== "null") ?? types[0];
  if (type === "object" || schema.properties || schema.additionalProperties)
    return exampleObject(schema, resolve, seen);
  if (type === "array" || schema.items || schema.prefixItems) return exampleArray(schema, resolve, seen);
  if (type === "string") return exampleString(schema);
  if (type === "integer" || type === "number") return exampleNumber(schema, type);
  if (type === "boolean") return true;
  return null;
}

function exampleObject(schema, resolve, seen) {
  const entries = [];
  for (const [key, property] of Object.entries(objectOr(schema.properties))) {
    if (objectOr(resolve(property).value).readOnly === true) continue;
    const value = exampleOf(property, resolve, seen);
    if (value !== undefined) entries.push([key, value]);
    else if (listOr(schema.required).includes(key)) return undefined;
  }
  if (!entries.length && isObject(schema.additionalProperties)) {
    const value = exampleOf(schema.additionalProperties, resolve, seen);
    if (value !== undefined) entries.push(["key", value]);
  }
  // Not by assignment: a property may be named __proto__.
  return Object.fromEntries(entries);
}

function exampleArray(schema, resolve, seen) {
  const first = listOr(schema.prefixItems).map((item) => exampleOf(item, resolve, seen) ?? null);
  if (first.length) return first;
  const item = schema.items === undefined ? undefined : exampleOf(schema.items, resolve, seen);
  if (item === undefined) return [];
  const count = Math.max(1, Math.min(Number(schema.minItems) || 1, 10));
  return Array.from({ length: schema.maxItems === 0 ? 0 : count }, () => item);
}

function exampleString(schema) {
  if (Object.hasOwn(BY_FORMAT, schema.format)) return BY_FORMAT[schema.format];
  if (schema.format === "binary" || schema.contentMediaType) return "";
  // Decimals travel as text, and only their pattern tells.
  if (typeof schema.pattern === "string" && matches(schema.pattern, "1.00") && !matches(schema.pattern, "string")) {
    return "1.00";
  }
  const least = Math.min(Number(schema.minLength) || 0, 1000);
  const text = "string".padEnd(least, "string");
  return Number.isInteger(schema.maxLength) ? text.slice(0, schema.maxLength) : text;
}

/** Return whether a pattern of JSON Schema matches; one that JavaScript does not know matches nothing. */
export function matches(pattern, text) {
  try {
    return new RegExp(pattern, "u").test(text);
  } catch {
    return false;
  }
}

function exampleNumber(schema, type) {
  const step = Number(schema.multipleOf) || (type === "integer" ? 1 : 0.5);
  const above = schema.exclusiveMinimum === undefined ? -Infinity : Number(schema.exclusiveMinimum) + step;
  const least = Math.max(Number(schema.minimum ?? -Infinity), above);
  const most = Number(schema.maximum ?? Infinity);
  const usual = type === "integer" ? 1 : 1.5;
  const value = Math.min(Math.max(usual, least), most);
  return schema.multipleOf ? Math.ceil(value / step) * step : value;
}
