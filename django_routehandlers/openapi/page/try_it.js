/**
 * An operation → the form that sends it, with its curl line and its result.
 */

import { bodyEditor, UNNAMED } from "./body.js";
import { controlRow, makeControl } from "./controls.js";
import { HELD, isHeld, setCookies } from "./cookies.js";
import { copyButton, element, fill } from "./dom.js";
import { exampleOf, givenExample } from "./example.js";
import { objectOr, serverUrl } from "./openapi.js";
import { inline } from "./prose.js";
import { curlLine, fetchOptions, InputError, isForbiddenHeader, makeRequest } from "./request.js";
import { REPLACED, resultBox } from "./result.js";
import { unfold } from "./schema.js";
import { notes } from "./schema_view.js";

const PLACES = [
  ["path", "Path"],
  ["query", "Query"],
  ["header", "Header"],
  ["cookie", "Cookie"],
];
// Methods with a body of which something is expected (RFC 9110, section 9.3, RFC 5789).
const WITH_BODY = ["POST", "PUT", "PATCH"];
const UNSENDABLE = ["TRACE", "CONNECT"];

/**
 * Return the form, `{ node, leave }`; `leave()` stops what still arrives.
 *
 * @param {{resolve: Function, documentUrl: string, newId: Function}} context
 */
export function tryIt(operation, { resolve, documentUrl, newId }) {
  const parameters = [...operation.parameters, ...credentials(operation.security.schemes)];
  const inputs = parameters.map((parameter) => ({ parameter, ...parameterControl(parameter, resolve, newId) }));
  const about = operation.requestBody ?? (WITH_BODY.includes(operation.method) ? UNNAMED : {});
  const body = bodyEditor(about, operation.method, { resolve, newId });
  const result = resultBox();
  const curl = element("code", {});
  const send = element("button", { type: "submit", class: "primary" }, "Send");
  const stop = element("button", { type: "button", class: "quiet stop" }, "Stop");
  stop.hidden = true;
  const build = () => {
    const values = inputs.map(({ parameter, control }) => ({ parameter, value: control.read() }));
    return makeRequest(operation, serverUrl(operation, documentUrl), values, body.read());
  };
  const form = element("form", { class: "try" }, element("h3", {}, "Try it"), groups(inputs), body.node);
  form.noValidate = true;
  form.append(element("div", { class: "send" }, send, stop), curlView(curl));
  const showCurl = () => fill(curl, curlText(build, operation));
  const sender = makeSender({ build, inputs, result, stop, showCurl });
  form.addEventListener("input", showCurl);
  form.addEventListener("change", showCurl);
  form.addEventListener("click", () => setTimeout(showCurl));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sender.send();
  });
  stop.addEventListener("click", () => {
    sender.stop();
    send.focus();
  });
  showCurl();
  if (UNSENDABLE.includes(operation.method)) {
    send.disabled = true;
    result.fail(`A browser does not send ${operation.method}; the curl line does.`);
  }
  const node = element("section", { class: "try-box", "aria-label": "Try it", tabindex: "-1" }, form, result.node);
  return { node, leave: sender.stop };
}

function curlView(curl) {
  return element(
    "div",
    { class: "curl" },
    element(
      "div",
      { class: "tools" },
      element("h4", {}, "curl"),
      copyButton("Copy", () => curl.textContent),
    ),
    element("pre", { class: "code", tabindex: "0", "aria-label": "The request as a curl line" }, curl),
  );
}

function curlText(build, operation) {
  try {
    const stream = operation.responses.some(([, response]) =>
      Object.keys(objectOr(response.content)).some((type) => /ndjson|event-stream/.test(type)),
    );
    return curlLine(build(), { stream });
  } catch (error) {
    return `# ${error.message}`;
  }
}

function groups(inputs) {
  return PLACES.map(([place, title]) => {
    const rows = inputs.filter(({ parameter }) => parameter.in === place).map(({ node }) => node);
    return rows.length ? element("fieldset", {}, element("legend", {}, title), rows) : null;
  });
}

/** Return the credentials that a reader can type, as parameters; a session's cookie the browser has already. */
function credentials(schemes) {
  return schemes.flatMap((scheme) => {
    const about = { description: scheme.description, schema: { type: "string", format: "password" } };
    if (scheme.type === "apiKey" && scheme.in !== "cookie")
      return [{ ...about, name: String(scheme.name), in: scheme.in }];
    if (scheme.type !== "http") return [];
    const basic = String(scheme.scheme).toLowerCase() === "basic";
    const hint = basic ? "user:password" : "The token alone.";
    const encode = basic ? (text) => `Basic ${btoa(text)}` : (text) => `Bearer ${text}`;
    return [{ ...about, description: scheme.description ?? hint, name: "Authorization", in: "header", encode }];
  });
}

function parameterControl(parameter, resolve, newId) {
  const [id, hintId] = [newId(), newId()];
  const { schema } = unfold(parameter.schema, resolve);
  const text = inline(parameter.description ?? schema.description ?? "");
  const remarks = notes(schema);
  if (parameter.in === "header" && isForbiddenHeader(parameter.name)) {
    remarks.push(
      " ",
      element("span", { class: "note" }, "the browser sets this field itself; the curl line sends yours"),
    );
  }
  const value = initialValue(parameter, schema, resolve);
  const options = { id, name: parameter.name, value, required: parameter.required, resolve };
  const control = makeControl(parameter.schema, { ...options, describedBy: hintId });
  return { control, node: controlRow({ ...options, schema: parameter.schema, control, hintId, text, remarks }) };
}

/** Return what a control begins with: an example that the document gives, and something where nothing will not do. */
function initialValue(parameter, schema, resolve) {
  const named = Object.values(objectOr(parameter.examples))[0];
  const given = parameter.example ?? objectOr(resolve(named).value).value;
  if (given !== undefined) return given;
  if (!parameter.required) return undefined;
  // A made-up word would look like a value that exists.
  const made = givenExample(schema) ?? exampleOf(parameter.schema, resolve);
  return made === "string" || Array.isArray(made) || made === null ? undefined : made;
}

function makeSender({ build, inputs, result, stop, showCurl }) {
  let controller = null;
  const end = () => {
    controller = null;
    stop.hidden = true;
  };
  const send = async () => {
    controller?.abort(REPLACED);
    showCurl();
    const mine = new AbortController();
    controller = mine;
    try {
      const request = build();
      stop.hidden = false;
      await exchange(request, mine.signal, result);
    } catch (error) {
      report(error, mine.signal, inputs, result);
    }
    if (controller === mine) end();
  };
  return { send, stop: () => controller?.abort() };
}

function report(error, signal, inputs, result) {
  if (signal.reason === REPLACED) return;
  result.fail(signal.aborted ? "Stopped." : faultText(error));
  if (error instanceof InputError) inputs.find(({ parameter }) => parameter === error.parameter)?.control.focus();
}

function faultText(error) {
  // Browsers give network faults no words of their own: "Failed to fetch", "network error".
  return error instanceof TypeError
    ? `No answer, or it broke off: the browser says “${error.message}”. Is the server running?`
    : error.message;
}

async function exchange(request, signal, result) {
  if (new URL(request.url).origin !== location.origin) {
    throw new InputError(
      `This page sends to ${location.origin} only, and the document's server is elsewhere: use the curl line.`,
    );
  }
  const held = request.cookies.find(([name]) => isHeld(name));
  if (held) throw new InputError(`${held[0]} ${HELD}`);
  result.wait("Waiting for the answer…");
  const begin = performance.now();
  const forget = setCookies(request.cookies, request.url);
  let response;
  try {
    response = await fetch(request.url, fetchOptions(request, signal));
  } finally {
    forget();
  }
  await result.show({ response, milliseconds: performance.now() - begin, signal });
}
