// The status page: asks the agent how it stands, again and again, and shows it.

import { Refused, call, setToken, token } from './api.js';
import { $, el, keep, text } from './dom.js';
import { cpuPlot, daysPlot } from './plot.js';
import * as task from './task.js';
import { ago, bytes, count, measured, moment, percent, plural, short, span, state } from './text.js';

const every = 2000; // ms between two looks; a hidden page looks more rarely
const hiddenEvery = 30000;
let timer = 0;
let last = null;
let asking = false; // for the token: nothing else is shown meanwhile

async function look() {
  clearTimeout(timer);
  const asked = token();
  const late = () => asking || token() !== asked; // whoever changed the token has looked again
  try {
    const status = await call('status');
    if (late()) return;
    if (!status.token_set) setToken(''); // there was one when it was typed in
    last = status;
    show(status);
  } catch (e) {
    if (late()) return;
    if (e instanceof Refused) return askToken(token() ? 'The agent does not accept this token.' : '');
    health('bad', 'No answer');
    notice(`${e.message} Trying on.`);
  }
  timer = setTimeout(look, document.hidden ? hiddenEvery : every);
}

function askToken(error) {
  asking = true;
  clearTimeout(timer);
  last = null;
  setToken('');
  $('data').hidden = true;
  $('login').hidden = false;
  $('sign').hidden = true;
  text($('login-error'), error);
  health('', 'Signed out');
  $('token').focus();
}

function notice(message) {
  $('notice').hidden = !message;
  text($('notice'), message);
}

function health(kind, message) {
  $('health').className = `pill ${kind}`;
  text($('health-text'), message);
}

function show(s) {
  const now = Date.parse(s.now);
  $('login').hidden = true;
  $('data').hidden = false;
  notice(s.queue.error ? `The queue does not answer: ${s.queue.error}` : '');
  task.setMayAct(s.may_act);
  $('sign').hidden = !s.token_set;
  text($('name'), s.core.name || 'not registered yet');
  text($('version'), s.version);
  text($('updated'), `as of ${moment(s.now)}`);
  tiles(s);
  queue(s, now);
  standing(s, now);
  reasons(s, now);
  recent(s, now);
  const history = s.cpu.history || [];
  plot($('cpu-plot'), `${history.length} ${history.at(-1)?.at}`, parent => cpuPlot(parent, s.cpu, now));
  plot($('days-plot'), JSON.stringify(s.savings.days), parent => daysPlot(parent, s.savings.days));
  text($('keep'), s.savings.keep);
}

// plot draws again only what has changed, lest tips vanish under the pointer.
function plot(parent, version, draw) {
  const key = `${version} ${parent.clientWidth}`;
  if (parent.dataset.drawn === key) return;
  parent.dataset.drawn = key;
  draw(parent);
}

function tiles(s) {
  const { bytes_before: before, bytes_after: after, recordings, since } = s.savings;
  text($('saved'), bytes(before - after));
  text($('saved-more'), recordings ? `${percent(100 * (before - after) / before)} of ${bytes(before)}, ${plural(recordings, 'recording')} since ${since}` : 'nothing converted yet');
  const q = s.queue;
  text($('todo'), q.open ? plural(q.open, 'recording') : 'Nothing');
  let more = 'all recordings are converted';
  if (q.open) more = s.rate.eta === null ? bytes(q.bytes) : `${bytes(q.bytes)}, done in about ${span(s.rate.eta)}`;
  text($('todo-more'), more);
  text($('speed'), s.rate.speed ? `${s.rate.speed.toFixed(1)} ×` : '–');
  text($('speed-more'), s.rate.tasks ? `real time, ${bytes(s.rate.bytes)}/s, ${plural(s.rate.tasks, 'recording')} in the last hour` : 'nothing done in the last hour');
  text($('cpu'), percent(s.cpu.ours));
  text($('cpu-more'), `of the host; others ${percent(s.cpu.others)}, budget ${percent(s.cpu.budget)}`);
}

function queue(s, now) {
  const q = s.queue;
  const waiting = q.open - (q.working || []).length;
  const held = s.cpu.inside ? '' : `Outside of WORK_HOURS (${s.cpu.hours}): ${s.cpu.outside === 'pause' ? 'nothing is begun until then' : 'one task at a time trickles on'}.`;
  $('held').hidden = !held;
  text($('held'), held);
  text($('queue-more'), q.oldest ? `${plural(waiting, 'recording')} waiting, the oldest for ${span((now - Date.parse(q.oldest)) / 1000)}` : '');
  keep($('working'), q.working, v => v.id, v => el('li', {},
    el('div', { class: 'line' }, el('span', { class: 'what' }, task.link(v.id, short(v.id)), el('span', { class: 'muted' })), el('span', { class: 'how' })),
    el('div', { class: 'bar', role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-label': `Session ${v.id}` }, el('span')),
  ), (node, v) => {
    const known = measured(v);
    const part = Math.round(1000 * v.progress) / 10;
    text(node.querySelector('.what .muted'), ` · ${bytes(v.bytes_before)}${v.owner ? ` · ${v.owner}` : ''}`);
    text(node.querySelector('.how'), known ? `${state(v.state)} · ${percent(part)}` : state(v.state));
    const bar = node.querySelector('.bar');
    bar.classList.toggle('unknown', !known);
    bar.firstElementChild.style.width = known ? `${part}%` : '';
    if (known) bar.setAttribute('aria-valuenow', Math.round(part));
    else bar.removeAttribute('aria-valuenow');
    bar.setAttribute('aria-valuetext', known ? percent(part) : state(v.state));
  });
  $('idle').hidden = (q.working || []).length > 0;
  text($('idle'), q.open ? 'Nothing in work at this moment.' : 'Nothing to do.');
  $('waiting-title').hidden = !(q.waiting || []).length;
  text($('waiting-title'), waiting > (q.waiting || []).length ? `Next ${count(q.waiting.length)} of ${count(waiting)}` : 'Next');
  keep($('waiting'), q.waiting, v => v.id, v => el('li', {}, el('span', {}, task.link(v.id, short(v.id)), el('span', { class: 'muted' })), el('span', { class: 'how' })),
    (node, v) => {
      text(node.querySelector('.muted'), ` · ${bytes(v.bytes_before)} · ${v.path.slice(0, 10)}`);
      const due = v.next ? Math.max(0, (Date.parse(v.next) - now) / 1000) : 0;
      text(node.querySelector('.how'), v.state === 'queued' ? state(v.state) : due ? `${state(v.state)}, in ${span(due)}` : state(v.state));
    });
}

// standing lists what the agent depends on, and sums it up in the header.
function standing(s, now) {
  const list = [];
  const since = t => (t ? ` since ${moment(t)}` : '');
  const core = s.core;
  list.push({
    key: 'core', title: 'Core', kind: core.online ? 'good' : core.registered ? 'warn' : 'bad',
    word: core.online ? 'online' : core.registered ? 'registered, not online' : 'not registered',
    more: core.error ? `${core.error}${since(core.error_since)}` : `${core.url}${core.last_beat ? `, heartbeat ${ago(Date.parse(core.last_beat), now)}` : ''}`,
  });
  if (s.volume) {
    const v = s.volume;
    const looked = v.last_poll ? `looked at ${ago(Date.parse(v.last_poll), now)}` : 'not looked at yet';
    const all = v.last_sweep ? `, all days ${ago(Date.parse(v.last_sweep), now)}` : '';
    list.push({
      key: 'volume', title: 'Replay volume', kind: v.available ? 'good' : 'bad', word: v.available ? 'there' : 'unavailable',
      more: v.available ? `${looked}${all}; ${plural(v.files.video || 0, 'MP4')}, ${plural((v.files.original || 0) + (v.files.index || 0), 'original')}` : `${v.reason}${since(v.since)}`,
    });
  } else {
    list.push({ key: 'volume', title: 'Replay volume', kind: '', word: 'none', more: 'REPLAY_DIR is empty' });
  }
  list.push(storage(s.storage, now));
  list.push({
    key: 'uploads', title: 'Uploads', kind: s.uploads.error ? 'bad' : 'good', word: s.uploads.error ? 'refused' : 'taken',
    more: s.uploads.error || 'of Lion and Razor, over HTTP',
  });
  for (const d of s.disks || []) {
    const title = { data: 'Space for work', replay: 'Space on the volume' }[d.holds] || d.holds;
    if (!d.total) {
      list.push({ key: d.holds, title, kind: '', word: 'not known', more: '' });
      continue;
    }
    const free = d.free / d.total;
    list.push({
      key: d.holds, title, kind: free < .03 ? 'bad' : free < .1 ? 'warn' : 'good', word: `${bytes(d.free)} free`,
      more: `of ${bytes(d.total)}${now - Date.parse(d.at) > 120e3 ? `, as of ${ago(Date.parse(d.at), now)}` : ''}`, used: 100 * (1 - free),
    });
  }
  list.push({ key: 'queue', title: 'Queue', kind: s.queue.error ? 'bad' : 'good', word: s.queue.error ? 'does not answer' : 'works', more: s.queue.error || '' });
  keep($('state'), list, i => i.key, () => el('li', {}, el('span', { class: 'dot', 'aria-hidden': 'true' }), el('span', {}, el('strong'), el('span', { class: 'word' })),
    el('span', { class: 'more' }), el('span', { class: 'meter', 'aria-hidden': 'true' }, el('span'))), (node, i) => {
    node.className = i.kind;
    text(node.querySelector('strong'), i.title);
    text(node.querySelector('.word'), ` ${i.word}`);
    text(node.querySelector('.more'), i.more);
    const meter = node.querySelector('.meter');
    meter.hidden = i.used === undefined;
    meter.firstElementChild.style.width = `${i.used || 0}%`;
  });
  const bad = list.filter(i => i.kind === 'bad');
  const warn = list.filter(i => i.kind === 'warn');
  const first = bad[0] || warn[0];
  health(bad.length ? 'bad' : warn.length ? 'warn' : 'good', first ? `${first.title} ${first.word}` : 'All is well');
}

// storage is the row of where MP4s go.
function storage(st, now) {
  const row = { key: 'storage', title: 'Replay storage', kind: st.error ? 'bad' : 'good', word: st.error ? 'unavailable' : 'core\u2019s own', more: st.error || 'MP4s go to core' };
  if (!st.place) return row;
  const looked = st.last_poll ? `, looked at ${ago(Date.parse(st.last_poll), now)}` : '';
  const all = st.last_sweep ? `, all days ${ago(Date.parse(st.last_sweep), now)}` : '';
  const waiting = st.waiting ? `; ${plural(st.waiting, 'recording')} in it to be taken up later` : '';
  if (!st.error) row.word = 'works';
  row.more = `${st.place}${st.error ? `: ${st.error}` : `${looked}${all}${waiting}`}`;
  return row;
}

function reasons(s, now) {
  const list = s.reasons || [];
  $('reasons-card').hidden = !list.length;
  const failed = list.reduce((n, r) => n + r.failed, 0);
  text($('reasons-more'), failed ? `${plural(failed, 'recording')} failed; all originals are where they were` : 'nothing has failed');
  keep($('reasons'), list, r => r.class, r => el('li', {},
    el('div', { class: 'title' }, el('span'), el('span', { class: 'tag failed' }), el('span', { class: 'tag retrying' }), el('span', { class: 'tag settling' }), el('span', { class: 'tag skipped' }), el('span', { class: 'tag done' })),
    el('p', { class: 'hint' }), el('p', { class: 'error' }), el('p', { class: 'who' }),
    el('div', { class: 'act' }, el('button', { class: 'quiet', type: 'button', onclick: e => retry(e.currentTarget, r.class) }, 'Try all again')),
  ), (node, r) => {
    text(node.querySelector('.title span'), r.title);
    for (const [name, n, word] of [['failed', r.failed, 'failed'], ['retrying', r.retrying, 'tried again later'], ['settling', r.waiting, 'waiting'], ['skipped', r.skipped, 'left alone'], ['done', r.done, 'done']]) {
      const tag = node.querySelector(`.tag.${name}`);
      tag.hidden = !n;
      text(tag, `${count(n)} ${word}`);
    }
    const again = r.failed ? ' What failed is not tried again without help.' : r.retried_alone ? ' Tried again without help.' : '';
    text(node.querySelector('.hint'), r.hint + again);
    text(node.querySelector('.error'), `Last, ${ago(Date.parse(r.latest), now)}: ${r.error}`);
    keep(node.querySelector('.who'), r.sessions, id => id, id => task.link(id, short(id)), () => {});
    const button = node.querySelector('.act button');
    button.setAttribute('aria-label', `Try all again: ${r.title}`);
    button.parentElement.hidden = !s.may_act || r.done > 0 && !(r.failed || r.retrying || r.waiting || r.skipped);
  });
}

async function retry(button, reason) {
  button.disabled = true;
  try {
    const { retried } = await call(`retry?reason=${encodeURIComponent(reason)}`, 'POST');
    text(button, `${plural(retried, 'task')} tried again`);
  } catch (e) {
    notice(e.message);
  }
  setTimeout(() => {
    button.disabled = false;
    text(button, 'Try all again');
  }, 4000);
  look();
}

function recent(s, now) {
  $('recent-empty').hidden = (s.recent || []).length > 0;
  keep($('recent'), s.recent, v => v.id, v => el('tr', {},
    el('td', {}, task.link(v.id, short(v.id))), el('td', {}, el('span', { class: 'tag' })),
    ...['before', 'after', 'saved', 'length', 'ended'].map(c => el('td', { class: `num ${c}` }))), (node, v) => {
    const tag = node.querySelector('.tag');
    tag.className = `tag ${v.state}`;
    text(tag, state(v.state));
    text(node.querySelector('.before'), bytes(v.bytes_before));
    text(node.querySelector('.after'), v.bytes_after ? bytes(v.bytes_after) : '');
    text(node.querySelector('.saved'), v.bytes_after ? percent(v.saved_percent || 0) : '');
    text(node.querySelector('.length'), v.duration_ms ? span(v.duration_ms / 1000) : '');
    text(node.querySelector('.ended'), ago(Date.parse(v.updated), now));
  });
}

$('login-form').addEventListener('submit', e => {
  e.preventDefault();
  setToken($('token').value.trim());
  $('token').value = '';
  asking = false;
  look();
});

$('sign').addEventListener('click', () => askToken(''));

$('find').addEventListener('submit', e => {
  e.preventDefault();
  task.open($('find-id').value.trim().toLowerCase());
});

document.addEventListener('visibilitychange', () => { if (!document.hidden && !asking) look(); });
addEventListener('resize', () => { if (last && !$('data').hidden) show(last); });

task.setUp(look);
await look();
const asked = location.hash.slice(1);
if (/^[0-9a-f-]{36}$/.test(asked) && $('login').hidden) task.open(asked);
