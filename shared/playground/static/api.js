// Asking services, with a limit to every wait and a type for every failure. The key comes in with each call and stays
// nowhere; nothing is sent but to where the page came from.

/**
 * @typedef {object} Reward
 * @property {string} name
 * @property {string} path What comes before `v1/…`; empty for the service that the page came from.
 */

/**
 * @typedef {object} Score
 * @property {string} id
 * @property {"scored" | "failed" | "expired"} status
 * @property {number | null} reward
 * @property {0 | 1 | null} verdict
 * @property {Record<string, number>} components
 * @property {string | null} reason
 * @property {string[]} flags
 * @property {{code: string, detail: string, retryable: boolean} | null} error
 * @property {boolean} cached
 * @property {string} version
 * @property {{prompt_tokens: number, completion_tokens: number} | null} usage
 * @property {number} latency_seconds
 */

/**
 * @typedef {object} Asking
 * @property {string} key Empty: none.
 * @property {number} seconds Longest time, the whole answer included.
 * @property {unknown} [body] Posted as JSON.
 * @property {AbortSignal} [signal]
 */

// What needs no key, also where the service wants one.
const OPEN = new Set(["playground/config", "readyz", "v1/distribution"]);
let keyWanted = false;

/** From now on nothing that needs a key is asked for without one. */
export function wantKey() {
  keyWanted = true;
}

/** Why there is no answer. */
export class Refused extends Error {
  /**
   * @param {"offline" | "timeout" | "stopped" | "key" | "broken" | "refused"} kind
   * @param {{status?: number, code?: string, detail?: string, retryAfter?: number, requestId?: string, fields?: {field: string, message: string}[]}} [told]
   */
  constructor(kind, told = {}) {
    super(kind);
    this.kind = kind;
    this.status = told.status ?? 0;
    this.code = told.code ?? "";
    this.detail = told.detail ?? "";
    /** Seconds, as the service asks; null where it does not. */
    this.retryAfter = told.retryAfter ?? null;
    this.requestId = told.requestId ?? "";
    this.fields = told.fields ?? [];
  }
}

/**
 * Ask, and read the answer while the time lasts.
 * @template Result
 * @param {string} path Relative to the page.
 * @param {Asking} asking
 * @param {(answer: Response) => Promise<Result>} read
 * @returns {Promise<Result>}
 * @throws {Refused}
 */
export async function ask(path, { key, seconds, body, signal }, read) {
  if (!/^[\x21-\x7e]*$/.test(key)) throw new Refused("key");
  if (keyWanted && !key && !OPEN.has(path)) throw new Refused("refused", { status: 401, code: "unauthorized" });
  const limit = new AbortController();
  const end = () => limit.abort();
  const clock = setTimeout(end, seconds * 1000);
  signal?.addEventListener("abort", end);
  if (signal?.aborted) end();
  try {
    const answer = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers: { ...(key ? { Authorization: `Bearer ${key}` } : {}), ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      mode: "same-origin",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: limit.signal,
    });
    if (!answer.ok) throw await refusal(answer);
    return await read(answer);
  } catch (error) {
    if (error instanceof Refused) throw error;
    if (signal?.aborted) throw new Refused("stopped");
    if (limit.signal.aborted) throw new Refused("timeout");
    throw new Refused(error instanceof TypeError ? "offline" : "broken");
  } finally {
    clearTimeout(clock);
    signal?.removeEventListener("abort", end);
  }
}

/** @param {Response} answer @returns {Promise<any>} */
export async function json(answer) {
  const value = await answer.json();
  if (value === null || typeof value !== "object") throw new Refused("broken");
  return value;
}

/** @param {any} value @returns {Score} */
export function checkedScore(value) {
  const scored = value?.status === "scored" && Number.isFinite(value.reward);
  const failed = (value?.status === "failed" || value?.status === "expired") && value.reward === null && value.error;
  if (!scored && !failed) throw new Refused("broken");
  return value;
}

/** @param {any} problem A problem document (RFC 9457). @param {number} status @param {number} [retryAfter] */
export function refusedBy(problem, status, retryAfter) {
  return new Refused("refused", {
    status,
    retryAfter,
    code: text(problem?.code),
    detail: text(problem?.detail),
    requestId: text(problem?.request_id),
    fields: Array.isArray(problem?.errors) ? problem.errors : [],
  });
}

/** @param {Response} answer */
async function refusal(answer) {
  const seconds = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
  const problem = await answer.json().catch(() => null);
  return refusedBy(problem, answer.status, Number.isFinite(seconds) ? Math.min(Math.max(seconds, 1), 3600) : undefined);
}

/** @param {unknown} value */
function text(value) {
  return typeof value === "string" ? value : "";
}
