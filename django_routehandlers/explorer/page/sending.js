/**
 * The form of a method → the request, and what the reader sees of its response.
 *
 * Text of a response becomes a text node and is never parsed as HTML.
 */

import { cookieFault, HELD, isHeld, setCookies } from "./cookies.js";

const MOST_LINES = 1000; // of a stream; older ones make room
const MOST_SHOWN = 500_000; // characters of a body
const BEGINNING = 5_000_000; // characters beyond which a body is not read on

export const byId = (id) => document.getElementById(id);
let sending = null; // the AbortController of the request that is under way

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Building a request

function valuesOf(form, place) {
  const controls = [...form.querySelectorAll(`[data-place="${place}"] [data-name]`)];
  return controls.flatMap((control) => {
    const name = control.dataset.name;
    if (control.type === "file") return [...control.files].map((file) => [name, file]);
    if ("list" in control.dataset) return control.value.split("\n").filter(Boolean).map((text) => [name, text]);
    return control.value === "" && !control.required ? [] : [[name, prefixed(control)]];
  });
}

function prefixed({ value, dataset: { prefix = "" } }) {
  return value.toLowerCase().startsWith(prefix.toLowerCase()) ? value : prefix + value;
}

function pathOf(form) {
  let path = form.dataset.path;
  for (const control of form.querySelectorAll('[data-place="path"] [data-name]')) {
    const parts = "rest" in control.dataset ? control.value.split("/").filter(Boolean) : [control.value].filter(Boolean);
    if (!parts.length && control.required) throw refuse(control, "is part of the URL: fill it in.");
    if (parts.some((part) => part === "." || part === "..")) throw refuse(control, 'cannot be "." or "..".');
    const text = parts.map(encodeURIComponent).join("/");
    path = path.replace(text ? `{${control.dataset.name}}` : `/{${control.dataset.name}}`, () => text);
  }
  return path || "/";
}

function refuse(control, why) {
  control.focus();
  return new Error(`${control.dataset.name} ${why}`);
}

function cookiesOf(form) {
  // A disabled control is of a cookie that the browser sends itself.
  const controls = [...form.querySelectorAll('[data-place="cookie"] [data-name]:enabled')].filter((one) => one.value);
  return controls.map((control) => {
    const { name } = control.dataset;
    const fault = cookieFault(name, control.value) ?? (isHeld(name) ? HELD : null);
    if (fault) throw refuse(control, fault);
    return [name, control.value];
  });
}

function urlOf(form) {
  const query = valuesOf(form, "query").map((pair) => pair.map(encodeURIComponent).join("="));
  query.push(...[byId("more-query").value].filter(Boolean));
  return location.origin + form.dataset.base + pathOf(form) + (query.length ? `?${query.join("&")}` : "");
}

function requestOf(form) {
  const headers = new Headers();
  const more = byId("more-fields").value.split("\n").filter((line) => line.includes(":"));
  const pairs = more.map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()]);
  for (const [name, text] of [...valuesOf(form, "header"), ...pairs]) headers.append(name, text);
  if (form.dataset.token) headers.set(form.dataset.tokenField, form.dataset.token);
  const body = ["GET", "HEAD"].includes(form.dataset.method) ? undefined : bodyOf(form, headers);
  return { method: form.dataset.method, headers, body, cache: "no-store" };
}

function bodyOf(form, headers) {
  const type = byId("media-type")?.value;
  if (!type) return undefined;
  const pairs = valuesOf(form, "content");
  if (type === "multipart/form-data") {
    const data = new FormData();
    for (const [name, value] of pairs) data.append(name, value);
    return data;
  }
  if (!headers.has("Content-Type")) headers.set("Content-Type", type);
  if (type === "application/x-www-form-urlencoded") return new URLSearchParams(pairs).toString();
  return byId("content")?.value ?? pairs[0]?.[1];
}

// Sending

/** Stop what is under way. */
export function leave() {
  sending?.abort();
}

/** Send what a form holds, and show what comes of it. */
export async function send(form) {
  sending?.abort();
  const mine = (sending = new AbortController());
  const stop = byId("stop");
  const place = { result: byId("result"), headline: byId("headline"), outcome: byId("outcome") };
  const begin = performance.now();
  const since = () => `${Math.round(performance.now() - begin)} ms`;
  place.result.hidden = false;
  place.outcome.replaceChildren();
  say(place, "wait", "Waiting for the answer…");
  place.headline.scrollIntoView({ block: "nearest" });
  let status = "";
  try {
    const request = requestOf(form);
    const url = urlOf(form);
    const forget = setCookies(cookiesOf(form), url);
    stop.hidden = false;
    const response = await fetch(url, { ...request, signal: mine.signal }).finally(forget);
    status = `${response.status} ${response.statusText}`.trim() + ` after ${since()}`;
    const kind = response.ok ? "good" : response.status < 400 ? "other" : "bad";
    say(place, kind, status);
    place.outcome.append(...aboutResponse(response, url));
    say(place, kind, `${status}, ${await showBody(response, place.outcome)}, whole after ${since()}`);
  } catch (error) {
    // Another request, or another panel, has taken the place of this one.
    if (sending !== mine) return;
    const what = mine.signal.aborted ? "stopped" : error.message;
    say(place, mine.signal.aborted ? "other" : "bad", [status, what].filter(Boolean).join(", "));
  }
  if (sending === mine) stop.hidden = true;
}

function say({ result, headline }, kind, text) {
  result.dataset.kind = kind;
  headline.textContent = text;
}

function aboutResponse(response, url) {
  const status = response.headers.get("Cache-Status");
  const fields = [...response.headers].flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  return [
    element("p", { class: "sent" }, element("code", {}, url.slice(location.origin.length))),
    ...(response.redirected ? [element("p", {}, `Redirected to ${new URL(response.url).pathname}`)] : []),
    element("p", { class: "cache-status" }, "Cache-Status: ", element("code", {}, status ?? "none was sent")),
    element(
      "details",
      { class: "header-fields" },
      element("summary", {}, `${fields.length / 2} header fields`),
      element("dl", {}, ...fields),
    ),
  ];
}

async function showBody(response, place) {
  if (!response.body) return "no content";
  const type = response.headers.get("Content-Type") ?? "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  return /ndjson|jsonl|event-stream/i.test(type) ? showLines(reader, place) : showText(reader, type, place);
}

async function showLines(reader, place) {
  const list = element("ol", { class: "code lines", tabindex: "0", "aria-label": "Lines" });
  place.append(list);
  let [count, rest] = [0, ""];
  const add = (lines) => {
    const follows = list.scrollTop + list.clientHeight >= list.scrollHeight - 20;
    list.append(...lines.filter(Boolean).map((line) => element("li", {}, line)));
    count += lines.filter(Boolean).length;
    while (list.children.length > MOST_LINES) list.firstChild.remove();
    if (follows) list.scrollTop = list.scrollHeight;
  };
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const lines = (rest + part.value).split(/\r\n|\n/);
    rest = lines.pop();
    add(lines);
  }
  add([rest]);
  const shown = count > MOST_LINES ? `, the last ${MOST_LINES} shown` : "";
  return `${count === 1 ? "1 line" : `${count} lines`}${shown}`;
}

async function showText(reader, type, place) {
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    text += part.value;
    if (text.length > BEGINNING) await reader.cancel();
  }
  if (!text) return "no content";
  const isText = /^text\/|json|xml|javascript|urlencoded/i.test(type);
  const shown = isText ? pretty(text, type).slice(0, MOST_SHOWN) : `This is ${type || "of no media type"}.`;
  place.append(element("pre", { class: "code", tabindex: "0", "aria-label": "Content" }, shown));
  return `${text.length} characters`;
}

function pretty(text, type) {
  // A number that JavaScript cannot hold would be shown as another one.
  if (!/json/i.test(type) || text.length > MOST_SHOWN || /\d{16}|\d[eE]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
