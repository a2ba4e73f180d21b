// Money is exact: an amount is a decimal, computed with whole numbers. JSON.parse reads a number
// as a binary float, whose shortest text has the decimal's own digits for up to 15 of them. The
// API's amounts have no more.

// DIGITS after the point that are computed with; no amount of the API has more than eight.
const DIGITS = 8;

// decimal reads a number or text into units of 10^-8.
export function decimal(amount) {
  const parts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(String(amount));
  if (!parts) throw new TypeError('an amount is not a number');
  const [, sign, whole, fraction = '', exponent = '0'] = parts;
  const shift = DIGITS + Number(exponent) - fraction.length;
  let units = BigInt(whole + fraction);
  if (shift >= 0) units *= 10n ** BigInt(shift);
  else if (units % 10n ** BigInt(-shift) === 0n) units /= 10n ** BigInt(-shift);
  else throw new RangeError('an amount has more digits than amounts have');
  return sign ? -units : units;
}

// text writes a decimal as short as it goes, such as 4.5.
export function text(units) {
  const sign = units < 0n ? '-' : '';
  const digits = (units < 0n ? -units : units).toString().padStart(DIGITS + 1, '0');
  const fraction = digits.slice(-DIGITS).replace(/0+$/, '');
  return sign + digits.slice(0, -DIGITS) + (fraction ? `.${fraction}` : '');
}

const formats = new Map();

function format(currency) {
  if (!formats.has(currency)) {
    const usual = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions();
    formats.set(currency, new Intl.NumberFormat('en', {
      style: 'currency', currency, minimumFractionDigits: usual.minimumFractionDigits, maximumFractionDigits: DIGITS,
    }));
  }
  return formats.get(currency);
}

// price is an amount for people, with all of its digits.
export function price(amount, currency) {
  const exact = typeof amount === 'bigint' ? text(amount) : text(decimal(amount));
  if (!currency) return exact;
  return format(currency).format(exact);
}

// data is how much a plan has, and days for how long.
export const data = (gigabytes) => (Number(gigabytes) === 0 ? 'Unlimited' : `${text(decimal(gigabytes))} GB`);
export const days = (count) => (count === 1 ? '1 day' : `${count} days`);

const moments = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

// moment is a time of the API in the time zone of whoever looks.
export const moment = (time) => moments.format(new Date(time));
