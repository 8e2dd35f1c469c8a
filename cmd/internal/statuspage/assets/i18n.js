// The page's language. The strings are those of the agent's catalogue, and have the
// same rules as in package i18n.

export const langs = { en: 'English', 'zh-CN': '简体中文', ru: 'Русский' };
const kept = 'jumpserver-video-language';

export let lang = 'en';
let strings = {};
let rules = new Intl.PluralRules(lang);

// wished returns the language that was chosen on this page, or else the browser's.
function wished() {
  for (const wish of [localStorage.getItem(kept), ...navigator.languages]) {
    const base = (wish || '').toLowerCase().split('-')[0];
    const found = Object.keys(langs).find(l => l.split('-')[0] === base);
    if (found) return found;
  }
  return 'en';
}

// use loads a language: the given one, which is then stored, or the wished one.
export async function use(name) {
  if (name) localStorage.setItem(kept, name);
  const chosen = name || wished();
  const answer = await fetch(`assets/strings.${chosen}.json`);
  strings = await answer.json();
  lang = chosen;
  rules = new Intl.PluralRules(lang);
  number = new Intl.NumberFormat(lang);
  document.documentElement.lang = lang;
  document.title = t('page.title');
  for (const [attribute, target] of [['data-t', ''], ['data-t-label', 'aria-label'], ['data-t-placeholder', 'placeholder']]) {
    for (const e of document.querySelectorAll(`[${attribute}]`)) {
      const text = t(e.getAttribute(attribute));
      if (target) e.setAttribute(target, text);
      else e.textContent = text;
    }
  }
}

export const has = key => key in strings;

// t returns the string of a key with values for its placeholders; n selects the plural
// form.
export function t(key, values = {}) {
  let text = strings[key];
  if (text === undefined) return key.slice(key.indexOf('.') + 1).replaceAll('_', ' ');
  if (typeof text === 'object') text = text[rules.select(values.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? write(values[name]) : whole));
}

// say translates a text from the agent: a key with values.
export const say = text => (text ? t(text.key, text.args) : '');

function write(v) {
  if (typeof v === 'number') return count(v);
  if (typeof v !== 'object' || v === null) return String(v);
  if ('key' in v) return say(v);
  if ('bytes' in v) return bytes(v.bytes);
  if ('seconds' in v) return span(v.seconds);
  return moment(v.time);
}

// Formats of numbers. Sizes are decimal: 1 MB is 1 000 000 bytes.

let number = new Intl.NumberFormat(lang);

export const count = n => number.format(n);

export const decimal = (v, digits) => new Intl.NumberFormat(lang, { maximumFractionDigits: digits }).format(v);

export function bytes(n) {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte', 'petabyte'];
  let i = 0;
  let v = n;
  while (Math.abs(v) >= 999.5 && i < units.length - 1) {
    v /= 1000;
    i++;
  }
  const digits = i === 0 || Math.abs(v) >= 99.95 ? 0 : Math.abs(v) >= 9.995 ? 1 : 2;
  return t(`unit.${units[i]}`, { value: decimal(v, digits) });
}

export const percent = v => new Intl.NumberFormat(lang, { style: 'percent' }).format(Math.round(v) / 100);

// span formats a duration in seconds, with at most two units.
export function span(seconds) {
  const s = Math.round(seconds);
  const units = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];
  const i = Math.max(0, units.findIndex(([, of]) => s >= of || of === 1));
  const [name, of] = units[i];
  const text = t(`unit.${name}`, { value: Math.floor(s / of) });
  const next = units[i + 1];
  const rest = next ? Math.floor((s % of) / next[1]) : 0;
  return rest ? text + t('unit.between') + t(`unit.${next[0]}`, { value: rest }) : text;
}

// ago formats how long before now a time was, both in ms.
export function ago(then, now) {
  const s = Math.max(0, (now - then) / 1000);
  return s < 2 ? t('page.just_now') : t('page.ago', { span: { seconds: s } });
}

export const moment = when => new Date(when).toLocaleString(lang, { dateStyle: 'medium', timeStyle: 'medium' });

export const minute = when => new Date(when).toLocaleString(lang, { dateStyle: 'medium', timeStyle: 'short' });

export const day = date => new Date(`${date}T00:00:00`).toLocaleDateString(lang, { dateStyle: 'medium' });
