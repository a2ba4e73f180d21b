// Logging in: on a page of its own, or in a dialog over what the user was doing when the session
// ended.

import { ask, field, h, say } from './dom.js';
import { explain } from './api.js';
import { client, forget, logIn, logInWith, revoke } from './session.js';

// form asks for an API key or a token, and calls done once it was taken.
function form(done) {
  const key = h('input', { name: 'username', autocomplete: 'username', required: true, autocapitalize: 'none', spellcheck: false });
  const secret = h('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true });
  const token = h('textarea', { name: 'token', rows: 4, autocomplete: 'off', autocapitalize: 'none', spellcheck: false, required: true });
  const withKey = h('div', null, field('API key', key), field('Secret', secret));
  const withToken = h('div', { hidden: true },
    field('Token', token, 'Of a ServiceAccount, with the audience esim-api. It is forgotten when this tab is closed.'));
  const alert = h('p.alert', { role: 'alert', hidden: true });
  const submit = h('button.main', { type: 'submit' }, 'Log in');
  const choose = (byToken) => {
    withKey.hidden = byToken;
    withToken.hidden = !byToken;
    for (const input of [key, secret]) input.disabled = byToken;
    token.disabled = !byToken;
  };
  const way = (value, label, checked) => h('label', null,
    h('input', { type: 'radio', name: 'way', value, checked, onchange: () => choose(value === 'token') }), h('span', null, label));
  const made = h('form.login', { noValidate: true },
    h('fieldset.switch', null, h('legend.unseen', null, 'How to log in'), way('key', 'API key', true), way('token', 'Token', false)),
    withKey, withToken, alert, submit);
  choose(false);
  made.addEventListener('submit', async (event) => {
    event.preventDefault();
    const missing = [key, secret, token].find((input) => !input.disabled && !input.value.trim());
    if (missing) {
      complain(alert, 'Fill in this field to log in.');
      missing.focus();
      return;
    }
    submit.disabled = true;
    try {
      await (token.disabled ? logIn(key.value.trim(), secret.value) : logInWith(token.value.trim()));
      secret.value = '';
      token.value = '';
      done();
    } catch (error) {
      complain(alert, error.status === 401 ? wrong(token.disabled) : explain(error));
    } finally {
      submit.disabled = false;
    }
  });
  return made;
}

const wrong = (byKey) => (byKey ? 'API key or secret are wrong.' : 'The token is wrong, expired or not for this API.');

function complain(alert, text) {
  alert.hidden = false;
  alert.textContent = text;
}

// welcome is the page of who is not logged in.
export function welcome(done) {
  return h('section.welcome', null,
    h('h1', { tabIndex: -1 }, 'Log in'),
    h('p.soft', null, 'Buy eSIMs, follow them onto the device, and see where the money went.'),
    h('div.card', null, form(done)),
    h('p.soft.small', null, 'Programs use the same API: ', h('a', { href: 'docs' }, 'its documentation'), '.'));
}

let asking = null;

// again has the user log in again, over what is on the page.
export function again() {
  asking ??= dialog().finally(() => { asking = null; });
  return asking;
}

function dialog() {
  const before = client();
  return new Promise((resolve) => {
    const shown = h('dialog.ask', { 'aria-labelledby': 'again-title' },
      h('h2', { id: 'again-title' }, 'Log in again'),
      h('p', null, 'Your session has ended. What you were doing goes on after that, and nothing that you typed is lost.'),
      form(() => {
        if (before !== client()) {
          // Another client must not go on with what this one had begun: a page loaded anew
          // knows nothing of it.
          location.reload();
          return;
        }
        shown.close();
        shown.remove();
        say('You are logged in again');
        resolve();
      }),
      h('button.quiet', { type: 'button', onclick: startAnew }, 'Leave instead'));
    shown.addEventListener('cancel', (event) => event.preventDefault());
    document.body.append(shown);
    shown.showModal();
  });
}

function startAnew() {
  forget();
  location.reload();
}

// leave asks how far the log-out shall go, and does it.
export async function leave() {
  const whose = client() ? `of ${client()}` : 'of this client';
  const answer = await ask('Log out?', [
    'This tab forgets its token.',
    `To revoke all sessions ${whose} also ends those of its programs that logged in with an API key, within ten seconds.`,
  ], [
    { text: 'Log out', value: 'here', kind: 'main' },
    { text: 'Revoke all sessions', value: 'everywhere', kind: 'danger' },
    { text: 'Stay', value: '' },
  ]);
  if (!answer) return false;
  if (answer === 'everywhere') await revoke();
  forget();
  return true;
}
