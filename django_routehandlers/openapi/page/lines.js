/**
 * The chunks of a body → its text, or its lines as soon as each is whole.
 */

const LINE_END = /\r\n|\n|\r/;

/** Return whether a media type is a stream of lines that is shown while it arrives. */
export function isLineStream(type) {
  return /^\s*(application\/(x-ndjson|ndjson|jsonl|x-jsonlines|json-seq)|text\/event-stream)\s*(;|$)/i.test(type);
}

/** Return whether a media type is text that can be shown. */
export function isText(type) {
  return (
    /^\s*(text\/|[^;]*[/+](json|xml|javascript|x-ndjson|x-www-form-urlencoded|yaml))/i.test(type) || isLineStream(type)
  );
}

/** Return a decoder for the charset that a Content-Type names; UTF-8 without one, or for an unknown one. */
export function decoderFor(type) {
  const named = /charset\s*=\s*"?([^\s;"]+)/i.exec(type);
  try {
    return new TextDecoder(named ? named[1] : "utf-8");
  } catch {
    return new TextDecoder("utf-8");
  }
}

/** Collects text and gives out whole lines. */
export class LineSplitter {
  #rest = "";

  /** Return the lines that *text* completes. */
  push(text) {
    this.#rest += text;
    // A carriage return at the end may be the first half of a line end.
    const held = this.#rest.endsWith("\r") ? "\r" : "";
    const lines = this.#rest.slice(0, this.#rest.length - held.length).split(LINE_END);
    this.#rest = lines.pop() + held;
    return lines;
  }

  /** Return what came after the last line end, as a list of lines. */
  end() {
    const rest = this.#rest.replace(/\r$/, "");
    this.#rest = "";
    return rest ? [rest] : [];
  }
}
