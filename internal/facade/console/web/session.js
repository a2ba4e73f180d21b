// Who is logged in. The access token is kept in sessionStorage: it is this tab's alone, outlives
// a reload, which phones do when they like, and goes with the tab. The refresh token, which is
// good for a week, is in memory only. Neither is ever in localStorage, a cookie or an address.

import { LostAnswer, Problem, send } from './wire.js';

const KEY = 'esim.session';
// EARLY is how long before its end a token is renewed, in milliseconds.
const EARLY = 60_000;

let session = read();
let refreshToken = '';
let renewing = null;

function read() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY));
    return kept && typeof kept.access === 'string' && kept.expires > Date.now() ? kept : null;
  } catch {
    return null;
  }
}

// claims of a ServiceAccount's token, for showing them alone: the server believes none of them.
function claims(token) {
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(payload), (letter) => letter.codePointAt(0))));
  } catch {
    return {};
  }
}

function open(access, expires) {
  const told = claims(access);
  session = { access, expires: expires || told.exp * 1000 || Date.now() + 3_600_000, client: told['kubernetes.io']?.namespace ?? '' };
  sessionStorage.setItem(KEY, JSON.stringify(session));
}

function accept(tokens) {
  open(tokens.access_token, Date.parse(tokens.access_expires_at));
  refreshToken = tokens.refresh_token;
}

// loggedIn tells whether there is a token.
export const loggedIn = () => session !== null;

// client is the name of whom the session is for; empty where the token does not tell.
export const client = () => session?.client ?? '';

// authorization is what requests show. It renews the token in time, where that is possible.
export async function authorization() {
  if (session && refreshToken && session.expires - EARLY < Date.now()) await renew();
  return session ? `Bearer ${session.access}` : '';
}

// logIn begins a session with an API key and its secret.
export async function logIn(key, secret) {
  const answer = await send('POST', 'auth/login', { body: JSON.stringify({ username: key, password: secret }) });
  accept(answer.data.data);
}

// logInWith begins a session with a token that the user has, once the API has taken it.
export async function logInWith(token) {
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) throw new Problem(400, { message: 'This is not a token: a token has three parts with dots between them.' });
  try {
    await send('GET', 'api/v1/wallets', { authorization: `Bearer ${token}` });
  } catch (error) {
    // Who may not see wallets is known all the same.
    if (!(error instanceof Problem) || error.status !== 403) throw error;
  }
  refreshToken = '';
  open(token);
}

// renew has a new token made. False where the user has to log in again.
export function renew() {
  renewing ??= exchange().finally(() => { renewing = null; });
  return renewing;
}

async function exchange() {
  if (!refreshToken) return false;
  const presented = refreshToken;
  try {
    accept((await send('POST', 'auth/refresh', { body: JSON.stringify({ refresh_token: presented }) })).data.data);
    return true;
  } catch (error) {
    if (error instanceof LostAnswer || error.status === 401) {
      // It is used up, or may be.
      refreshToken = '';
      return false;
    }
    throw error;
  }
}

// forget ends the session in this tab.
export function forget() {
  session = null;
  refreshToken = '';
  sessionStorage.clear();
}

// revoke ends all sessions of the client that began by logging in, everywhere.
export async function revoke() {
  try {
    await send('POST', 'auth/logout', { authorization: await authorization() });
  } catch (error) {
    // Whose session has ended already has nothing left to end with; the others are not ours to tell of.
    if (error.status !== 401) throw error;
    forget();
    throw new Problem(401, { message: 'Your session had ended before, so no other was revoked. Log in, and revoke them then.' });
  }
  forget();
}
