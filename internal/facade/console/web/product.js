// The room of one product: its plans, what one costs exactly, and the button that buys it.

import { LostAnswer, call, explain, read } from './api.js';
import { badge } from './catalogue.js';
import { field, h, icon, pause, say, show } from './dom.js';
import { data, days, decimal, price } from './money.js';
import { place } from './places.js';
import { buy, reference, settle, unanswered } from './purchase.js';

// product is the room.
export async function product({ id, signal, go }) {
  const [{ data: found }, wallets] = await Promise.all([read(`api/v1/esim/products/${id}`, { signal }), readWallets(signal)]);
  const name = h('h1', { tabIndex: -1 }, found.name);
  const head = [
    h('a.back', { href: '#/buy' }, icon('back'), 'All destinations'),
    h('div.title', null, badge(found.country_code), h('div.grow', null, name, coverage(found))),
  ];
  if (!found.variants.length) {
    return h('section', null, head, h('div.empty', null, icon('globe'), h('h2', null, 'Sold out'), h('p.soft', null, 'No plan can be bought at the moment.')));
  }
  const till = new Till(found, wallets, signal, go);
  return h('section', null, head, h('form.shop', { noValidate: true, onsubmit: (event) => till.submit(event) }, till.plans(), till.panel()));
}

// Who may not see wallets can buy all the same: the API finds the wallet by itself.
async function readWallets(signal) {
  try {
    return (await read('api/v1/wallets', { signal })).data;
  } catch (error) {
    if (error.status === 403) return [];
    throw error;
  }
}

function coverage(found) {
  if (found.coverage.length < 2) return h('p.soft', null, `Works in ${place(found.coverage[0] ?? found.country_code)}`);
  return h('details.coverage', null, h('summary', null, `Works in ${found.coverage.length} countries`),
    h('p.soft', null, found.coverage.map(place).sort().join(', ')));
}

// Till is where one plan is chosen, priced and bought.
class Till {
  #found; #wallets; #signal; #go;
  #chosen; #reference = reference(); #quoting = new AbortController(); #busy = false; #payable = null;
  #quote = h('div.quote', { 'aria-live': 'polite' });
  #alert = h('p.alert', { role: 'alert', hidden: true });
  #button = h('button.main.wide', { type: 'submit' }, 'Buy');
  #email = h('input', { type: 'email', maxLength: 254, autocomplete: 'email', inputMode: 'email', placeholder: 'traveller@example.com', oninput: () => this.#changed() });
  #wallet;

  constructor(found, wallets, signal, go) {
    this.#found = found;
    this.#wallets = wallets;
    this.#signal = signal;
    this.#go = go;
    this.#chosen = found.variants[0];
    this.#wallet = h('select', { onchange: () => this.#changed(true) },
      h('option', { value: '' }, 'The one that fits'),
      wallets.map((wallet) => h('option', { value: wallet.id }, `${wallet.currency}: ${price(wallet.amount, wallet.currency)}`)));
    this.#ask();
  }

  // plans are all that can be chosen from.
  plans() {
    return h('fieldset.plans', null, h('legend', null, 'Choose a plan'), this.#found.variants.map((variant, i) => {
      const input = h('input.unseen', {
        type: 'radio', name: 'plan', value: variant.id, checked: i === 0,
        onchange: () => { this.#chosen = variant; this.#changed(true); },
      });
      return h('label.plan', null, input, h('span.dot'),
        h('span.grow', null, h('b.name', null, data(variant.data_amount_gb)), h('span.soft', null, ` for ${days(variant.validity_days)}`),
          variant.description && h('span.soft.small.block', null, variant.description)),
        h('span.from', null, h('b', null, price(variant.amount, variant.currency_code)),
          variant.client_discount > 0 && h('span.tag', null, `−${variant.client_discount} %`)));
    }));
  }

  // panel has the price, and the button.
  panel() {
    return h('div.card.panel', null, h('h2', null, 'Your order'), this.#quote,
      this.#wallets.length > 1 && field('Pay with', this.#wallet),
      field('Receipt by e-mail (optional)', this.#email, 'It carries the QR code: use the traveller’s own address.'),
      this.#alert, this.#button,
      h('p.soft.small', null, 'Can be cancelled, with the money back, until it is installed.'));
  }

  // #changed: what would be bought is another order now, which needs a name of its own.
  #changed(priced = false) {
    this.#reference = reference();
    this.#alert.hidden = true;
    if (priced) this.#ask();
  }

  async #ask() {
    this.#quoting.abort();
    this.#quoting = new AbortController();
    const signal = AbortSignal.any([this.#quoting.signal, this.#signal]);
    const chosen = this.#chosen;
    this.#payable = null;
    this.#button.textContent = 'Buy';
    try {
      // Who goes through the plans with the arrow keys asks for the last one's price.
      await pause(this.#quote.childElementCount ? 200 : 0, signal);
      const { wallet_id: wallet, product_id, amount, variant_id } = this.#body();
      const { data: charges } = await call('POST', 'api/v1/esim/charges', { signal, body: { product_id, amount, variant_id, wallet_id: wallet } });
      this.#showQuote(chosen, charges);
    } catch (error) {
      if (signal.aborted) return;
      show(this.#quote, error.status === 400 ? h('p.alert', null, `This plan cannot be bought from this wallet: ${error.message}.`)
        : [h('p.alert', null, explain(error)), h('button', { type: 'button', onclick: () => this.#ask() }, 'Ask for the price again')]);
    }
  }

  #showQuote(chosen, charges) {
    const { source_currency: from, destination_currency: to, forex_rate: rate } = charges.charges_details;
    const line = (label, value, kind = '') => h('div', { className: kind }, h('dt', null, label), h('dd', null, value));
    const wallet = this.#payer(to);
    const left = wallet && decimal(wallet.amount) - decimal(charges.total_payable);
    const total = price(charges.total_payable, to);
    this.#payable = { total: charges.total_payable, currency: to };
    show(this.#quote, h('dl.sums', null,
      line('Plan', `${data(chosen.data_amount_gb)}, ${days(chosen.validity_days)}`),
      line('Price', price(charges.non_discounted_total, from)),
      charges.discount > 0 && line(`Discount of ${charges.discount} %`, price(-decimal(charges.discount_amount), from)),
      rate !== undefined && line('Rate', `1 ${from} = ${rate} ${to}`),
      line('To pay', total, 'total'),
      wallet && line('Left in the wallet', price(left, to), left < 0n && wallet.type === 'PREPAID' ? 'bad' : 'soft')),
    left < 0n && wallet.type === 'PREPAID' && h('p.alert', null, 'The wallet does not cover it. Have it topped up first.'));
    if (!this.#busy) this.#button.textContent = `Buy for ${total}`;
  }

  #payer(currency) {
    return this.#wallets.find((wallet) => String(wallet.id) === this.#wallet.value)
      ?? this.#wallets.find((wallet) => wallet.currency === currency);
  }

  #body() {
    const body = { product_id: this.#found.id, amount: this.#chosen.amount, variant_id: this.#chosen.id, client_reference: this.#reference };
    if (this.#wallet.value) body.wallet_id = Number(this.#wallet.value);
    if (this.#email.value.trim()) body.notification_email = this.#email.value.trim();
    return body;
  }

  // submit buys, once however often it is called.
  async submit(event) {
    event.preventDefault();
    if (this.#busy) return;
    if (!this.#email.validity.valid) {
      this.#complain('The e-mail address is none. Correct it, or leave it empty.');
      this.#email.focus();
      return;
    }
    const open = unanswered();
    if (open && open.body.client_reference !== this.#reference) {
      this.#complain('An earlier purchase was not answered. Find out what became of it first: see the top of the page.');
      return;
    }
    this.#busy = true;
    this.#alert.hidden = true;
    this.#button.setAttribute('aria-disabled', 'true');
    this.#button.textContent = 'Buying …';
    say('Buying');
    try {
      const order = await buy(this.#body(), `${this.#found.name}, ${data(this.#chosen.data_amount_gb)}, ${days(this.#chosen.validity_days)}`,
        () => { this.#button.textContent = 'No answer yet. Asking again …'; });
      this.#go(`#/orders/${order.id}`);
    } catch (error) {
      await this.#failed(error);
    } finally {
      this.#busy = false;
      this.#button.removeAttribute('aria-disabled');
      if (this.#payable) this.#button.textContent = `Buy for ${price(this.#payable.total, this.#payable.currency)}`;
    }
  }

  async #failed(error) {
    if (unanswered()) {
      this.#complain(error instanceof LostAnswer || error.status >= 500
        ? 'There is no answer, so it is not known whether the order was placed. Press Buy again: it never buys twice.' : explain(error));
      return;
    }
    settle();
    this.#complain(explain(error));
    // The button comes back when it is of use again.
    for (let left = error.status === 429 ? error.retryAfter : 0; left > 0 && !this.#signal.aborted; left--) {
      this.#button.textContent = `Try again in ${left} s`;
      await pause(1000);
    }
  }

  #complain(text) {
    this.#alert.textContent = text;
    this.#alert.hidden = false;
  }
}
