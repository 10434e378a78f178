/**
 * An operation → its page: what it is, what it takes, what it answers, and the form to try it.
 */

import { mediaExamples } from "./body.js";
import { copyButton, element, fill, idMaker, present } from "./dom.js";
import { jsonNodes } from "./json.js";
import { isObject, objectOr } from "./openapi.js";
import { inline, prose } from "./prose.js";
import { typeLabel, unfold } from "./schema.js";
import { notes, schemaView } from "./schema_view.js";
import { tryIt } from "./try_it.js";

/**
 * Return the page of an operation, `{ node, heading, leave }`.
 *
 * @param {{resolve: Function, documentUrl: string, link: string}} context - `link` is the fragment that opens it.
 */
export function operationView(operation, context) {
  const form = tryIt(operation, { ...context, newId: idMaker("try") });
  const heading = element(
    "h2",
    { tabindex: "-1" },
    methodBadge(operation.method),
    " ",
    element("span", { class: "path" }, breakable(operation.path)),
  );
  const text = element(
    "div",
    { class: "about" },
    prose(operation.description),
    securityNote(operation.security),
    parametersTable(operation.parameters, context.resolve),
    bodySection(operation.requestBody, context.resolve),
    responsesSection(operation.responses, context.resolve),
  );
  const node = element(
    "article",
    { class: operation.deprecated ? "operation is-deprecated" : "operation" },
    element("a", { href: "#", class: "back" }, "All operations"),
    element("header", {}, heading, headline(operation, context.link, form.node)),
    element("div", { class: "columns" }, text, form.node),
  );
  return { node, heading, leave: form.leave };
}

/** Return the coloured label of a method. */
export function methodBadge(method) {
  return element("span", { class: "method", "data-method": method }, method);
}

/** Return a path that a narrow screen may break behind each slash. */
export function breakable(path) {
  return path.split(/(?<=\/)/).flatMap((part, index) => (index ? [element("wbr"), part] : [part]));
}

function headline(operation, address, form) {
  return element(
    "div",
    { class: "headline-row" },
    element("p", { class: "summary" }, inline(operation.summary)),
    operation.deprecated ? element("p", { class: "tag-deprecated" }, "Deprecated") : null,
    element("p", { class: "muted id" }, element("code", {}, operation.id)),
    copyButton("Copy link", () => new URL(address, location.href).href),
    // Where there is one column, the form is below all that there is to read.
    element("button", { type: "button", class: "quiet jump", onclick: () => form.focus() }, "Try it ↓"),
  );
}

function securityNote({ schemes, optional }) {
  if (!schemes.length) return null;
  const words = schemes.map((scheme) => {
    const how =
      { apiKey: `${scheme.in} ${scheme.name}`, http: `${scheme.scheme} authentication` }[scheme.type] ?? scheme.type;
    return `${scheme.key} (${how})`;
  });
  const session = schemes.some((scheme) => scheme.type === "apiKey" && scheme.in === "cookie");
  return element(
    "p",
    { class: "security" },
    element("strong", {}, optional ? "Credentials, if any: " : "Needs credentials: "),
    words.join(" or "),
    session ? ". Log in to the site in this browser; its cookie goes with every request that is sent from here." : ".",
  );
}

function parametersTable(parameters, resolve) {
  if (!parameters.length) return null;
  const rows = parameters.map((parameter) => {
    const { schema } = unfold(parameter.schema, resolve);
    return element(
      "li",
      { class: parameter.deprecated ? "field is-deprecated" : "field" },
      element(
        "div",
        { class: "field-head" },
        element("code", { class: "name" }, parameter.name),
        " ",
        element("span", { class: "place" }, parameter.in),
        " ",
        element("span", { class: "kind" }, typeLabel(parameter.schema, resolve)),
        parameter.required ? [" ", element("span", { class: "required" }, "required")] : null,
        notes({
          ...schema,
          ...exampleFields(parameter, resolve),
          deprecated: parameter.deprecated || schema.deprecated,
        }),
      ),
      fieldText(parameter.description ?? schema.description),
    );
  });
  return element("section", {}, element("h3", {}, "Parameters"), element("ul", { class: "fields top" }, rows));
}

function exampleFields(parameter, resolve) {
  const named = Object.values(objectOr(parameter.examples)).map((example) => objectOr(resolve(example).value).value);
  const given = parameter.example === undefined ? named : [parameter.example];
  return given.length ? { examples: given.filter((value) => value !== undefined) } : {};
}

function fieldText(text) {
  return typeof text === "string" && text ? element("p", { class: "field-text" }, inline(text)) : null;
}

function bodySection(requestBody, resolve) {
  if (!requestBody) return null;
  return element(
    "section",
    {},
    element(
      "h3",
      {},
      "Request body",
      requestBody.required ? [" ", element("span", { class: "required" }, "required")] : null,
    ),
    prose(requestBody.description),
    contentOf(requestBody.content, resolve),
  );
}

function contentOf(content, resolve) {
  return Object.entries(objectOr(content)).map(([type, media]) => {
    const item = media.itemSchema ?? media["x-item-schema"];
    return element(
      "div",
      { class: "media" },
      element("p", { class: "media-type" }, element("code", {}, type), item ? " each line:" : ""),
      isObject(media) ? schemaView(item ?? media.schema ?? {}, resolve) : null,
      isObject(media) && /json/.test(type) ? exampleBox(item ? { schema: item } : media, resolve) : null,
    );
  });
}

function exampleBox(media, resolve) {
  const examples = mediaExamples(media, resolve).filter(([, value]) => typeof value === "object" && value !== null);
  return examples.map(([name, value]) => {
    const draw = (event) => {
      const box = event.target;
      if (box.open && box.children.length === 1) {
        const shown = jsonNodes(JSON.stringify(value), { pretty: true });
        box.append(element("pre", { class: "code", tabindex: "0" }, shown));
      }
    };
    return element(
      "details",
      { class: "raw", ontoggle: draw },
      element("summary", {}, name === "example" ? "Example" : `Example: ${name}`),
    );
  });
}

function responsesSection(responses, resolve) {
  if (!responses.length) return null;
  const first = responses.findIndex(([status]) => /^2/.test(status));
  const boxes = responses.map(([status, response], index) => responseBox(status, response, index === first, resolve));
  return element("section", {}, element("h3", {}, "Responses"), boxes);
}

function responseBox(status, response, isOpen, resolve) {
  const parts = present([contentOf(response.content, resolve), headerList(response.headers, resolve)]);
  const head = [
    element("span", { class: "status-code", "data-class": String(status)[0] }, status),
    element("span", {}, inline(String(response.description ?? ""))),
  ];
  if (!parts.length) return element("div", { class: "response is-empty" }, head);
  return element(
    "details",
    { class: "response", open: isOpen },
    element("summary", {}, head),
    element("div", {}, parts),
  );
}

function headerList(headers, resolve) {
  const entries = Object.entries(objectOr(headers)).map(([name, header]) => [name, objectOr(resolve(header).value)]);
  if (!entries.length) return null;
  const rows = entries.map(([name, header]) =>
    element(
      "li",
      { class: "field" },
      element(
        "div",
        { class: "field-head" },
        element("code", { class: "name" }, name),
        " ",
        element("span", { class: "kind" }, typeLabel(header.schema ?? {}, resolve)),
      ),
      fieldText(header.description),
    ),
  );
  return [element("p", { class: "media-type" }, "Header fields"), element("ul", { class: "fields" }, rows)];
}
