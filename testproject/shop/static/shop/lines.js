/**
 * A response of NDJSON → its values, each as soon as its line is whole.
 */

/**
 * Yield the values of a stream of JSON lines.
 *
 * A stream that breaks off ends with an error of fetch(), so whoever gets past the loop has all of it.
 *
 * @param {Response} response
 */
export async function* readLines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      // What the network hands over may end anywhere, also in the middle of a line.
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) yield JSON.parse(line);
    }
  } finally {
    // Who leaves the loop early tells the server so.
    await reader.cancel();
  }
}
