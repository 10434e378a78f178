// @ts-check
/**
 * A path and a query of the shop's API → its answer, with the types of its OpenAPI document.
 *
 * No browser needs the types, and no build step makes this file. One command makes them anew:
 *
 *     npx openapi-typescript http://127.0.0.1:8000/openapi.json --output testproject/shop/static/shop/schema.d.ts
 *
 * Editors then know every path and field; `tsc --allowJs --checkJs --strict --noEmit` finds what does not fit.
 */

/** @typedef {import("./schema.js").paths} Paths */

/**
 * What a GET of a path answers.
 *
 * @template {keyof Paths} Path
 * @typedef {Paths[Path] extends
 *   { get: { responses: { 200: { content: { "application/json": infer Body } } } } } ? Body : never} Answer
 */

/**
 * The query parameters that a GET of a path takes.
 *
 * @template {keyof Paths} Path
 * @typedef {Paths[Path] extends { get: { parameters: { query?: infer Query } } } ? NonNullable<Query> : never} Query
 */

/**
 * @template {keyof Paths} Path
 * @param {Path} path One without segments to fill.
 * @param {Query<Path>} query
 * @param {AbortSignal} [signal]
 * @returns {Promise<Answer<Path>>}
 * @throws {Error} With the title of the problem that was answered.
 */
export async function get(path, query, signal) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) search.set(name, String(value));
  const response = await fetch(`${path}?${search}`, { signal });
  if (!response.ok) throw new Error((await response.json()).title);
  return response.json();
}
