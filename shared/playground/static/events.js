// Server-sent events read from the body of an answer; the browser's EventSource can neither post nor show a key.

const MOST_CHARACTERS = 1024 * 1024;

/**
 * @typedef {object} ServerEvent
 * @property {string} name
 * @property {string} data
 */

/**
 * Each event as it comes. Leaving the loop ends the connection.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<ServerEvent>}
 */
export async function* eventsOf(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let held = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      held += decoder.decode(value, { stream: !done }).replaceAll("\r\n", "\n");
      const blocks = held.split("\n\n");
      held = blocks.pop() ?? "";
      if (held.length > MOST_CHARACTERS) throw new RangeError("an event without an end");
      for (const block of blocks) {
        const event = parsed(block);
        if (event) yield event;
      }
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {}); // it may have ended by itself
  }
}

/** @param {string} block @returns {ServerEvent | null} */
function parsed(block) {
  let name = "message";
  /** @type {string[]} */
  const data = [];
  for (const line of block.split("\n")) {
    const [field, value] = halves(line);
    if (field === "event") name = value;
    else if (field === "data") data.push(value);
  }
  return data.length ? { name, data: data.join("\n") } : null;
}

/** @param {string} line @returns {[string, string]} */
function halves(line) {
  const colon = line.indexOf(":");
  return colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
}
