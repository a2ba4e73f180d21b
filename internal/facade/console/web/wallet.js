// The room of money: what each wallet has, and its statement, in which every line says what was
// left after it.

import { explain, read } from './api.js';
import { h, icon, say, show } from './dom.js';
import { decimal, moment, price, text } from './money.js';

const PER_PAGE = 100;

// wallet is the room; id chooses one of several.
export async function wallet({ id, signal }) {
  const { data: wallets } = await read('api/v1/wallets', { signal });
  const title = h('div.title', null, h('h1', { tabIndex: -1 }, 'Wallet'));
  if (!wallets.length) {
    return h('section', null, title, h('div.empty', null, icon('warning'), h('h2', null, 'There is no wallet'),
      h('p.soft', null, 'The platform team makes one, and pays in. Nothing can be bought before.')));
  }
  const chosen = wallets.find((one) => String(one.id) === id) ?? wallets[0];
  const statement = new Statement(chosen, signal);
  statement.more();
  return h('section', null, title,
    h('ul.wallets', { 'aria-label': 'Wallets' }, wallets.map((one) => h('li', null, h('a.card.purse', {
      href: `#/wallet/${one.id}`, 'aria-current': one === chosen ? 'true' : null,
    }, h('span.soft', null, one.type === 'PREPAID' ? `${one.currency}, prepaid` : `${one.currency}, billed afterwards`),
    h('b.balance', null, price(one.amount, one.currency)))))),
    statement.element);
}

class Statement {
  element = h('section.card', { 'aria-labelledby': 'statement' });
  #wallet; #signal; #page = 0; #left; #rows = h('tbody'); #end = h('div.end'); #all = []; #whole = false; #reading = null;

  constructor(chosen, signal) {
    this.#wallet = chosen;
    this.#signal = signal;
    this.#left = decimal(chosen.amount);
    this.element.append(
      h('div.row.spread', null, h('h2', { id: 'statement' }, 'Statement'),
        h('button.quiet', { type: 'button', onclick: () => this.#save() }, 'Save as CSV')),
      h('div.scroll', { tabIndex: 0, role: 'region', 'aria-label': 'Transactions' }, h('table', null,
        h('thead', null, h('tr', null, ['Time', 'What', 'Amount', 'Balance'].map((name, i) => h(['th.wide-only', 'th'][i] ?? 'th.number', { scope: 'col' }, name)))), this.#rows)),
      this.#end);
  }

  // more reads the next page, once however often it is asked for. True where there are further ones.
  more() {
    this.#reading ??= this.#read().finally(() => { this.#reading = null; });
    return this.#reading;
  }

  async #read() {
    show(this.#end);
    try {
      const { data: found, headers } = await read(`api/v1/transactions?${new URLSearchParams({
        wallet_id: this.#wallet.id, page: this.#page + 1, per_page: PER_PAGE,
      })}`, { signal: this.#signal });
      this.#page++;
      this.#rows.append(...found.map((one) => this.#row(one)));
      const further = headers.get('X-Has-More') === 'true';
      this.#whole = !further;
      show(this.#end, further ? h('button', { type: 'button', onclick: () => this.more() }, 'Show earlier ones') : this.#ends());
      return further;
    } catch (error) {
      if (!this.#signal.aborted) show(this.#end, h('p.alert', { role: 'alert' }, explain(error)), h('button', { type: 'button', onclick: () => this.more() }, 'Try again'));
      return false;
    }
  }

  #ends() {
    if (!this.#all.length) return h('p.soft', null, 'Nothing was paid in or spent yet.');
    // What is left before the first line is what something happened to since the balance was read.
    return h('p.soft.small', null, this.#left === 0n ? 'That is all: the lines add up to the balance.'
      : 'Something was booked while this was read. Reload the page for lines that add up to the balance.');
  }

  #row(one) {
    const credit = one.transaction_type === 'CREDIT';
    const amount = decimal(one.amount) * (credit ? 1n : -1n);
    const { currency } = this.#wallet;
    const after = this.#left;
    this.#all.push([one.created_at, one.id, one.remarks, one.order_id ?? '', text(amount), text(after), currency]);
    this.#left -= amount;
    const rate = one.forex_rate !== undefined && ` (1 ${one.source_currency} = ${one.forex_rate} ${one.destination_currency})`;
    return h('tr', null,
      h('td.when.wide-only', null, moment(one.created_at)),
      h('td', null, one.order_id ? h('a', { href: `#/orders/${one.order_id}` }, one.remarks) : one.remarks, rate, h('span.soft.small.narrow-only', null, moment(one.created_at))),
      h(credit ? 'td.number.good' : 'td.number', null, (credit ? '+' : '') + price(amount, currency)),
      h('td.number.soft', null, price(after, currency)));
  }

  // #save has the browser save the whole statement, or nothing: a part would pass for the whole.
  async #save() {
    while (!this.#whole && await this.more());
    if (!this.#whole) return;
    const lines = [['time', 'transaction', 'remarks', 'order', 'amount', 'balance', 'currency'], ...this.#all];
    const file = new Blob([lines.map((cells) => cells.map(cell).join(',')).join('\r\n') + '\r\n'], { type: 'text/csv' });
    const address = URL.createObjectURL(file);
    h('a', { href: address, download: `statement-${this.#wallet.currency}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    say('The statement is saved');
  }
}

// cell is a field of CSV (RFC 4180). What a spreadsheet would take for a formula is made a text.
function cell(value) {
  const written = /^[=+@\t\r]|^-(?![\d.]+$)/.test(String(value)) ? `'${value}` : String(value);
  return /[",\r\n]/.test(written) ? `"${written.replaceAll('"', '""')}"` : written;
}
