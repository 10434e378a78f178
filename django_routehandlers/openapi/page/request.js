/**
 * An operation and what the reader filled in → the request to send, and the same request for curl.
 *
 * Knows nothing of the DOM. Values are text as typed, lists of text, or `undefined` where nothing was.
 */

import { cookieFault } from "./cookies.js";
import { matches } from "./example.js";
import { isObject } from "./openapi.js";

// Fields that a browser sets itself and drops from a script's request (Fetch, "forbidden request-header").
const FORBIDDEN = new RegExp(
  "^(accept-charset|accept-encoding|access-control-request-.*|connection|content-length|cookie2?|date|dnt|expect" +
    "|host|keep-alive|origin|referer|te|trailer|transfer-encoding|upgrade|via|proxy-.*|sec-.*)$",
  "i",
);
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** What the reader filled in cannot be sent; `parameter` names the control that should change. */
export class InputError extends Error {
  constructor(message, parameter = null) {
    super(message);
    this.parameter = parameter;
  }
}

/** Return whether the browser sets this header field itself, so that only curl can send another value. */
export function isForbiddenHeader(name) {
  return FORBIDDEN.test(name);
}

/**
 * Make the request.
 *
 * @param {{method: string, path: string}} operation
 * @param {string} base - From `serverUrl()`.
 * @param {Array<{parameter: Object, value: (string|string[]|undefined)}>} inputs
 * @param {?Object} body - `{ type, text }`, `{ type, entries }` for a form, or `{ type, file }`.
 * @returns {{method, url, headers: Array, cookies: Array, body}}
 * @throws {InputError} A segment is empty, or a value cannot stand where it has to.
 */
export function makeRequest(operation, base, inputs, body) {
  const of = (place) => inputs.filter(({ parameter, value }) => parameter.in === place && value !== undefined);
  const query = of("query").flatMap(({ parameter, value }) => queryPairs(parameter, value));
  const path = fillPath(operation.path, inputs);
  const url = new URL(base + path + (query.length ? `?${query.join("&")}` : ""));
  const headers = of("header").map(({ parameter, value }) => headerPair(parameter, value));
  if (body?.type && body.type !== "multipart/form-data") headers.push(["Content-Type", body.type]);
  return { method: operation.method, url: url.href, headers, cookies: of("cookie").map(cookiePair), body };
}

function fillPath(template, inputs) {
  return template.replace(/\{([^}]+)\}/g, (whole, name) => {
    const input = inputs.find(({ parameter }) => parameter.in === "path" && parameter.name === name);
    if (!input) return encodeURIComponent(whole);
    return segmentText(input.parameter, input.value);
  });
}

function segmentText(parameter, value) {
  const parts = [value ?? []].flat().filter((part) => part !== "");
  if (!parts.length) throw new InputError(`Fill in ${parameter.name}: it is part of the URL.`, parameter);
  // A browser takes these two out of every URL, encoded or not.
  if (parts.some((part) => part === "." || part === "..")) {
    throw new InputError(`${parameter.name} cannot be "." or "..": a browser takes them for folders.`, parameter);
  }
  const segments = isCatchAll(parameter) ? parts.flatMap((part) => part.split("/")) : parts;
  return segments.map(encodeURIComponent).join(isCatchAll(parameter) ? "/" : ",");
}

/** Return whether a path parameter takes several segments: its pattern lets slashes through. */
function isCatchAll({ schema }) {
  return isObject(schema) && typeof schema.pattern === "string" && matches(schema.pattern, "a/b");
}

function queryPairs(parameter, value) {
  if (isMap(parameter)) return mapPairs(parameter, value);
  const name = encodeURIComponent(parameter.name);
  const values = [value].flat().map(encodeURIComponent);
  if (!Array.isArray(value) || parameter.explode !== false) return values.map((text) => `${name}=${text}`);
  const glue = { spaceDelimited: "%20", pipeDelimited: "%7C" }[parameter.style] ?? ",";
  return [`${name}=${values.join(glue)}`];
}

/** Return whether a parameter is an object, each property of which is a query parameter of its own. */
export function isMap(parameter) {
  return (
    parameter.in === "query" && !parameter.inJson && isObject(parameter.schema) && parameter.schema.type === "object"
  );
}

function mapPairs(parameter, value) {
  let read = null;
  try {
    read = JSON.parse(value);
  } catch {
    // Said below, with what is no object.
  }
  if (!isObject(read)) throw new InputError(`${parameter.name} has to be a JSON object: {"key": "value"}.`, parameter);
  return Object.entries(read).flatMap(([key, values]) =>
    [values].flat().map((one) => `${encodeURIComponent(key)}=${encodeURIComponent(asText(one))}`),
  );
}

function headerPair(parameter, value) {
  const text = [value].flat().join(",");
  if (!TOKEN.test(parameter.name)) throw new InputError(`${parameter.name} is no name of a header field.`, parameter);
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(text)) {
    throw new InputError(`${parameter.name} can hold neither line breaks nor characters beyond Latin-1.`, parameter);
  }
  return [parameter.name, parameter.encode ? parameter.encode(text) : text];
}

function cookiePair({ parameter, value }) {
  const text = [value].flat().join(",");
  const fault = cookieFault(parameter.name, text);
  if (fault) throw new InputError(`${parameter.name} ${fault}`, parameter);
  return [parameter.name, text];
}

/** Return the options for `fetch()`. */
export function fetchOptions(request, signal) {
  return {
    method: request.method,
    headers: request.headers.filter(([name]) => !isForbiddenHeader(name)),
    body: payload(request.body),
    credentials: "same-origin",
    // What the server says now, not what the browser remembers.
    cache: "no-store",
    signal,
  };
}

function payload(body) {
  if (!body) return undefined;
  if (body.file) return body.file;
  if (!body.entries) return body.text;
  const form = body.type === "multipart/form-data" ? new FormData() : new URLSearchParams();
  for (const [name, value] of body.entries) form.append(name, value);
  return form;
}

/** Return the request as a line for a POSIX shell. */
export function curlLine(request, { stream = false } = {}) {
  const words = ["curl"];
  if (stream) words.push("-N");
  if (request.method === "HEAD") words.push("--head");
  else if (request.method !== (request.body ? "POST" : "GET")) words.push("-X", request.method);
  words.push(quote(request.url));
  for (const [name, value] of request.headers) words.push("-H", quote(value === "" ? `${name};` : `${name}: ${value}`));
  if (request.cookies.length) words.push("-b", quote(request.cookies.map((pair) => pair.join("=")).join("; ")));
  return [...words, ...bodyWords(request.body)].join(" ");
}

function bodyWords(body) {
  if (!body) return [];
  // A script cannot know the folder of a file, only its name.
  if (body.file) return ["--data-binary", quote(`@${body.file.name}`)];
  if (!body.entries) return ["--data-raw", quote(body.text)];
  if (body.type !== "multipart/form-data") {
    return ["--data-raw", quote(new URLSearchParams(body.entries).toString())];
  }
  return body.entries.flatMap(([name, value]) =>
    typeof value === "string"
      ? ["--form-string", quote(`${name}=${value}`)]
      : ["-F", quote(`${name}=@${formFile(value.name)}`)],
  );
}

function formFile(name) {
  return `"${name.replace(/[\\"]/g, "\\$&")}"`;
}

/** Return a value as it is written into a URL or a form: text as it is, all else as JSON. */
export function asText(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Return *text* as one word of a POSIX shell. */
export function quote(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
