// How figures are written. Sizes are decimal: 1 MB is 1 000 000 bytes.

const number = new Intl.NumberFormat('en');

export const count = n => number.format(n);

export function plural(n, one, many = one + 's') {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function bytes(n) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let i = 0;
  let v = Math.abs(n);
  while (v >= 999.5 && i < units.length - 1) {
    v /= 1000;
    i++;
  }
  const digits = i === 0 || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
  return `${n < 0 ? '−' : ''}${v.toFixed(digits)} ${units[i]}`;
}

export function percent(v) {
  return `${Math.round(v)} %`;
}

// A time span in seconds, in two units at most.
export function span(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return s < 600 && s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.round(s / 60)} min`;
  if (s < 86400) {
    const m = Math.round(s / 60);
    return m % 60 ? `${Math.floor(m / 60)} h ${m % 60} min` : `${m / 60} h`;
  }
  const h = Math.round(s / 3600);
  return h % 24 ? `${plural(Math.floor(h / 24), 'day')} ${h % 24} h` : plural(h / 24, 'day');
}

// How long ago a moment was, both in ms.
export function ago(then, now) {
  const s = Math.max(0, (now - then) / 1000);
  return s < 2 ? 'just now' : `${span(s)} ago`;
}

export function moment(t) {
  return new Date(t).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
}

// The first group of a session's id: enough to tell neighbours apart.
export const short = id => id.slice(0, 8);

const states = {
  settling: 'settling', queued: 'queued', rendering: 'rendering', verifying: 'verifying', uploading: 'uploading',
  confirming: 'confirming', retiring: 'putting the original away', done: 'done', retrying: 'tried again later',
  failed: 'failed', skipped: 'left alone',
};

export const state = s => states[s] || s;

// measured tells whether it is known how far a task's state has come.
export const measured = v => v.state === 'rendering' || v.state === 'uploading' && v.progress > 0;
