/**
 * A response → what the reader sees of it: status, time, fields, and the body while it arrives.
 */

import { copyButton, element, fill } from "./dom.js";
import { jsonNodes } from "./json.js";
import { decoderFor, isLineStream, isText, LineSplitter } from "./lines.js";

const MAX_SHOWN = 1_000_000; // characters of a body
const MAX_READ = 50_000_000; // bytes of a body that is no stream of lines
const MAX_LINES = 1000; // lines of a stream; older ones make room

/** The reason with which a request is aborted when the next one is sent. */
export const REPLACED = "replaced";

/** Return the box for results, `{ node, wait, fail, show }`; its headline is read out when it changes. */
export function resultBox() {
  const headline = element("p", { class: "headline", role: "status", "aria-live": "polite" });
  const details = element("div", {});
  const node = element("section", { class: "result", "aria-label": "Response" }, headline, details);
  node.hidden = true;
  const say = (kind, ...words) => {
    node.hidden = false;
    node.dataset.kind = kind;
    fill(headline, words);
  };
  return {
    node,
    wait: (text) => {
      say("wait", text);
      fill(details);
      headline.scrollIntoView({ block: "nearest" });
    },
    fail: (text) => say("fault", text),
    show: (answer) => showResponse(answer, say, details),
  };
}

async function showResponse({ response, milliseconds, signal }, say, details) {
  const type = response.headers.get("Content-Type") ?? "";
  const status = [
    element("strong", { class: "status" }, [response.status, response.statusText].filter(Boolean).join(" ")),
    ` in ${formatTime(milliseconds)}`,
  ];
  const kind = response.ok ? "good" : response.status < 400 ? "other" : "bad";
  say(kind, status);
  const body = element("div", { class: "body" });
  fill(details, redirected(response), fieldsOf(response), body);
  let end;
  try {
    end = await (isLineStream(type) ? showLines : showWhole)(response, type, body);
  } catch (error) {
    // Another request has taken the place of this one, and the box.
    if (signal.reason === REPLACED) return;
    end = signal.aborted ? "stopped" : "and the body broke off";
  }
  say(signal.aborted || !end.startsWith("and") ? kind : "bad", status, `, ${end}`);
}

function redirected(response) {
  return response.redirected
    ? element("p", { class: "muted" }, "Redirected to ", element("code", {}, response.url))
    : null;
}

function fieldsOf(response) {
  const fields = [...response.headers].sort(([one], [other]) => (one < other ? -1 : 1));
  return element(
    "details",
    { class: "header-fields" },
    element("summary", {}, `${fields.length} header fields`),
    element(
      "dl",
      {},
      fields.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
    ),
  );
}

async function* chunksOf(response) {
  if (!response.body) return;
  const reader = response.body.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    // Also when the reader of this page looked away: the server need not go on.
    await reader.cancel().catch(() => {});
  }
}

async function showWhole(response, type, place) {
  const chunks = [];
  let size = 0;
  for await (const chunk of chunksOf(response)) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_READ) break;
  }
  if (!size) {
    fill(place, element("p", { class: "muted" }, "No body."));
    return "no body";
  }
  const blob = new Blob(chunks, { type });
  const whole = size <= MAX_READ;
  const text = isText(type) ? decoderFor(type).decode(await blob.arrayBuffer()) : null;
  fill(
    place,
    element(
      "div",
      { class: "tools" },
      text === null ? null : copyButton("Copy body", () => text),
      saveLink(blob, response),
    ),
    text === null
      ? element("p", { class: "muted" }, `This is ${type || "of no media type"}, which is not shown here.`)
      : textBlock(text),
    whole
      ? null
      : element("p", { class: "alert" }, `The rest was not read: the body is larger than ${formatSize(MAX_READ)}.`),
  );
  return formatSize(size);
}

function textBlock(text) {
  const shown = text.length > MAX_SHOWN ? [text.slice(0, MAX_SHOWN)] : jsonNodes(text, { pretty: true });
  const more = text.length - MAX_SHOWN;
  return [
    element("pre", { class: "code", tabindex: "0", "aria-label": "Body" }, shown),
    more > 0 ? element("p", { class: "muted" }, `and ${more} characters more`) : null,
  ];
}

function saveLink(blob, response) {
  const named = /filename="?([^";]+)/i.exec(response.headers.get("Content-Disposition") ?? "");
  const name = named?.[1] ?? (decodeURIComponentOr(new URL(response.url).pathname.split("/").pop()) || "body");
  // Made on demand: an object URL keeps its bytes for as long as the page is open.
  const save = () => {
    const url = URL.createObjectURL(blob);
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
  return element("button", { type: "button", class: "quiet", onclick: save }, "Save body");
}

function decodeURIComponentOr(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function showLines(response, type, place) {
  const splitter = new LineSplitter();
  const decoder = decoderFor(type);
  const list = element("ol", { class: "lines code", tabindex: "0", "aria-label": "Lines" });
  const counter = element("p", { class: "muted" }, "Waiting for the first line…");
  fill(place, counter, list);
  let count = 0;
  const add = (lines) => {
    if (!lines.length) return;
    const follows = list.scrollTop + list.clientHeight >= list.scrollHeight - 20;
    list.append(...lines.slice(-MAX_LINES).map((line) => element("li", {}, jsonNodes(line, { pretty: false }))));
    while (list.children.length > MAX_LINES) list.firstChild.remove();
    count += lines.length;
    const dropped = count - list.children.length;
    counter.textContent = `${countLines(count)} so far${dropped ? `, the last ${MAX_LINES} shown` : ""}`;
    if (follows) list.scrollTop = list.scrollHeight;
  };
  for await (const chunk of chunksOf(response)) add(splitter.push(decoder.decode(chunk, { stream: true })));
  add([...splitter.push(decoder.decode()), ...splitter.end()]);
  const total = countLines(count);
  counter.textContent = counter.textContent.replace(/^.*so far/, total).replace(/^Waiting.*/, "No line came.");
  return total;
}

function countLines(count) {
  return count === 1 ? "1 line" : `${count} lines`;
}

/** Return a number of bytes for the eye. */
export function formatSize(bytes) {
  if (bytes < 1000) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

function formatTime(milliseconds) {
  return milliseconds < 10_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
