// @ts-check
/**
 * What is typed into the form → the products that the API finds.
 */

import { get } from "./api.js";

/** @typedef {import("./schema.js").components["schemas"]["ProductOut"]} Product */
/** @typedef {import("./api.js").Query<"/api/search">} Search */

const SIZE = 12; // products on the page

const form = /** @type {HTMLFormElement} */ (document.getElementById("search"));
const list = /** @type {HTMLElement} */ (document.getElementById("products"));
const found = /** @type {HTMLElement} */ (document.getElementById("found"));

/** @param {Product} product */
function item(product) {
  const made = document.createElement("li");
  for (const text of [product.name, `${product.price} €`, product.stock ? `${product.stock} in stock` : "sold out"]) {
    const part = document.createElement("span");
    part.textContent = text;
    made.append(part);
  }
  return made;
}

let asking = new AbortController();

async function show() {
  // What was asked before is of no use any more, and must not be shown behind what is asked now.
  asking.abort();
  asking = new AbortController();
  const fields = new FormData(form);
  /** @type {Search} */
  const query = {
    text: String(fields.get("text")),
    in_stock: fields.has("in_stock"),
    sort: /** @type {Search["sort"]} */ (fields.get("sort")),
    size: SIZE,
  };
  try {
    const { products, total } = await get("/api/search", query, asking.signal);
    list.replaceChildren(...products.map(item));
    found.textContent = `${total > SIZE ? `${SIZE} of ` : ""}${total} ${total === 1 ? "product" : "products"}`;
  } catch (error) {
    if (error instanceof Error && error.name !== "AbortError") found.textContent = error.message;
  }
}

form.addEventListener("input", show);
form.addEventListener("submit", (event) => event.preventDefault());
show();
