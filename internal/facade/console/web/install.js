// Getting an eSIM onto a device. The activation code is a credential: it is put on the page when
// its owner asks for it, and into a link at the tap on it, and never into this page's address.

import { call, explain } from './api.js';
import { field, h, icon, say, show, toast } from './dom.js';

// What opens a phone's own installer: iOS 17.4 and Android 10, and later.
const apple = 'https://esimsetup.apple.com/esim_qrcode_provisioning';
const phones = {
  iPhone: { name: 'iPhone', maker: 'Apple', link: apple },
  iPad: { name: 'iPad', maker: 'Apple', link: apple },
  android: { name: 'Android phone', maker: 'Google', link: 'https://esimsetup.android.com/esim_qrcode_provisioning' },
};

// phone that this page is on; undefined on a computer.
function phone() {
  const agent = navigator.userAgent;
  if (/iPhone/.test(agent)) return phones.iPhone;
  // An iPad says that it is a Macintosh, which has no touch screen.
  if (/iPad/.test(agent) || (/Macintosh/.test(agent) && navigator.maxTouchPoints > 1)) return phones.iPad;
  return /Android/.test(agent) ? phones.android : undefined;
}

// Installer shows how to install one order's eSIM, for as long as its code is of use.
export class Installer {
  #id; #code; #drawn = ''; #signal;
  #qr = h('div.qr'); #manual = h('div.manual');

  constructor(id, code, signal) {
    this.#id = id;
    this.#code = code;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.forget());
  }

  // forget takes the code off the page and out of memory.
  forget() {
    this.#code = '';
    URL.revokeObjectURL(this.#drawn);
    this.#drawn = '';
    show(this.#qr);
    show(this.#manual);
  }

  // element to put on the page.
  element() {
    const here = phone();
    this.#hideQR();
    this.#hideManual();
    return h('section.card.install', { 'aria-labelledby': 'install-title' },
      h('h2', { id: 'install-title' }, 'Install the eSIM'),
      here && [h('h3', null, `On this ${here.name}`), this.#link(here)],
      h('h3', null, here ? 'On another phone' : 'With the phone’s camera'),
      h('p.soft', null, 'Show the QR code, and scan it with the camera of the phone that gets the eSIM. Nobody else should see it: the first to scan it gets the eSIM.'),
      this.#qr,
      h('h3', null, 'By hand'),
      h('p.soft', null, 'In the phone’s settings, add an eSIM and choose to enter its details.'),
      this.#manual);
  }

  #link({ name, maker, link }) {
    const tapped = h('a.button.main.wide', {
      href: link, rel: 'noreferrer noopener', target: '_blank',
      // The browser follows the link that is there when the click is done with.
      onclick: () => {
        tapped.href = `${link}?carddata=${encodeURIComponent(this.#code)}`;
        setTimeout(() => { tapped.href = link; }, 0);
      },
    }, icon('phone'), `Install on this ${name}`);
    return [tapped, h('p.soft.small', null,
      `Opens the installer of the phone. Tap it only on the phone that gets the eSIM: where there is no installer, the link hands the code to ${maker}’s website.`)];
  }

  #hideQR() {
    URL.revokeObjectURL(this.#drawn);
    this.#drawn = '';
    show(this.#qr, h('div.veil', null, h('button', { type: 'button', id: 'show-qr', onclick: () => this.#showQR() }, icon('eye'), 'Show QR code')));
  }

  async #showQR() {
    try {
      const { data } = await call('GET', `api/v1/esim/orders/${this.#id}/qr.svg`, { as: 'blob', signal: this.#signal });
      if (!this.#code) return;
      this.#drawn = URL.createObjectURL(data);
      const picture = h('img', { src: this.#drawn, alt: 'QR code that installs the eSIM', width: 280, height: 280 });
      show(this.#qr, picture, h('button.quiet', { type: 'button', id: 'show-qr', onclick: () => this.#hideQR() }, 'Hide QR code'));
      document.getElementById('show-qr').focus({ preventScroll: true });
      say('The QR code is shown');
    } catch (error) {
      if (!this.#signal.aborted) toast(explain(error));
    }
  }

  #hideManual() {
    const [, address = ''] = this.#code.split('$');
    show(this.#manual, this.#copied('SM-DP+ address', address),
      h('button', { type: 'button', id: 'show-code', onclick: () => this.#showManual() }, icon('eye'), 'Show code'));
  }

  #showManual() {
    const [, address = '', matchingID = '', , confirm] = this.#code.split('$');
    show(this.#manual,
      this.#copied('SM-DP+ address', address), this.#copied('Activation code', matchingID), this.#copied('Both in one, for phones that ask for it', this.#code),
      confirm === '1' && h('p.note', null, 'The phone also asks for a confirmation code, which comes from who sold the eSIM.'),
      h('button.quiet', { type: 'button', id: 'show-code', onclick: () => this.#hideManual() }, 'Hide code'));
    document.getElementById('show-code').focus({ preventScroll: true });
  }

  #copied(label, text) {
    const input = h('input.code', { readOnly: true, value: text, spellcheck: false, autocomplete: 'off', onfocus: () => input.select() });
    const labelled = field(label, input);
    const button = h('button', { type: 'button', 'aria-label': `Copy: ${label}`, onclick: () => copy(input) }, 'Copy');
    const row = h('div.row');
    input.replaceWith(row);
    row.append(input, button);
    return labelled;
  }
}

async function copy(input) {
  try {
    await navigator.clipboard.writeText(input.value);
    toast('Copied');
  } catch {
    // Over plain HTTP a page may not write to the clipboard.
    input.focus();
    input.select();
    toast('Selected: copy it with the keys or the menu for that');
  }
}
