/**
 * Cookies that go with one request: no script may set the field itself, so the browser is given them first.
 */

// RFC 6265, section 4.1.1: what a cookie's name and value may hold.
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const COOKIE_VALUE = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/;
const SECONDS = 60; // for which a cookie stays if nothing takes it back

/** Return why a page cannot send this cookie; `null` where it can. */
export function cookieFault(name, value) {
  if (!TOKEN.test(name) || !COOKIE_VALUE.test(value)) {
    return "cannot be a cookie: no spaces, quotes, commas, semicolons or backslashes.";
  }
  if (/^__(host-)?http-/i.test(name)) return "is a name that a server alone can give to a cookie.";
  return null;
}

/** Return whether the browser has a cookie of this name already, as far as a script is told. */
export function isHeld(name) {
  return document.cookie.split("; ").some((pair) => pair.startsWith(`${name}=`));
}

// Both would go out, and of two of one name a server reads whichever it likes: Django the one of the shorter path.
export const HELD = "is a cookie that the browser has already: remove it there to send another value.";

/** Set cookies for the path of one URL, and return a function that takes them back. */
export function setCookies(pairs, url) {
  const { pathname } = new URL(url);
  const write = (name, value, age) => (document.cookie = `${name}=${value}; ${terms(name, pathname)}; max-age=${age}`);
  for (const [name, value] of pairs) write(name, value, SECONDS);
  return () => pairs.forEach(([name]) => write(name, "", 0));
}

/** Return the attributes, as the prefix of a name asks for them (RFC 6265bis, section 4.1.3). */
function terms(name, pathname) {
  const isHost = /^__host-/i.test(name);
  return `path=${isHost ? "/" : pathname}; samesite=strict${isHost || /^__secure-/i.test(name) ? "; secure" : ""}`;
}
