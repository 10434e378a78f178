/**
 * The streams of the shop → what the page shows while they arrive.
 */

import { readLines } from "./lines.js";

const KEPT = 50; // orders on the page
const CUSTOMERS = 24;
const PRODUCTS = 36;

const find = (id) => document.getElementById(id);

function item(...texts) {
  const made = document.createElement("li");
  for (const text of texts) {
    const part = document.createElement("span");
    part.textContent = text;
    made.append(part);
  }
  return made;
}

// Stocktaking: one request, whose answer is a stream of lines.

let counting = null;

async function count() {
  counting = new AbortController();
  find("count").disabled = true;
  find("stop").disabled = false;
  // A button that is disabled loses the focus.
  find("stop").focus();
  find("products").replaceChildren();
  find("bar").removeAttribute("value");
  find("counted").textContent = "Waiting for the first line";
  try {
    const response = await fetch("/api/stocktake", { method: "POST", signal: counting.signal });
    if (!response.ok) throw new Error((await response.json()).title);
    for await (const line of readLines(response)) show(line);
  } catch (error) {
    const how = error.name === "AbortError" ? "Stopped" : `Broken off (${error.message})`;
    find("counted").textContent = `${how}, ${find("products").children.length} products counted`;
  } finally {
    find("count").disabled = false;
    find("stop").disabled = true;
  }
}

function show(line) {
  // What goes wrong behind the first line is told in the last one: the status has been sent by then.
  if (line.error) throw new Error(line.error.title);
  find("bar").max = line.total;
  find("bar").value = line.done;
  find("counted").textContent = `${line.done} of ${line.total} products counted`;
  find("products").prepend(item(line.product, line.stock));
}

find("count").addEventListener("click", count);
find("stop").addEventListener("click", () => counting.abort());

// Orders: an event stream, which the browser opens again whenever it ends, behind the last id that it has got.

let source = null;

function listen() {
  source = new EventSource("/api/orders/live");
  source.addEventListener("open", () => listening("Listening"));
  source.addEventListener("order", (event) => {
    const order = JSON.parse(event.data);
    find("orders").prepend(item(`No. ${event.lastEventId}`, order.customer, `${order.total} €`));
    if (find("orders").children.length > KEPT) find("orders").lastElementChild.remove();
  });
  source.addEventListener("error", () => {
    const isOver = source.readyState === EventSource.CLOSED;
    listening(isOver ? "The server has refused" : "Cut off, connecting again");
  });
}

function listening(text) {
  find("listening").textContent = text;
  find("listen").textContent = source.readyState === EventSource.CLOSED ? "Listen" : "Stop listening";
}

async function order() {
  const pick = (count) => 1 + Math.floor(Math.random() * count);
  const body = JSON.stringify({ customer: pick(CUSTOMERS), lines: [{ product: pick(PRODUCTS), quantity: 1 }] });
  const headers = { "Content-Type": "application/json" };
  const response = await fetch("/api/orders", { method: "POST", headers, body });
  if (!response.ok) listening((await response.json()).error);
}

find("order").addEventListener("click", order);
find("listen").addEventListener("click", () => {
  if (source.readyState === EventSource.CLOSED) {
    listening("Connecting");
    listen();
  } else {
    source.close();
    listening("Not listening");
  }
});
listen();
