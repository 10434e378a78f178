/**
 * The URL of an OpenAPI document → the page that reads and tries it.
 *
 * What is open stands in the fragment, `#operationId`, so every operation has an address of its own.
 */

import { element, fill, link } from "./dom.js";
import { addressOf, idOf, navigation } from "./navigation.js";
import { groupByTag, listOperations, loadDocument, makeResolver, objectOr } from "./openapi.js";
import { operationView } from "./operation_view.js";
import { prose } from "./prose.js";

const main = document.getElementById("main");

start().catch((error) => {
  const words = [element("strong", {}, "The document cannot be shown. "), error.message];
  fill(main, element("p", { class: "alert", role: "alert" }, words));
});

async function start() {
  const documentUrl = new URL(document.body.dataset.document, location.href).href;
  const root = await loadDocument(documentUrl);
  const operations = listOperations(root);
  const title = String(objectOr(root.info).title ?? "API");
  document.getElementById("title").textContent = title;
  const groups = groupByTag(root, operations);
  const list = navigation(groups, {
    list: document.getElementById("operations"),
    form: document.getElementById("filter"),
    field: document.getElementById("filter-text"),
    count: document.getElementById("count"),
  });
  const open = makeOpener({
    operations,
    groups,
    title,
    list,
    root,
    context: { resolve: makeResolver(root), documentUrl },
  });
  document.getElementById("skip").addEventListener("click", () => main.focus());
  addEventListener("hashchange", () => open(location.hash));
  open(location.hash);
}

/** Return a function that opens what a fragment names. */
function makeOpener({ operations, groups, title, list, root, context }) {
  // Kept, so that what was filled in is there when the reader comes back.
  const views = new Map();
  let current = null;
  return (fragment) => {
    const id = idOf(fragment);
    const operation = operations.find((entry) => entry.id === id);
    current?.leave();
    current = operation ? viewOf(views, operation, context) : null;
    document.body.dataset.view = id ? "operation" : "list";
    document.title = operation ? `${operation.method} ${operation.path} – ${title}` : title;
    list.mark(operation);
    fill(main, current ? current.node : id ? unknown(id) : overview(root, groups, context.documentUrl));
    scrollTo(0, 0);
    if (current) current.heading.focus({ preventScroll: true });
  };
}

function viewOf(views, operation, context) {
  if (!views.has(operation)) views.set(operation, operationView(operation, { ...context, link: addressOf(operation) }));
  return views.get(operation);
}

function unknown(id) {
  return [
    element("a", { href: "#", class: "back" }, "All operations"),
    element(
      "p",
      { class: "alert", role: "alert" },
      "There is no operation ",
      element("code", {}, id),
      " in the document.",
    ),
  ];
}

function overview(root, groups, documentUrl) {
  const info = objectOr(root.info);
  const contact = objectOr(info.contact);
  const license = objectOr(info.license);
  return element(
    "article",
    { class: "overview" },
    element(
      "h2",
      {},
      String(info.title ?? "API"),
      " ",
      element("span", { class: "muted" }, String(info.version ?? "")),
    ),
    prose(info.description),
    groups.length ? null : element("p", { class: "alert" }, "The document has no operations."),
    groups
      .filter((group) => group.description)
      .map((group) => element("section", {}, element("h3", {}, group.name), prose(group.description))),
    element(
      "ul",
      { class: "links" },
      element("li", {}, link(documentUrl, "The OpenAPI document"), ` (OpenAPI ${root.openapi})`),
      info.termsOfService ? element("li", {}, link(info.termsOfService, "Terms of service")) : null,
      contact.url ? element("li", {}, link(contact.url, String(contact.name ?? contact.url))) : null,
      license.name ? element("li", {}, link(license.url, String(license.name))) : null,
    ),
  );
}
