// The room where eSIMs are found: by the country that one travels to, or by name.

import { explain, read } from './api.js';
import { field, h, icon, pause, say, show } from './dom.js';
import { data, price } from './money.js';
import { countries, mark, place } from './places.js';

// PER_PAGE is as many as the API gives: most catalogues are one page, which is put in the order
// of names. The pages of larger ones are in the API's order.
const PER_PAGE = 500;
// TYPING is how long after the last letter is searched, in milliseconds.
const TYPING = 250;

// What was looked for stays while other rooms are visited.
const wanted = { search: '', covers: '' };

// badge marks a place.
export function badge(code) {
  const letters = mark(code);
  const shown = h('span.badge', { 'aria-hidden': 'true' }, letters || icon('globe'));
  let sum = 0;
  for (const letter of code) sum = (sum * 31 + letter.codePointAt(0)) % 12;
  shown.dataset.tint = String(sum);
  return shown;
}

// catalogue is the room.
export function catalogue({ signal }) {
  const list = h('ul.products');
  const end = h('div.end');
  let asked = new AbortController();

  async function load(page = 1) {
    asked.abort();
    asked = new AbortController();
    const here = AbortSignal.any([asked.signal, signal]);
    try {
      if (page === 1) {
        await pause(list.childElementCount ? TYPING : 0, here);
        list.setAttribute('aria-busy', 'true');
      }
      const { data: found, headers } = await read(`console/api/products?${query(page)}`, { signal: here });
      const total = Number(headers.get('X-Total-Count'));
      if (total <= PER_PAGE) found.sort((a, b) => a.name.localeCompare(b.name, 'en'));
      const cards = found.map(card);
      if (page === 1) show(list, cards);
      else {
        list.append(...cards);
        cards[0]?.querySelector('a').focus();
      }
      say(total === 1 ? '1 destination' : `${total} destinations`);
      show(end, total === 0 ? nothing() : more(headers, page));
    } catch (error) {
      if (here.aborted) return;
      show(end, h('p.alert', { role: 'alert' }, explain(error)), h('button', { type: 'button', onclick: () => load(page) }, 'Try again'));
    } finally {
      if (!here.aborted) list.removeAttribute('aria-busy');
    }
  }

  const more = (headers, page) => headers.get('X-Has-More') === 'true' &&
    h('button', { type: 'button', onclick: () => load(page + 1) }, 'Show more');

  const search = h('input', {
    type: 'search', value: wanted.search, maxLength: 255, autocomplete: 'off', placeholder: 'Japan, Europe …',
    oninput: () => { wanted.search = search.value; load(); },
  });
  const covers = h('select', { onchange: () => { wanted.covers = covers.value; load(); } },
    h('option', { value: '' }, 'Anywhere'),
    countries().map(([code, name]) => h('option', { value: code, selected: code === wanted.covers }, name)));

  function nothing() {
    const clear = h('button', {
      type: 'button',
      onclick: () => {
        search.value = covers.value = wanted.search = wanted.covers = '';
        search.focus();
        load();
      },
    }, 'Show everything');
    const looked = wanted.search || wanted.covers;
    return h('div.empty', null, icon('globe'), h('h2', null, looked ? 'Nothing fits' : 'Nothing is on sale yet'),
      h('p.soft', null, looked ? 'Try another name, or look for a region that has your country in it.' : 'The platform team decides what you can buy.'),
      looked && clear);
  }

  load();
  return h('section', null,
    h('div.title', null, h('h1', { tabIndex: -1 }, 'Buy an eSIM')),
    h('form.filters', { role: 'search', onsubmit: (event) => event.preventDefault() }, field('Destination', search), field('Works in', covers)),
    list, end);
}

function query(page) {
  const parameters = new URLSearchParams({ page, per_page: PER_PAGE });
  for (const [name, value] of Object.entries(wanted)) if (value.trim()) parameters.set(name, value.trim());
  return parameters;
}

function card(product) {
  const from = product.from_amount === undefined ? h('span.soft', null, 'Sold out')
    : h('span', null, h('span.soft.small.block', null, 'from '), h('b', null, price(product.from_amount, product.currency_code)));
  const where = product.coverage > 1 ? `${product.coverage} countries` : place(product.country_code);
  const plans = product.plans === 1 ? '1 plan' : `${product.plans} plans`;
  const sizes = product.max_data_gb === undefined ? plans : `${plans}, up to ${data(product.max_data_gb).replace('Unlimited', 'unlimited')}`;
  return h('li', null, h('a.product', { href: `#/buy/${product.id}` },
    badge(product.country_code),
    h('span.grow', null, h('b.name', null, product.name), h('span.soft.small', null, where === product.name ? sizes : `${where} · ${sizes}`)),
    h('span.from', null, from, product.client_discount > 0 && h('span.tag', null, `−${product.client_discount} %`))));
}
