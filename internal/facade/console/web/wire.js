// One request to the REST API, and how it can end: answered, refused (Problem), or without an
// answer (LostAnswer), which says nothing of what became of it.

// The API is beside the folder of this file, wherever a proxy puts both.
const base = new URL('../', import.meta.url);

// PATIENCE is how long an answer may take, in milliseconds: longer than the API ever waits.
const PATIENCE = 75_000;

// Problem is an answer that is no success.
export class Problem extends Error {
  constructor(status, error, retryAfter = 0) {
    super(error?.message || `The server answered ${status}`);
    this.status = status;
    this.code = error?.code ?? '';
    this.orderID = error?.order_id;
    // In seconds; 0 where it is of no use to try again.
    this.retryAfter = retryAfter;
  }
}

// LostAnswer is a request without an answer.
export class LostAnswer extends Error {
  constructor(cause) {
    super('The server does not answer. Check your connection.', { cause });
  }
}

// send makes a request. Its answer has the status, the data, and the headers.
export async function send(method, path, { authorization, body, headers, signal, as = 'json' } = {}) {
  const ends = AbortSignal.timeout(PATIENCE);
  let answer;
  let data;
  try {
    answer = await fetch(new URL(path, base), {
      method, body,
      headers: { ...headers, ...(body && { 'Content-Type': 'application/json' }), ...(authorization && { Authorization: authorization }) },
      signal: signal ? AbortSignal.any([signal, ends]) : ends,
      credentials: 'omit', cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer',
    });
    data = answer.ok ? await answer[as]() : await answer.json().catch(() => null);
  } catch (error) {
    signal?.throwIfAborted();
    throw new LostAnswer(error);
  }
  if (!answer.ok) throw new Problem(answer.status, data?.error, Number(answer.headers.get('Retry-After')) || 0);
  return { status: answer.status, data, headers: answer.headers };
}
