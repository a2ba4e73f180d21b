// The room of one order: how it stands, live, how to install its eSIM, and what can still be done.

import { LostAnswer, call, explain, patience, read } from './api.js';
import { badge } from './catalogue.js';
import { ask, field, h, icon, pause, say, show, toast, visible } from './dom.js';
import { Installer } from './install.js';
import { data, days, moment, price } from './money.js';
import { place } from './places.js';

// HELD is for how many seconds the API holds an answer back while an order is pending; it
// answers as soon as there is something to tell.
const HELD = 25;
// FIRST and LONGEST are how long to wait between two readings of a delivered order, each of
// which may ask the mobile operator; in milliseconds.
const FIRST = 3_000;
const LONGEST = 60_000;

// sentence makes one of what the API says.
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`;

// isOwn tells whether a reference is one that the console made, of which its user knows nothing.
export const isOwn = (reference) => reference?.startsWith('console-') ?? false;

// plan is how much an order has, and for how long, where its name does not say so already.
export function plan(order) {
  if (!order.validity_days || order.product_name.includes(data(order.data_amount_gb))) return '';
  return `${data(order.data_amount_gb)} for ${days(order.validity_days)}`;
}

// state is what an order's status means, in a word, a tone and a sentence.
export function state(order) {
  switch (order.status) {
    case 'PENDING': return { word: 'In progress', tone: 'wait', icon: 'clock', text: 'The mobile operator prepares the eSIM. This takes seconds, mostly; the page shows it by itself.' };
    case 'FAILED': return { word: 'Failed', tone: 'bad', icon: 'cross', text: sentence(order.failure_reason ?? 'There is no eSIM') };
    case 'CANCELLED': return { word: 'Cancelled', tone: 'off', icon: 'undo', text: 'The eSIM was given back. Its code does not work any more.' };
    default:
  }
  if (order.activation_status === 'EXPIRED') return { word: 'Expired', tone: 'off', icon: 'clock', text: 'The plan’s days are over.' };
  if (order.activated_at && order.activation_status === 'ACTIVE') return { word: 'In use', tone: 'good', icon: 'check', text: 'The eSIM is on a device.' };
  if (order.is_installed) return { word: 'Installed', tone: 'good', icon: 'check', text: 'The eSIM is on a device.' };
  return { word: 'Ready to install', tone: 'new', icon: 'phone', text: 'Install it before the journey, over Wi-Fi. The plan’s days begin with its first use.' };
}

// order is the room.
export async function order({ id, signal }) {
  const room = new Room(id, signal);
  await room.load();
  room.follow();
  return room.element;
}

class Room {
  element = h('section.order');
  #id; #signal; #order; #installer = null; #wake = () => {}; #cancelling = false; #stale = h('p.alert', { hidden: true });
  #head = h('div'); #money = h('div.card'); #install = h('div'); #actions = h('div');

  constructor(id, signal) {
    this.#id = id;
    this.#signal = signal;
  }

  async load() {
    this.#take((await read(`api/v1/esim/orders/${this.#id}`, { signal: this.#signal, headers: { Prefer: 'wait=0' } })).data);
    this.element.append(h('a.back', { href: '#/orders' }, icon('back'), 'All orders'), this.#head, this.#stale,
      h('div.columns', null, h('div', null, this.#install, this.#actions), this.#money));
  }

  // follow reads the order until nothing can happen to it any more, only while somebody looks.
  async follow() {
    let wait = FIRST;
    let lost = 0;
    try {
      while (this.#alive()) {
        const pending = this.#order.status === 'PENDING';
        await this.#rest(pending ? 500 : wait);
        await visible(this.#signal);
        try {
          const headers = { Prefer: `wait=${pending ? HELD : 0}` };
          const { data: now } = await call('GET', `api/v1/esim/orders/${this.#id}`, { headers, signal: this.#signal });
          wait = now.updated_at === this.#order.updated_at && !this.#cancelling ? Math.min(wait * 1.6, LONGEST) : FIRST;
          lost = 0;
          this.#stale.hidden = true;
          this.#take(now);
        } catch (error) {
          this.#signal.throwIfAborted();
          if (!(error instanceof LostAnswer) && !patience(error, 1)) throw error;
          this.#stale.textContent = `${explain(error)} What is shown may be out of date.`;
          this.#stale.hidden = false;
          lost++;
          await this.#rest(Math.max((error.retryAfter ?? 0) * 1000, Math.min(1000 * 2 ** lost, LONGEST)));
        }
      }
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#stale.textContent = `${explain(error)} The page does not follow the order any more: reload it.`;
      this.#stale.hidden = false;
    }
  }

  // #rest waits, unless something is to be looked at sooner.
  async #rest(milliseconds) {
    await Promise.race([pause(milliseconds, this.#signal), new Promise((resolve) => { this.#wake = resolve; })]);
  }

  #alive() {
    const { status, amount, refund_transaction_id: refund, activation_status: activation } = this.#order;
    if (status === 'FAILED' || status === 'CANCELLED') return amount > 0 && refund === undefined;
    return activation !== 'EXPIRED';
  }

  #take(now) {
    const before = this.#order && state(this.#order).word;
    const { activation_code: code, ...order } = now;
    const same = JSON.stringify(order) === JSON.stringify(this.#order);
    this.#order = order;
    const usable = order.status === 'DELIVERED' && !order.is_installed;
    if (usable && code && !this.#installer) {
      this.#installer = new Installer(this.#id, code, this.#signal);
      show(this.#install, this.#installer.element());
    } else if (!usable || !code) {
      this.#installer?.forget();
      this.#installer = null;
      show(this.#install, this.#instead(usable));
    }
    if (same) return;
    const { word } = state(order);
    if (order.status !== 'DELIVERED') this.#cancelling &&= order.status === 'PENDING';
    this.#draw();
    if (before && before !== word) say(`The order is now: ${word}`);
  }

  // #instead of how to install it.
  #instead(usable) {
    if (usable) return h('p.card.note', null, 'The code is not shown, since this token may not see activation codes.');
    if (this.#order.is_installed) return h('p.card.note', { id: 'installed' }, 'The eSIM is on a device. Its code is of no use to anybody any more, and is not shown.');
    return null;
  }

  #draw() {
    const { word, tone, icon: drawing, text } = state(this.#order);
    const o = this.#order;
    document.title = `${o.product_name}: ${word} – eSIM`;
    show(this.#head,
      h('div.title', null, badge(o.country_code), h('div.grow', null, h('h1', { id: 'order-title', tabIndex: -1 }, o.product_name),
        h('p.soft', null, [plan(o), o.country_code && place(o.country_code)].filter(Boolean).join(' · ')))),
      h('div', { className: `state ${tone}`, id: 'state' }, icon(drawing), h('div', null, h('b', null, word), h('p', null, text),
        this.#cancelling && o.status !== 'CANCELLED' && h('p', null, 'It is being cancelled. The mobile operator has not decided yet.'),
        o.failure_code && h('p.small', null, o.is_user_fixable ? 'Change that, and order again. ' : 'There is nothing that you did wrong. ',
          h('a', { href: o.product_id ? `#/buy/${o.product_id}` : '#/buy' }, 'Order again')))));
    this.#drawMoney(o);
    this.#drawActions(o);
  }

  #drawMoney(o) {
    const line = (label, value) => value !== undefined && value !== '' && h('div', null, h('dt', null, label), h('dd', null, value));
    const time = (at) => at && moment(at);
    show(this.#money, h('h2', null, 'Details'), h('dl.sums', null,
      line('Order', String(o.id)),
      line('Paid', o.transaction_id === undefined ? 'Nothing' : price(o.amount, o.currency)),
      o.refund_transaction_id !== undefined && line('Given back', price(o.amount, o.currency)),
      o.refund_transaction_id === undefined && o.transaction_id !== undefined && !this.#alive() && o.status !== 'DELIVERED' && line('Given back', 'on its way'),
      line('Ordered', time(o.created_at)), line('Installed', time(o.installed_at)), line('First used', time(o.activated_at)), line('Ends', time(o.expires_at)),
      line('ICCID', o.iccid), line('Your reference', isOwn(o.client_reference) ? undefined : o.client_reference), line('Receipt to', o.notification_email)));
  }

  #drawActions(o) {
    if (o.status === 'CANCELLED' && !o.notification_email) return show(this.#actions);
    const email = h('input', { id: 'receipt', type: 'email', maxLength: 254, autocomplete: 'email', value: o.notification_email ?? '', placeholder: 'traveller@example.com' });
    const form = h('form.card', { noValidate: true, onsubmit: (event) => this.#mail(event, email) },
      h('h2', null, 'Receipt'),
      field('E-mail address', email, o.notification_email ? 'Another address gets a receipt of its own.' : 'It tells what became of the order. While the eSIM can be installed, it carries the QR code.'),
      h('button', { type: 'submit', id: 'send-receipt' }, o.notification_email ? 'Change the address' : 'Send a receipt'));
    const can = !o.is_installed && (o.status === 'PENDING' || o.status === 'DELIVERED') && !this.#cancelling;
    const typed = document.getElementById('receipt');
    if (typed && document.activeElement === typed) email.value = typed.value;
    return show(this.#actions, form, can && h('p.end', null, h('button.danger', { type: 'button', id: 'cancel', onclick: () => this.#cancel() }, 'Cancel the order')));
  }

  async #mail(event, email) {
    event.preventDefault();
    if (!email.value.trim() || !email.validity.valid) {
      email.focus();
      toast('Type an e-mail address, such as traveller@example.com');
      return;
    }
    await this.#change('PATCH', 'notification-email', { email: email.value.trim() }, 'The receipt goes to that address');
  }

  async #cancel() {
    const o = this.#order;
    const sum = o.transaction_id === undefined ? 'Nothing was charged.' : `${price(o.amount, o.currency)} go back to the wallet.`;
    const answer = await ask('Cancel this order?', [`The eSIM is given back, and its code stops working. ${sum}`, 'If it is on a device already, it cannot be cancelled any more.'], [
      { text: 'Cancel the order', value: 'cancel', kind: 'danger' }, { text: 'Keep it', value: '', safe: true },
    ]);
    if (answer !== 'cancel') return;
    this.#cancelling = true;
    this.#draw();
    if (!await this.#change('POST', 'cancel', undefined, '', { Prefer: 'wait=5' })) {
      this.#cancelling = false;
      this.#draw();
    }
  }

  async #change(method, what, body, done, headers) {
    try {
      const { data: now } = await call(method, `api/v1/esim/orders/${this.#id}/${what}`, { body, headers, signal: this.#signal });
      // These answers carry no code: the next reading does.
      this.#order = { ...this.#order, ...now };
      if (now.status === 'CANCELLED') this.#take(now);
      this.#draw();
      if (done) toast(done);
      this.#wake();
      return true;
    } catch (error) {
      if (!this.#signal.aborted) toast(explain(error));
      return false;
    }
  }
}
