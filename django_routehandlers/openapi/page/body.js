/**
 * A request body of the document → an editor: text, a form, or a file, as its media type asks.
 */

import { controlRow, makeControl } from "./controls.js";
import { element, fill } from "./dom.js";
import { exampleOf, KEEP_REQUIRED, KEEP_SUGGESTED } from "./example.js";
import { isJson } from "./json.js";
import { isObject, objectOr } from "./openapi.js";
import { inline } from "./prose.js";
import { InputError } from "./request.js";
import { partsOf, unfold } from "./schema.js";
import { notes } from "./schema_view.js";

const FORMS = ["application/x-www-form-urlencoded", "multipart/form-data"];

/** A body of which the document says nothing: a handler that takes the request may read one all the same. */
export const UNNAMED = { content: { "application/json": {} } };

/** Return whether a media type is JSON (RFC 6839, section 3.1). */
export function isJsonType(type) {
  return /^[^;]*[/+]json\s*(;|$)/i.test(type);
}

/**
 * Return the examples of a media type, each `[name, value]`, the best first; made from the schema without any.
 *
 * *keeps* is as in `exampleOf()`.
 */
export function mediaExamples(media, resolve, keeps) {
  const named = Object.entries(objectOr(media.examples))
    .map(([name, example]) => [name, objectOr(resolve(example).value).value])
    .filter(([, value]) => value !== undefined);
  if (named.length) return named;
  if (media.example !== undefined) return [["example", media.example]];
  const made = exampleOf(media.schema ?? {}, resolve, keeps);
  return made === undefined ? [] : [["example", made]];
}

/**
 * Return the editor of a method's body, `{ node, read }`.
 *
 * It begins with what has to be sent, and for other methods than PATCH with what the document suggests beside.
 * `read()` gives `{ type, text }`, `{ type, entries }`, `{ type, file }`, or `null` where no body is sent.
 */
export function bodyEditor(requestBody, method, { resolve, newId }) {
  const context = { resolve, newId, keeps: method === "PATCH" ? KEEP_REQUIRED : KEEP_SUGGESTED };
  const isNamed = requestBody !== UNNAMED;
  const types = Object.entries(objectOr(requestBody.content)).filter(([, media]) => isObject(media));
  if (!types.length) return { node: null, read: () => null };
  const place = element("div", {});
  const ids = { type: newId(), send: newId() };
  let editor;
  const choose = (index) => {
    const [type, media] = types[index];
    editor = editorFor(type, media, context);
    fill(place, editor.nodes);
  };
  const editing = element("div", {}, typeChoice(types, ids.type, choose), place);
  const sends = element("input", { type: "checkbox", id: ids.send, checked: isNamed });
  editing.hidden = !isNamed;
  sends.addEventListener("change", () => (editing.hidden = !sends.checked));
  const question = isNamed ? "Send a body (it is optional)" : "Send a body (the document names none)";
  const node = element(
    "fieldset",
    {},
    element("legend", {}, "Body"),
    requestBody.required
      ? null
      : element("div", { class: "row check" }, sends, element("label", { for: ids.send }, question)),
    editing,
  );
  choose(0);
  return { node, read: () => (sends.checked ? editor.read() : null) };
}

function typeChoice(types, id, choose) {
  if (types.length === 1) return element("p", { class: "hint" }, element("code", {}, types[0][0]));
  const options = types.map(([type], index) => element("option", { value: index }, type));
  const choice = element("select", { id }, options);
  choice.addEventListener("change", () => choose(Number(choice.value)));
  return element("div", { class: "row" }, element("label", { for: id }, "Media type"), choice);
}

function editorFor(type, media, context) {
  if (FORMS.includes(type.split(";")[0].trim().toLowerCase())) return formEditor(type, media, context);
  const isText = isJsonType(type) || /^text\//.test(type) || /[/+](xml|x-ndjson|jsonl)$/.test(type);
  return isText ? textEditor(type, media, context) : rawEditor(type, media, context);
}

function textEditor(type, media, { resolve, newId, keeps }) {
  const json = isJsonType(type);
  const item = media.itemSchema ?? media["x-item-schema"];
  // One line of a series of them; of what is one value, a text that people can read.
  const examples = mediaExamples(item ? { schema: item } : media, resolve, keeps).map(([name, value]) => [
    name,
    typeof value === "string" && !json && !item ? value : (JSON.stringify(value, null, item ? 0 : 2) ?? ""),
  ]);
  const id = newId();
  const fault = element("p", { class: "hint fault", id: newId(), hidden: true, role: "status" });
  const area = element("textarea", { id, spellcheck: "false", autocapitalize: "off", "aria-describedby": fault.id });
  const load = (text) => {
    area.value = text;
    area.rows = Math.min(Math.max(text.split("\n").length + 1, 4), 24);
  };
  load(examples[0]?.[1] ?? "");
  area.addEventListener("input", () => {
    // Only a word of warning: what is no JSON may be sent, to see what the server says.
    fault.hidden = !json || isJson(area.value);
    fault.textContent = fault.hidden ? "" : "This is not JSON yet.";
  });
  const nodes = [
    exampleChoice(examples, newId, load),
    element("div", { class: "row" }, element("label", { for: id }, json ? "JSON" : "Text"), area, fault),
  ];
  return { nodes, read: () => ({ type: type.includes("*") ? "text/plain" : type, text: area.value }) };
}

function exampleChoice(examples, newId, load) {
  if (examples.length < 2) return null;
  const id = newId();
  const choice = element(
    "select",
    { id },
    examples.map(([name], index) => element("option", { value: index }, name)),
  );
  choice.addEventListener("change", () => load(examples[Number(choice.value)][1]));
  return element("div", { class: "row" }, element("label", { for: id }, "Example"), choice);
}

function rawEditor(type, media, { resolve, newId, keeps }) {
  const [id, textId] = [newId(), newId()];
  const file = element("input", { type: "file", id });
  const text = element("textarea", { id: textId, rows: 4, spellcheck: "false" });
  const first = mediaExamples(media, resolve, keeps)[0]?.[1];
  if (typeof first === "string") text.value = first;
  const nodes = [
    element("div", { class: "row" }, element("label", { for: id }, "File"), file),
    element("div", { class: "row" }, element("label", { for: textId }, "or text"), text),
  ];
  const sent = type.includes("*") ? "application/octet-stream" : type;
  const read = () => (file.files.length ? { type: sent, file: file.files[0] } : { type: sent, text: text.value });
  return { nodes, read };
}

function formEditor(type, media, { resolve, newId, keeps }) {
  const example = objectOr(mediaExamples(media, resolve, keeps)[0]?.[1]);
  const { parts } = partsOf(media.schema ?? {}, resolve);
  const rows = parts.filter((part) => part.isProperty).map((part) => formRow(part, example, resolve, newId));
  const entries = () => rows.flatMap(({ name, read }) => [read() ?? []].flat().map((value) => [name, value]));
  const read = () => {
    const multipart = type.startsWith("multipart/");
    if (!multipart && entries().some(([, value]) => typeof value !== "string")) {
      throw new InputError(`A file cannot be sent as ${type}: choose multipart/form-data.`);
    }
    return { type, entries: entries() };
  };
  return { nodes: rows.map((row) => row.node), read };
}

function formRow(part, example, resolve, newId) {
  const [id, hintId] = [newId(), newId()];
  const { schema } = unfold(part.schema, resolve);
  const [text, remarks] = [inline(schema.description ?? ""), notes(schema)];
  const options = { id, name: part.name, value: example[part.name], required: part.required, resolve };
  const control = makeControl(part.schema, { ...options, describedBy: hintId });
  const node = controlRow({ ...options, schema: part.schema, control, hintId, text, remarks });
  return { node, name: part.name, read: control.read };
}
