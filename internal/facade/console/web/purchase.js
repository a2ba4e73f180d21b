// Buying exactly once. A purchase has its reference before anybody clicks, and is kept in
// sessionStorage from the click until it is answered. Whatever is repeated, by a second click,
// after a lost answer or after a reload, carries the same reference, and the API answers a
// repeat with the first order.

import { LostAnswer, Problem, call, patience, read } from './api.js';
import { pause } from './dom.js';
import { client } from './session.js';

const KEY = 'esim.purchase';
const TRIES = 4;

// reference is a new name for an order: 128 random bits.
export function reference() {
  const bits = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bits, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

// unanswered is the purchase that was sent and not answered, {body, title}; null for none.
export function unanswered() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY));
    return kept && kept.client === client() && kept.body?.client_reference ? kept : null;
  } catch {
    return null;
  }
}

// settle forgets the purchase: it is known what became of it.
export const settle = () => sessionStorage.removeItem(KEY);

// buy sends a purchase, and again where the answer is lost. It returns the order. An error that
// leaves it open whether there is an order leaves the purchase unanswered.
export async function buy(body, title, onRepeat) {
  sessionStorage.setItem(KEY, JSON.stringify({ client: client(), body, title }));
  for (let tries = 1; ; tries++) {
    try {
      const answer = await call('POST', 'api/v1/esim/orders', {
        body, headers: { 'Idempotency-Key': body.client_reference, Prefer: 'wait=3' },
      });
      settle();
      return answer.data;
    } catch (error) {
      const open = error instanceof LostAnswer || error.status >= 500;
      if (!open && error instanceof Problem) {
        // The first try was made after all.
        if (error.orderID) {
          settle();
          return { id: error.orderID };
        }
        // Refused: nothing was ordered by this try. Was it by an earlier one, the answer is to
        // be had by asking again, so that is kept.
        if (tries === 1) settle();
        throw error;
      }
      const wait = open ? patience(error, tries) : 0;
      if (!wait || tries === TRIES) throw error;
      onRepeat?.(tries);
      await pause(wait * 1000);
    }
  }
}

// find looks for the order of an unanswered purchase, and buys nothing. Null: there is none.
export async function find(purchase) {
  const wanted = new URLSearchParams({ client_reference: purchase.body.client_reference });
  const { data } = await read(`api/v1/esim/orders?${wanted}`);
  return data[0] ?? null;
}
