// Making elements. All text is put in as text: no markup is read anywhere, and the page's
// policy (trusted types) holds the browser to that.

const SVG = 'http://www.w3.org/2000/svg';

// h makes an element. Of the properties, on… are listeners, those with a dash or that are no
// properties of the element are attributes; null and false leave one out.
export function h(tag, properties, ...children) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElement(name || 'div');
  if (classes.length) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key.includes('-') || !(key in element) || key === 'list' || key === 'form') element.setAttribute(key, value === true ? '' : value);
    else element[key] = value;
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const drawings = {
  back: 'M15 5l-7 7 7 7',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  clock: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5.5l3.5 2',
  cross: 'M6 6l12 12M18 6L6 18',
  undo: 'M9 5L4.5 9.5 9 14M5 9.5h9a5 5 0 0 1 0 10h-3',
  phone: 'M8 3h8a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zM11 18h2',
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5L20 20',
  eye: 'M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z',
  globe: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3.5 9h17M3.5 15h17M12 3c-5 5.5-5 12.5 0 18M12 3c5 5.5 5 12.5 0 18',
  warning: 'M12 4L2.5 20h19zM12 10v4.5M12 17.200v.1',
};

// icon is a drawing beside a text that says the same: readers do not hear of it.
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', drawings[name]);
  svg.append(path);
  return svg;
}

// show replaces what an element holds, and leaves the focus where it was: on the element with
// the same id.
export function show(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement.id : '';
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

// say has screen readers say something, once they have said what they are saying.
export function say(text) {
  const status = document.getElementById('status');
  status.textContent = '';
  requestAnimationFrame(() => { status.textContent = text; });
}

// toast shows and says something that needs no answer.
export function toast(text) {
  say(text);
  const shown = h('p.toast', null, text);
  document.getElementById('toasts').append(shown);
  setTimeout(() => shown.remove(), 5000);
}

let fields = 0;

// field is an input with its label, and a note that readers hear with it.
export function field(label, control, note) {
  control.id ||= `field-${++fields}`;
  const noted = note ? h('p.note', { id: `${control.id}-note` }, note) : null;
  if (noted) control.setAttribute('aria-describedby', noted.id);
  return h('div.field', null, h('label', { htmlFor: control.id }, label), control, noted);
}

// ask shows a question in a dialog, and resolves to the value of the button that was pressed;
// empty where none was. The focus is on the safe one.
export function ask(title, text, buttons) {
  const heading = h('h2', { id: `ask-${++fields}` }, title);
  const dialog = h('dialog.ask', { 'aria-labelledby': heading.id },
    heading, [text].flat().map((paragraph) => h('p', null, paragraph)),
    h('div.actions', null, buttons.map((button) =>
      h('button', { type: 'button', className: button.kind ?? '', autofocus: button.safe, onclick: () => dialog.close(button.value) }, button.text))));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
  });
}

// pause waits for so many milliseconds, and ends early, with an error, when the signal does.
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const ended = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', ended);
      resolve();
    }, milliseconds);
    if (signal?.aborted) ended();
    signal?.addEventListener('abort', ended, { once: true });
  });
}

// visible resolves once somebody looks at the page.
export async function visible(signal) {
  while (document.visibilityState !== 'visible') {
    await new Promise((resolve) => {
      document.addEventListener('visibilitychange', resolve, { once: true, signal });
      signal.addEventListener('abort', resolve, { once: true });
    });
    signal.throwIfAborted();
  }
}
