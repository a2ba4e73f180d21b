// The room of all orders, newest first, as they stand.

import { explain, read } from './api.js';
import { badge } from './catalogue.js';
import { field, h, icon, pause, say, show, visible } from './dom.js';
import { moment, price } from './money.js';
import { isOwn, plan, state } from './order.js';
import { place } from './places.js';

const PER_PAGE = 50;
// BUSY and CALM are how often the list is read while an order is in progress, and while none is;
// in milliseconds. The list comes from the facade's memory and asks no mobile operator.
const BUSY = 4_000;
const CALM = 30_000;

// What is looked for stays while other rooms are visited.
const wanted = { status: '', activation_status: '' };
const choices = [
  ['', 'All'], ['status=PENDING', 'In progress'], ['status=DELIVERED&activation_status=NOT_INSTALLED', 'Ready to install'],
  ['activation_status=ACTIVE', 'Installed'], ['activation_status=EXPIRED', 'Expired'], ['status=FAILED', 'Failed'], ['status=CANCELLED', 'Cancelled'],
];

// orders is the room.
export async function orders({ signal }) {
  const list = h('ul.orders');
  const end = h('div.end');
  let pages = 1;
  let shown = '';
  let wake = () => {};

  async function load() {
    const query = new URLSearchParams({ page: 1, per_page: PER_PAGE * pages });
    for (const [name, value] of Object.entries(wanted)) if (value) query.set(name, value);
    const { data: found, headers } = await read(`api/v1/esim/orders?${query}`, { signal });
    const text = JSON.stringify(found) + headers.get('X-Total-Count');
    if (text !== shown) {
      shown = text;
      show(list, found.map(row));
      show(end, found.length ? headers.get('X-Has-More') === 'true' && PER_PAGE * pages < 500 && more() : nothing());
    }
    return found.some((order) => order.status === 'PENDING');
  }

  async function follow(busy) {
    try {
      for (;;) {
        await Promise.race([pause(busy ? BUSY : CALM, signal), new Promise((resolve) => { wake = resolve; })]);
        await visible(signal);
        busy = await load();
      }
    } catch (error) {
      if (!signal.aborted) show(end, h('p.alert', { role: 'alert' }, explain(error)), h('button', { type: 'button', onclick: () => { shown = ''; follow(true); wake(); } }, 'Try again'));
    }
  }

  const more = () => h('button', { type: 'button', id: 'more', onclick: () => { pages++; wake(); } }, 'Show more');
  const filter = h('select', {
    onchange: () => {
      Object.assign(wanted, { status: '', activation_status: '' }, Object.fromEntries(new URLSearchParams(filter.value)));
      pages = 1;
      wake();
      say('The list is changing');
    },
  }, choices.map(([value, label]) => h('option', { value, selected: new URLSearchParams(value).toString() === chosen() }, label)));

  follow(await load());
  return h('section', null,
    h('div.title', null, h('h1.grow', { tabIndex: -1 }, 'Orders')),
    h('form.filters', { onsubmit: (event) => event.preventDefault() }, field('Show', filter)), list, end);
}

function chosen() {
  return new URLSearchParams(Object.entries(wanted).filter(([, value]) => value)).toString();
}

function nothing() {
  const looked = chosen() !== '';
  return h('div.empty', null, icon('phone'), h('h2', null, looked ? 'No such orders' : 'No orders yet'),
    h('p.soft', null, looked ? 'There are none that stand like this.' : 'What you buy is shown here, with its QR code.'),
    !looked && h('a.button.main', { href: '#/buy' }, 'Buy an eSIM'));
}

function row(order) {
  const { word, tone } = state(order);
  const reference = isOwn(order.client_reference) ? '' : order.client_reference;
  return h('li', null, h('a.product', { href: `#/orders/${order.id}`, id: `order-${order.id}` }, badge(order.country_code),
    h('span.grow', null, h('b.name', null, order.product_name), h('span.soft.small', null, [plan(order), reference || place(order.country_code)].filter(Boolean).join(' · '))),
    h('span.when.soft.small', null, moment(order.created_at)),
    h('span.sum', null, order.transaction_id === undefined ? '' : price(order.amount, order.currency)),
    h('span', { className: `chip ${tone}` }, word)));
}
