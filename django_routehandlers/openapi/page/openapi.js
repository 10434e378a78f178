/**
 * An OpenAPI 3.1 document → its operations, references resolved.
 *
 * Knows nothing of the DOM. The document is read with suspicion: whatever is missing or of
 * another type than the specification says is passed over, not trusted.
 */

const METHODS = ["get", "head", "post", "put", "patch", "delete", "options", "trace"];
const MAX_REFERENCES = 50; // a chain of $ref longer than this goes in a circle

/** A document that cannot be shown; the message is for the reader. */
export class DocumentError extends Error {}

/** Return whether *value* is a JSON object. */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Return *value* where it is a JSON object, else an empty one. */
export function objectOr(value) {
  return isObject(value) ? value : {};
}

/** Return *value* where it is a list, else an empty one. */
export function listOr(value) {
  return Array.isArray(value) ? value : [];
}

/**
 * Fetch the document.
 *
 * @throws {DocumentError} It cannot be fetched, is no JSON, or is no OpenAPI 3 document.
 */
export async function loadDocument(url) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" } });
  } catch (error) {
    throw new DocumentError(`${url} could not be fetched: ${error.message}.`);
  }
  if (!response.ok)
    throw new DocumentError(`${url} answered ${response.status} ${response.statusText}.`.replace(" .", "."));
  let read;
  try {
    read = await response.json();
  } catch (error) {
    throw new DocumentError(`${url} is no JSON: ${error.message}.`);
  }
  if (!isObject(read) || !/^3\./.test(String(read.openapi))) {
    throw new DocumentError(`${url} is no OpenAPI 3 document: its field "openapi" should begin with "3.".`);
  }
  if (read.paths !== undefined && !isObject(read.paths)) {
    throw new DocumentError(`${url} is no OpenAPI document: its field "paths" should be an object.`);
  }
  return read;
}

/**
 * Return a function that follows `$ref`.
 *
 * It takes any value of the document and returns `{ value, name, missing }`: the value with what stood
 * beside the reference laid over it (JSON Schema 2020-12, section 8.2.3.1), and the last component's name.
 */
export function makeResolver(root) {
  return function resolve(value) {
    let name = null;
    let found = value;
    for (let step = 0; isObject(found) && typeof found.$ref === "string"; step += 1) {
      const { $ref: reference, ...beside } = found;
      const target = step < MAX_REFERENCES ? follow(root, reference) : undefined;
      name = reference.split("/").pop() || reference;
      if (target === undefined) return { value: beside, name, missing: reference };
      found = isObject(target) && Object.keys(beside).length ? { ...target, ...beside } : target;
    }
    return { value: found, name: name === null ? null : decodePointer(name), missing: null };
  };
}

function follow(root, reference) {
  if (!reference.startsWith("#")) return undefined;
  let found = root;
  for (const part of reference.slice(1).split("/").slice(1)) {
    const key = decodePointer(part);
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, key)) return undefined;
    found = found[key];
  }
  return found;
}

function decodePointer(part) {
  let decoded = part;
  try {
    decoded = decodeURIComponent(part);
  } catch {
    // A stray percent sign stands for itself.
  }
  return decoded.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** Return the operations of a document, in its order, each with its parameters resolved. */
export function listOperations(root) {
  const resolve = makeResolver(root);
  const found = [];
  for (const [path, entry] of Object.entries(objectOr(root.paths))) {
    const item = objectOr(resolve(entry).value);
    for (const method of METHODS.filter((name) => isObject(item[name]))) {
      const operation = item[method];
      found.push({
        id: String(operation.operationId ?? `${method} ${path}`),
        method: method.toUpperCase(),
        path,
        summary: String(operation.summary ?? ""),
        description: operation.description ?? item.description ?? "",
        deprecated: operation.deprecated === true,
        tags: listOr(operation.tags).map(String),
        parameters: parametersOf(item, operation, resolve),
        requestBody: operation.requestBody ? objectOr(resolve(operation.requestBody).value) : null,
        responses: Object.entries(objectOr(operation.responses)).map(([status, response]) => [
          status,
          objectOr(resolve(response).value),
        ]),
        security: securityOf(root, operation, resolve),
        servers: listOr(operation.servers ?? item.servers ?? root.servers),
      });
    }
  }
  return found;
}

function parametersOf(item, operation, resolve) {
  // The operation's own parameter replaces the path's of the same name and place.
  const byKey = new Map();
  for (const entry of [...listOr(item.parameters), ...listOr(operation.parameters)]) {
    const parameter = resolve(entry).value;
    if (!isObject(parameter) || typeof parameter.name !== "string") continue;
    const content = Object.values(objectOr(parameter.content))[0];
    byKey.set(`${parameter.in} ${parameter.name}`, {
      ...parameter,
      schema: parameter.schema ?? objectOr(content).schema ?? {},
      inJson: parameter.schema === undefined && content !== undefined,
    });
  }
  return [...byKey.values()];
}

/** Return the security schemes that an operation names, and whether it answers without any of them. */
function securityOf(root, operation, resolve) {
  const alternatives = listOr(operation.security ?? root.security).filter(isObject);
  const known = objectOr(objectOr(root.components).securitySchemes);
  const names = [...new Set(alternatives.flatMap((alternative) => Object.keys(alternative)))];
  const schemes = names
    .filter((name) => Object.hasOwn(known, name))
    .map((name) => ({ ...objectOr(resolve(known[name]).value), key: name }));
  return { schemes, optional: alternatives.some((alternative) => Object.keys(alternative).length === 0) };
}

/** Return the operations by tag: the document's own tags in its order, then others, then those without one. */
export function groupByTag(root, operations) {
  const groups = new Map();
  for (const tag of listOr(root.tags)) {
    if (isObject(tag))
      groups.set(String(tag.name), { name: String(tag.name), description: tag.description, operations: [] });
  }
  const rest = { name: groups.size ? "Other" : "", description: "", operations: [] };
  for (const operation of operations) {
    for (const name of operation.tags) {
      if (!groups.has(name)) groups.set(name, { name, description: "", operations: [] });
      groups.get(name).operations.push(operation);
    }
    if (!operation.tags.length) rest.operations.push(operation);
  }
  if (groups.size) rest.name = "Other";
  return [...groups.values(), rest].filter((group) => group.operations.length);
}

/**
 * Return the URL that the operation's paths are appended to, without a slash at its end.
 *
 * @param {string} documentUrl - Absolute; a relative server URL is relative to it (OpenAPI 3.1, section 4.8.5).
 */
export function serverUrl(operation, documentUrl) {
  const server = objectOr(operation.servers[0]);
  const template = typeof server.url === "string" ? server.url : "/";
  const filled = template.replace(
    /\{([^}]*)\}/g,
    (_, name) => objectOr(objectOr(server.variables)[name]).default ?? "",
  );
  return new URL(filled, documentUrl).href.replace(/\/+$/, "");
}
