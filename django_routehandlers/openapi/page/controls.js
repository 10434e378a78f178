/**
 * A schema → a labelled control that is filled in: an input, a list to choose from, a repeated input.
 *
 * Every maker returns `{ node, read, focus }`; `read()` gives text, a list of texts or files, or `undefined`
 * where nothing was filled in.
 */

import { element } from "./dom.js";
import { listOr } from "./openapi.js";
import { asText } from "./request.js";
import { isFile, typeLabel, unfold, variantsOf } from "./schema.js";

const INPUT_TYPES = { date: "date", password: "password", email: "email", uri: "url", url: "url" };

/**
 * Make the control for one value or a list of values.
 *
 * @param {Object} options - `id` of the control, `describedBy`, `value` to begin with, `required`, `resolve`,
 *   `label` for the parts of a repeated input.
 */
export function makeControl(schema, options) {
  const opened = settle(schema, options.resolve);
  const type = [opened.type].flat().find((entry) => entry !== "null");
  if (type === "array" || opened.items) return repeats(opened, options);
  if (isFile(opened)) return fileInput(options, false);
  return single(opened, type, options);
}

/** Return the schema that a control is made for: of a union, the first variant that is not null. */
function settle(schema, resolve) {
  let { schema: opened } = unfold(schema, resolve);
  for (let depth = 0; depth < 5; depth += 1) {
    const { variants } = variantsOf(opened, resolve);
    if (!variants.length) break;
    opened = unfold(variants.find((variant) => unfold(variant, resolve).schema.enum) ?? variants[0], resolve).schema;
  }
  return opened;
}

function single(schema, type, options) {
  const values = listOr(schema.enum).length ? schema.enum : schema.const === undefined ? null : [schema.const];
  const choices = values ?? (type === "boolean" ? [true, false] : null);
  const node = choices ? select(choices, options) : input(schema, type, options);
  return { node, read: () => (node.value === "" ? undefined : node.value), focus: () => node.focus() };
}

function common({ id, describedBy, label }) {
  return { id, "aria-describedby": describedBy, "aria-label": label };
}

function select(choices, options) {
  const chosen = options.value === undefined ? "" : asText(options.value);
  return element(
    "select",
    common(options),
    options.required && chosen !== "" ? null : element("option", { value: "" }, "not sent"),
    choices
      .filter((choice) => choice !== null)
      .map((choice) =>
        element("option", { value: asText(choice), selected: asText(choice) === chosen }, asText(choice)),
      ),
  );
}

function input(schema, type, options) {
  const isNumber = type === "integer" || type === "number";
  const node = element("input", {
    ...common(options),
    type: isNumber ? "number" : (INPUT_TYPES[schema.format] ?? "text"),
    // The bounds help the arrow keys; they do not hinder a request that goes beyond them on purpose.
    step: isNumber ? (schema.multipleOf ?? (type === "integer" ? 1 : "any")) : undefined,
    min: isNumber ? schema.minimum : undefined,
    max: isNumber ? schema.maximum : undefined,
    placeholder: placeholderOf(schema, type),
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
  });
  if (options.value !== undefined && options.value !== null) node.value = asText(options.value);
  return node;
}

function placeholderOf(schema, type) {
  if (schema.default !== undefined && schema.default !== null) return asText(schema.default);
  return type === "object" ? '{"key": "value"}' : undefined;
}

function fileInput(options, multiple) {
  const node = element("input", { ...common(options), type: "file", multiple });
  const read = () => (node.files.length ? (multiple ? [...node.files] : node.files[0]) : undefined);
  return { node, read, focus: () => node.focus() };
}

/** Make a list of controls that grows and shrinks; the first one carries the id. */
function repeats(schema, options) {
  const items = schema.items ?? {};
  if (isFile(settle(items, options.resolve))) return fileInput(options, true);
  const rows = [];
  const list = element("div", { class: "repeats", role: "group", "aria-label": options.name });
  const add = (value, focus) => {
    const row = repeatRow(
      items,
      { ...options, value, id: rows.length ? undefined : options.id, label: undefined },
      rows,
    );
    rows.push(row);
    list.insertBefore(row.node, more);
    if (focus) row.control.focus();
  };
  const more = element(
    "button",
    { type: "button", class: "quiet", onclick: () => add(undefined, true) },
    "Add a value",
  );
  list.append(more);
  const initial = listOr(options.value);
  for (const value of initial.length ? initial : [undefined]) add(value, false);
  return {
    node: list,
    read: () => {
      const values = rows.map((row) => row.control.read()).filter((value) => value !== undefined);
      return values.length ? values : undefined;
    },
    focus: () => rows[0]?.control.focus(),
  };
}

function repeatRow(items, options, rows) {
  const label = options.id ? undefined : `${options.name}, another value`;
  const control = makeControl(items, { ...options, label });
  const remove = element(
    "button",
    { type: "button", class: "quiet", "aria-label": `Remove this ${options.name}` },
    "Remove",
  );
  const row = { control, node: element("div", { class: "repeat" }, control.node, remove) };
  remove.addEventListener("click", () => {
    // The first stays: its label points to it.
    if (row === rows[0]) {
      control.node.value = "";
      control.focus();
      return;
    }
    const index = rows.indexOf(row);
    rows.splice(index, 1);
    row.node.remove();
    rows[index - 1].control.focus();
  });
  return row;
}

/**
 * Return a label, its control, and the words below it, as one row of a form.
 *
 * @param {Object} row - `id`, `name`, `schema`, `required`, `resolve`, its `control`, and what is said below it:
 *   `text`, then `remarks`, in the element `hintId`.
 */
export function controlRow({ id, name, schema, control, hintId, required, text, remarks, resolve }) {
  return element(
    "div",
    { class: "row" },
    element(
      "label",
      { for: id },
      element("code", { class: "name" }, name),
      element("span", { class: "kind" }, typeLabel(schema, resolve)),
      required ? element("span", { class: "required" }, "required") : null,
    ),
    control.node,
    element(
      "p",
      { id: hintId, class: "hint" },
      text,
      remarks.length ? element("span", { class: "notes" }, remarks) : null,
    ),
  );
}
