// The REST API as the rooms use it: with the session's token, asking for a new one where it has
// expired, and asking again where reading was refused for a while or not answered.

import { again } from './login.js';
import { authorization, renew } from './session.js';
import { LostAnswer, Problem, send } from './wire.js';
import { pause } from './dom.js';

export { LostAnswer, Problem } from './wire.js';

// TRIES of reading something; MAX_WAIT bounds what is waited between two, in seconds.
const TRIES = 4;
const MAX_WAIT = 15;

// call makes one request. Where the session has ended the user is asked to log in again, and the
// request goes on after that: nothing that was typed is lost.
export async function call(method, path, { body, ...options } = {}) {
  const request = { ...options, body: body && JSON.stringify(body) };
  for (;;) {
    const shown = await authorization();
    try {
      return await send(method, path, { ...request, authorization: shown });
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error;
      // Another request may have brought a new token meanwhile.
      if (shown === await authorization() && !await renew()) await again();
      options.signal?.throwIfAborted();
    }
  }
}

// read gets something, and is patient: it changes nothing, so it can be asked for again.
export async function read(path, options = {}) {
  for (let tries = 1; ; tries++) {
    try {
      return await call('GET', path, options);
    } catch (error) {
      const wait = patience(error, tries);
      if (!wait || tries === TRIES) throw error;
      await pause(wait * 1000, options.signal);
    }
  }
}

// patience is how many seconds to wait until it is worth asking again; 0 where it is not.
export function patience(error, tries) {
  if (error instanceof LostAnswer) return 2 ** (tries - 1);
  if (error instanceof Problem && (error.status === 429 || error.status === 503)) {
    return error.retryAfter > MAX_WAIT ? 0 : Math.max(error.retryAfter, 1);
  }
  return 0;
}

// explain is an error in words for whoever looks at the page.
export function explain(error) {
  if (error instanceof LostAnswer) return error.message;
  if (!(error instanceof Problem)) return 'Something went wrong on this page. Reload it.';
  switch (error.status) {
    case 403: return `${error.message}. Ask the platform team if it should.`;
    case 404: return 'There is no such thing, or it is not yours.';
    case 429: return `Too many requests. Try again in ${error.retryAfter} s.`;
    case 503: return 'The service is not available at the moment. Try again in a few seconds.';
    default: return error.message;
  }
}
