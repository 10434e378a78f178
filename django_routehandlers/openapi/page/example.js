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
 * The members that an example has beside the required ones: `true` for each *property* that is kept.
 *
 * What a server has a default for is left to it: sent, a default would overwrite what a PATCH has to leave as it is.
 */
export const KEEP_ALL = () => true;
export const KEEP_REQUIRED = () => false;
export const KEEP_SUGGESTED = (property) =>
  listOr(property.examples).length > 0 || property.example !== undefined || property.const !== undefined;

/**
 * Return a value that fits *schema*; `undefined` where there is none, as in an endless recursion.
 *
 * @param {Function} resolve - From `makeResolver()`.
 * @param {Function} keeps - `KEEP_ALL`, `KEEP_SUGGESTED` or `KEEP_REQUIRED`.
 */
export function exampleOf(schema, resolve, keeps = KEEP_ALL) {
  return make(schema, { resolve, keeps, seen: [], required: [] });
}

function make(schema, context) {
  const { value, name } = context.resolve(schema);
  if (!isObject(value)) return value === false ? undefined : null;
  // The default of a whole object is the defaults of its members.
  const isSent = context.keeps !== KEEP_ALL;
  const given = givenExample(isSent && isObject(value.default) ? { ...value, default: undefined } : value);
  if (given !== undefined) return given;
  // A component inside of itself: leave it out where it may be left out.
  if (name !== null && context.seen.includes(name)) return undefined;
  const inside = name === null ? context : { ...context, seen: [...context.seen, name] };
  if (listOr(value.allOf).length) return exampleOfAll(value, inside);
  const variants = [...listOr(value.anyOf), ...listOr(value.oneOf)];
  if (variants.length) return exampleOfAny(variants, inside);
  return exampleByType(value, inside);
}

/** Return the example that the document gives; `undefined` without one. */
export function givenExample(schema) {
  if (listOr(schema.examples).length) return schema.examples[0];
  for (const key of ["example", "default", "const"]) if (schema[key] !== undefined) return schema[key];
  return listOr(schema.enum)[0];
}

function exampleOfAny(variants, context) {
  const isNull = (variant) => objectOr(context.resolve(variant).value).type === "null";
  for (const variant of variants.filter((entry) => !isNull(entry))) {
    const value = make(variant, context);
    if (value !== undefined) return value;
  }
  return variants.some(isNull) ? null : undefined;
}

function exampleOfAll(schema, context) {
  const { allOf, ...own } = schema;
  // What one part requires may be a property of another.
  const listed = [...allOf, own].flatMap((part) => listOr(objectOr(context.resolve(part).value).required));
  const inside = { ...context, required: [...context.required, ...listed] };
  const parts = [...allOf, own].map((part) => make(part, inside));
  const objects = parts.filter(isObject);
  return objects.length
    ? Object.fromEntries(objects.flatMap(Object.entries))
    : parts.find((part) => part !== undefined && part !== null);
}

function exampleByType(schema, context) {
  const types = [schema.type].flat();
  const type = types.find((entry) => entry !== "null") ?? types[0];
  if (type === "object" || schema.properties || schema.additionalProperties)
    return exampleObject(schema, context);
  if (type === "array" || schema.items || schema.prefixItems) return exampleArray(schema, { ...context, required: [] });
  if (type === "string") return exampleString(schema);
  if (type === "integer" || type === "number") return exampleNumber(schema, type);
  if (type === "boolean") return true;
  return null;
}

function exampleObject(schema, { required, ...context }) {
  const needed = [...required, ...listOr(schema.required)];
  const inside = { ...context, required: [] };
  const properties = Object.entries(objectOr(schema.properties));
  const entries = [];
  for (const [key, property] of properties) {
    const about = objectOr(context.resolve(property).value);
    if (about.readOnly === true || !(needed.includes(key) || context.keeps(about))) continue;
    const value = make(property, inside);
    if (value !== undefined) entries.push([key, value]);
    else if (needed.includes(key)) return undefined;
  }
  if (!properties.length && isObject(schema.additionalProperties) && context.keeps !== KEEP_REQUIRED) {
    const value = make(schema.additionalProperties, inside);
    if (value !== undefined) entries.push(["key", value]);
  }
  // Not by assignment: a property may be named __proto__.
  return Object.fromEntries(entries);
}

function exampleArray(schema, context) {
  const first = listOr(schema.prefixItems).map((item) => make(item, context) ?? null);
  if (first.length) return first;
  const item = schema.items === undefined ? undefined : make(schema.items, context);
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
