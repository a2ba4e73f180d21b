// The way from an address to a room. What is after # says which room: an order's number may be
// in it, a code never is.

import { Problem, explain } from './api.js';
import { catalogue } from './catalogue.js';
import { h, icon, say, show, toast } from './dom.js';
import { leave, welcome } from './login.js';
import { order } from './order.js';
import { orders } from './orders.js';
import { product } from './product.js';
import { buy, find, settle, unanswered } from './purchase.js';
import { client, loggedIn } from './session.js';
import { wallet } from './wallet.js';

const rooms = [
  [/^\/buy$/, 'buy', 'Buy', catalogue], [/^\/buy\/(\d+)$/, 'buy', 'Buy', product],
  [/^\/orders$/, 'orders', 'Orders', orders], [/^\/orders\/(\d+)$/, 'orders', 'Order', order],
  [/^\/wallet(?:\/(\d+))?$/, 'wallet', 'Wallet', wallet],
];

const content = document.getElementById('content');
let here = new AbortController();

// go to a room by its address.
function go(address) {
  if (location.hash === address) enter();
  else location.hash = address;
}

// enter shows the room that the address names.
async function enter() {
  here.abort();
  here = new AbortController();
  const { signal } = here;
  const known = loggedIn();
  for (const id of ['rooms', 'account']) document.getElementById(id).hidden = !known;
  document.getElementById('who').textContent = client();
  if (!known) {
    document.title = 'Log in – eSIM';
    show(content, welcome(enter));
    content.querySelector('input:checked').focus();
    return;
  }
  const [, room, title, make, id] = match(location.hash.slice(1));
  for (const link of document.querySelectorAll('[data-room]')) {
    if (link.dataset.room === room) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${title} – eSIM`;
  content.setAttribute('aria-busy', 'true');
  let made;
  try {
    made = await make({ id, signal, go });
  } catch (error) {
    if (signal.aborted) return;
    made = trouble(error);
  }
  if (signal.aborted) return;
  content.removeAttribute('aria-busy');
  show(content, open(signal), made);
  scrollTo(0, 0);
  const heading = content.querySelector('h1');
  if (title !== 'Order') document.title = `${heading.textContent} – eSIM`;
  heading.focus({ preventScroll: true });
}

function match(address) {
  for (const [pattern, room, title, make] of rooms) {
    const found = pattern.exec(address);
    if (found) return [found[0], room, title, make, found[1]];
  }
  history.replaceState(null, '', '#/buy');
  return ['/buy', 'buy', 'Buy', catalogue];
}

function trouble(error) {
  if (!(error instanceof Problem) && error.name !== 'Error') console.error(error);
  return h('section', null, h('div.empty', null, icon('warning'), h('h1', { tabIndex: -1 }, error.status === 404 ? 'Not found' : 'This did not work'),
    h('p.soft', null, explain(error)), h('button', { type: 'button', onclick: enter }, 'Try again')));
}

// open tells of a purchase that was not answered, and finds out what became of it.
function open(signal) {
  const purchase = unanswered();
  if (!purchase) return null;
  const told = h('p', null, `It is not known whether your last purchase was placed: ${purchase.title}.`);
  const actions = h('div.actions', null, h('button', { type: 'button', onclick: look }, 'Find out'));
  const banner = h('aside.banner', { 'aria-label': 'Unanswered purchase' }, told, actions);
  async function look() {
    try {
      const found = await find(purchase);
      if (signal.aborted) return;
      if (found) {
        settle();
        go(`#/orders/${found.id}`);
        return;
      }
      // A request may still be on its way: only another one with the same reference is safe.
      told.textContent = `There is no order for ${purchase.title} so far. To buy it now never buys it twice.`;
      show(actions, h('button.main', { type: 'button', onclick: buyNow }, 'Buy it now'), h('button', { type: 'button', onclick: forget }, 'Forget it'));
      actions.firstChild.focus();
    } catch (error) {
      if (!signal.aborted) toast(explain(error));
    }
  }
  async function buyNow() {
    actions.firstChild.disabled = true;
    try {
      const made = await buy(purchase.body, purchase.title);
      if (!signal.aborted) go(`#/orders/${made.id}`);
    } catch (error) {
      toast(explain(error));
      if (!unanswered()) banner.remove();
      else actions.firstChild.disabled = false;
    }
  }
  function forget() {
    settle();
    banner.remove();
  }
  return banner;
}

document.getElementById('leave').addEventListener('click', async () => {
  try {
    if (await leave()) {
      history.replaceState(null, '', '#/buy');
      await enter();
      say('You are logged out');
    }
  } catch (error) {
    toast(explain(error));
    if (!loggedIn()) await enter();
  }
});
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  content.focus();
});
addEventListener('hashchange', enter);
enter();
