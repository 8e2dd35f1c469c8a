// The page's language. The strings come from the agent's catalogue. Placeholders and
// plurals have the same rules as in package i18n.

export const langs = { en: 'English', 'zh-CN': '简体中文', ru: 'Русский' };
const storageKey = 'jumpserver-video-language';

export let lang = 'en';
let strings = {};
let rules = new Intl.PluralRules(lang);

// preferredLanguage returns the language that was chosen on this page, or else the first
// of the browser's languages that the page has, or else English.
function preferredLanguage() {
  for (const tag of [localStorage.getItem(storageKey), ...navigator.languages]) {
    const base = (tag || '').toLowerCase().split('-')[0];
    const found = Object.keys(langs).find(l => l.split('-')[0] === base);
    if (found) return found;
  }
  return 'en';
}

// setLanguage loads a language and shows the page's fixed texts in it. A given language
// is stored; without one, it is the preferred language.
export async function setLanguage(name) {
  if (name) localStorage.setItem(storageKey, name);
  const chosen = name || preferredLanguage();
  const response = await fetch(`assets/strings.${chosen}.json`);
  strings = await response.json();
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
  return text.replace(/\{(\w+)\}/g, (match, name) => (name in values ? format(values[name]) : match));
}

// translate returns a text from the agent, a key with values, in the page's language.
export const translate = text => (text ? t(text.key, text.args) : '');

// format returns a placeholder's value as text: a number, a size, a duration, a time or a
// text of the agent.
function format(v) {
  if (typeof v === 'number') return count(v);
  if (typeof v !== 'object' || v === null) return String(v);
  if ('key' in v) return translate(v);
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

// span formats a duration, given in seconds, with at most two units.
export function span(seconds) {
  const s = Math.round(seconds);
  // The units, and how many seconds each has.
  const units = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];
  const i = Math.max(0, units.findIndex(([, size]) => s >= size || size === 1));
  const [name, size] = units[i];
  const text = t(`unit.${name}`, { value: Math.floor(s / size) });
  const next = units[i + 1];
  const rest = next ? Math.floor((s % size) / next[1]) : 0;
  return rest ? text + t('unit.between') + t(`unit.${next[0]}`, { value: rest }) : text;
}

// ago formats how long a time was before now; both are in ms.
export function ago(then, now) {
  const s = Math.max(0, (now - then) / 1000);
  return s < 2 ? t('page.just_now') : t('page.ago', { span: { seconds: s } });
}

export const moment = when => new Date(when).toLocaleString(lang, { dateStyle: 'medium', timeStyle: 'medium' });

export const minute = when => new Date(when).toLocaleString(lang, { dateStyle: 'medium', timeStyle: 'short' });

export const day = date => new Date(`${date}T00:00:00`).toLocaleDateString(lang, { dateStyle: 'medium' });
