// The states of the parts on which the agent depends, and the state of the agent as a whole.

import { $, el, text, updateChildren } from './dom.js';
import { ago, bytes, moment, t, translate } from './i18n.js';

// cardOf returns the id of the card that explains a part: usually that of the list of parts.
export const cardOf = part => ({ tasks: 'reasons-card', steering: 'queue-card' })[part] || 'state-card';

const kinds = { ok: 'good', degraded: 'warn', unhealthy: 'bad' };

// agentState shows the list of parts. It returns the state of the agent: its kind (good, warn
// or bad), a message, and the id of the card that explains it. now is in ms.
export function agentState(s, now) {
  const problems = Object.fromEntries(s.health.troubles.map(x => [x.part, x]));
  const list = [core(s.core, now), volume(s.volume, now), storage(s.storage, now), uploads(s.uploads), ...(s.disks || []).map(d => disk(d, now)), queue(s.queue)];
  for (const part of ['rights', 'spool', 'ffmpeg', 'tasks', 'steering', 'notify']) { // rows that are shown only if there is a problem
    if (problems[part]) list.push({ key: part, title: t(`page.part_${part}`), word: '', more: part === 'rights' ? denied(s.volume) : '' });
  }
  for (const row of list) {
    const x = problems[row.key];
    if (!x) continue;
    row.kind = kinds[x.level];
    row.word = translate(x.say);
  }
  updateChildren($('state'), list, i => i.key, () => el('li', {}, el('span', { class: 'dot', 'aria-hidden': 'true' }), el('span', {}, el('strong'), el('span', { class: 'word' })),
    el('span', { class: 'more' }), el('span', { class: 'meter', 'aria-hidden': 'true' }, el('span'))), (node, i) => {
    node.className = i.kind || '';
    text(node.querySelector('strong'), i.title);
    text(node.querySelector('.word'), i.word ? ` ${i.word}` : '');
    text(node.querySelector('.more'), i.more);
    const meter = node.querySelector('.meter');
    meter.hidden = i.used === undefined;
    meter.firstElementChild.style.width = `${i.used || 0}%`;
  });
  const worst = list.find(i => i.kind === 'bad') || list.find(i => i.kind === 'warn');
  const first = s.health.troubles[0];
  if (first) return { kind: kinds[first.level], message: translate(first.say), card: cardOf(first.part) };
  if (worst) return { kind: worst.kind, message: `${worst.title}: ${worst.word}`, card: 'state-card' };
  return { kind: 'good', message: t('page.all_well'), card: 'state-card' };
}

const since = when => (when ? ` ${t('page.since', { time: moment(when) })}` : '');

function core(c, now) {
  const beat = c.last_beat ? ` ${t('page.heartbeat', { ago: ago(Date.parse(c.last_beat), now) })}` : '';
  return {
    key: 'core', title: t('page.part_core'), kind: c.online ? 'good' : 'warn', word: t(c.online ? 'page.core_online' : 'page.core_offline'),
    more: c.error ? `${c.error}${since(c.error_since)}` : `${c.url}${beat}`,
  };
}

function lastScans(at, now) {
  const poll = at.last_poll ? t('page.looked_at', { ago: ago(Date.parse(at.last_poll), now) }) : t('page.not_looked_at');
  return at.last_sweep ? `${poll} ${t('page.swept', { ago: ago(Date.parse(at.last_sweep), now) })}` : poll;
}

function volume(v, now) {
  const row = { key: 'volume', title: t('page.part_volume') };
  if (!v) return { ...row, word: t('page.none'), more: t('page.no_volume') };
  const files = `${t('page.mp4s', { n: v.files.video || 0 })} ${t('page.originals', { n: (v.files.original || 0) + (v.files.index || 0) })}`;
  return {
    ...row, kind: v.available ? 'good' : 'bad', word: t(v.available ? 'page.volume_there' : 'page.unavailable'),
    more: v.available ? `${lastScans(v, now)} ${files}` : `${v.reason || ''}${since(v.since)}`,
  };
}

// denied returns what the agent is not permitted to do on the volume, and how to fix it.
const denied = v => (v && v.denied ? `${v.denied}. ${v.fix ? translate(v.fix) : ''}` : '');

// storage returns the row of the storage in which MP4s are kept.
function storage(st, now) {
  const row = { key: 'storage', title: t('page.part_storage'), kind: st.error ? 'bad' : 'good', word: t(st.error ? 'page.unavailable' : 'page.storage_core'), more: st.error || t('page.storage_core_more') };
  if (!st.place) return row;
  if (!st.error) row.word = t('page.works');
  const waiting = st.waiting ? ` ${t('page.storage_waiting', { n: st.waiting })}` : '';
  row.more = st.error ? `${st.place}: ${st.error}` : `${st.place}. ${lastScans(st, now)}${waiting}`;
  return row;
}

const uploads = u => ({
  key: 'uploads', title: t('page.part_uploads'), kind: u.error ? 'warn' : 'good', word: t(u.error ? 'page.refused' : 'page.taken'), more: u.error || t('page.uploads_more'),
});

const queue = q => ({
  key: 'queue', title: t('page.part_queue'), kind: q.error ? 'bad' : 'good', word: t(q.error ? 'page.unavailable' : 'page.works'), more: q.error || '',
});

function disk(d, now) {
  const row = { key: `disk-${d.holds}`, title: t(`page.disk_${d.holds}`) };
  if (!d.total) return { ...row, word: t('page.unknown'), more: '' };
  const free = d.free / d.total;
  const old = now - Date.parse(d.at) > 120e3 ? ` ${t('page.as_of', { time: ago(Date.parse(d.at), now) })}` : '';
  return {
    ...row, kind: free < .03 ? 'bad' : free < .1 ? 'warn' : 'good', word: t('page.free', { size: { bytes: d.free } }),
    more: `${t('page.of', { size: bytes(d.total) })}${old}`, used: 100 * (1 - free),
  };
}
