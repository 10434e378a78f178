/**
 * Names, attributes and text → DOM elements.
 *
 * The only module that makes elements. Text from the document or from a response becomes a text
 * node here and is never parsed as HTML, whatever it holds.
 */

/**
 * Make an element.
 *
 * @param {string} name - Tag name.
 * @param {Object} attributes - Functions are listeners (`onclick`); `undefined`, `null` and `false` are left out.
 * @param {...(Node|string|null|undefined|Array)} children - Strings become text nodes.
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(key, String(value));
  }
  made.append(...present(children));
  return made;
}

/** Return *children* as one flat list without the missing ones. */
export function present(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "");
}

/** Replace all that is in *parent* by *children*. */
export function fill(parent, ...children) {
  parent.replaceChildren(...present(children));
  return parent;
}

/** Return a link, or plain text where *url* is neither http nor https (`javascript:` runs code). */
export function link(url, text) {
  const safe = typeof url === "string" && /^https?:\/\//i.test(url);
  return safe
    ? element("a", { href: url, rel: "noreferrer noopener", target: "_blank" }, text)
    : document.createTextNode(text);
}

/** Return a function that makes ids that are unique below *prefix*. */
export function idMaker(prefix) {
  let last = 0;
  return () => `${prefix}-${(last += 1)}`;
}

/** Return a button that copies what *text()* returns. */
export function copyButton(label, text) {
  const button = element("button", { type: "button", class: "quiet" }, label);
  button.addEventListener("click", async () => {
    const copied = await copy(text());
    button.textContent = copied ? "Copied" : "Could not copy";
    setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without HTTPS there is no clipboard object, except on the machine's own address.
    const area = element("textarea", { class: "off-screen", "aria-hidden": "true", tabindex: "-1" });
    const focused = document.activeElement;
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return copied;
  }
}
