// The list of sessions, with filters, search, pages, and export to files.

import { call, received, request, save } from './api.js';
import { $, busy, el, isBusy, text, updateChildren } from './dom.js';
import { bytes, minute, percent, span, t } from './i18n.js';
import * as task from './task.js';
import { length, reason, short, state } from './text.js';

const limit = 50;
const pollInterval = 10000; // ms from a response to the next request for the first page
const states = ['queued', 'rendering', 'verifying', 'uploading', 'confirming', 'retiring', 'settling', 'retrying', 'failed', 'done', 'skipped'];
const working = states.slice(1, 6);
const choices = { '': states.filter(s => s !== 'skipped'), all: [], open: ['queued', 'settling', 'retrying', ...working], working };
const fields = ['q', 'state', 'reason', 'from', 'to', 'user', 'asset', 'incomplete'];

let rows = [];
let next = ''; // the cursor of the next page
let shown = false;
let lastRequest = 0; // number of the last request; responses to earlier requests are ignored
let timer = 0;
let notify = () => {};
let reasons = [];
let mayAct = false;

const field = name => $(`by-${name}`);
const value = name => (field(name).type === 'checkbox' ? (field(name).checked ? '1' : '') : field(name).value.trim());

// startOfDay returns the start of a day in the browser's time zone, or of the day that is
// later by a number of days, as ISO 8601.
function startOfDay(date, later = 0) {
  const [y, m, d] = date.split('-').map(Number);
  return new Date(y, m - 1, d + later).toISOString();
}

// query returns the parameters of the request.
function query() {
  const q = new URLSearchParams();
  const chosen = value('state');
  const list = chosen in choices ? choices[chosen] : [chosen];
  // If there is a reason or a text, the default choice includes skipped tasks.
  if (list.length && !(chosen === '' && (value('reason') || value('q')))) q.set('state', list.join(','));
  for (const name of ['q', 'reason', 'user', 'asset', 'incomplete']) if (value(name)) q.set(name, value(name));
  if (value('from')) q.set('from', startOfDay(value('from')));
  if (value('to')) q.set('to', startOfDay(value('to'), 1));
  return q;
}

async function load(more) {
  clearTimeout(timer);
  const number = ++lastRequest;
  const q = query();
  q.set('limit', limit);
  if (more) q.set('cursor', next);
  $('list').setAttribute('aria-busy', 'true');
  try {
    const response = await request(`tasks?${q}`);
    const page = await received(response.json());
    if (number !== lastRequest) return;
    rows = more ? rows.concat(page) : page;
    next = response.headers.get('Next-Cursor') || '';
    show(Number(response.headers.get('Total-Count')));
  } catch (e) {
    if (number === lastRequest) notify(e.message);
  }
  $('list').setAttribute('aria-busy', 'false');
  if (shown && rows.length <= limit) timer = setTimeout(() => (document.hidden ? reload() : load(false)), pollInterval);
}

// retry retries the failed and waiting tasks that the filters select.
async function retry(button, accept) {
  const q = query();
  if (!q.size) q.set('state', 'failed,retrying,settling');
  if (accept) q.set('accept', 'incomplete');
  if (isBusy(button)) return;
  busy(button, true);
  try {
    const { retried } = await call(`retry?${q}`, { method: 'POST' });
    await load(false);
    text($('list-more'), `${t('page.retried', { n: retried })}. ${$('list-more').textContent}`);
  } catch (e) {
    notify(e.message);
  }
  busy(button, false);
}

// setUpFor shows the buttons that the user is allowed to use.
export function setUpFor(may) {
  mayAct = may;
  showButtons();
}

function showButtons() {
  $('retry-shown').hidden = !mayAct;
  $('accept-shown').hidden = !mayAct || value('reason') !== 'incomplete';
}

function show(total) {
  showButtons();
  text($('list-more'), t('page.list_count', { shown: rows.length, n: total }));
  $('list-empty').hidden = rows.length > 0;
  $('more').hidden = !next;
  updateChildren($('list'), rows, v => `${v.id} ${v.state === 'settling'}`, row, update);
}

// row returns the table row of a session; the report uses it, too.
export function row(v) {
  const known = v.state && !(v.state === 'settling' && !v.reason); // a recording that is not queued yet has no details
  return el('tr', {},
    el('td', {}, known ? task.link(v.id, short(v.id)) : short(v.id), el('div', { class: 'muted small when' })),
    el('td', { class: 'wide' }, el('bdi', { class: 'user' }), el('div', { class: 'muted small' }, el('bdi', { class: 'asset' }))),
    el('td', { class: 'wide' }, el('span', { class: 'tag' }), el('div', { class: 'muted small why' })),
    el('td', { class: 'num length' }),
    el('td', { class: 'num size' }, el('span', { class: 'sizes' }), el('div', { class: 'muted small saved' })));
}

function update(node, v) {
  const tag = node.querySelector('.tag');
  tag.className = `tag ${v.state}`;
  text(tag, state(v.state));
  showSession(node, v);
  text(node.querySelector('.why'), v.reason ? reason(v.reason) : v.incomplete ? v.incomplete[0] : '');
  showSizes(node, v);
}

// showSession shows core's data about a session in its row.
export function showSession(node, v) {
  const s = v.session;
  text(node.querySelector('.when'), s ? minute(s.start) : v.path ? v.path.slice(0, 10) : '');
  text(node.querySelector('.user'), s ? s.user || '–' : '');
  text(node.querySelector('.asset'), s ? [s.asset, s.account, s.protocol].filter(Boolean).join(' · ') : '');
  text(node.querySelector('.length'), length(s) ? span(length(s)) : '');
}

// showSizes shows the sizes of a session's recording and MP4 in its row.
export function showSizes(node, v) {
  text(node.querySelector('.sizes'), v.bytes_before ? v.bytes_after ? `${bytes(v.bytes_before)} → ${bytes(v.bytes_after)}` : bytes(v.bytes_before) : '');
  text(node.querySelector('.saved'), v.bytes_after && v.bytes_before ? t('page.saved_percent', { percent: percent(100 * (v.bytes_before - v.bytes_after) / v.bytes_before) }) : '');
}

// updateAddress writes the filters into the page's address, so that users can share it.
function updateAddress() {
  const q = new URLSearchParams();
  for (const name of fields) if (value(name)) q.set(name, value(name));
  const hash = `#sessions${q.size ? `?${q}` : ''}`;
  if (location.hash !== hash) history.replaceState(null, '', hash);
}

function showOptions() {
  const select = field('state');
  const selected = select.value;
  select.replaceChildren(...['', 'all', 'open', 'working'].map(c => el('option', { value: c }, t(`page.choice_${c || 'some'}`))),
    ...states.filter(s => !working.includes(s)).map(s => el('option', { value: s }, state(s))));
  select.value = selected;
  showReasonOptions(true);
}

function showReasonOptions(force) {
  const select = field('reason');
  const selected = select.value;
  const list = [...new Set(selected ? [selected, ...reasons] : reasons)].sort();
  if (!force && select.dataset.list === list.join()) return;
  select.dataset.list = list.join();
  select.replaceChildren(el('option', { value: '' }, t('page.any_reason')), ...list.map(r => el('option', { value: r }, reason(r))));
  select.value = selected;
}

export function setReasons(list) {
  reasons = list;
  if (document.activeElement !== field('reason')) showReasonOptions(false);
}

// setShown starts or stops polling the list. It sets the filters from the parameters in the
// page's address.
export function setShown(now, parameters) {
  shown = Boolean(now);
  clearTimeout(timer);
  if (!shown) return;
  const q = new URLSearchParams(parameters || '');
  const wanted = q.get('reason');
  if (wanted && !reasons.includes(wanted)) reasons = [...reasons, wanted];
  showOptions();
  for (const name of fields) {
    if (field(name).type === 'checkbox') field(name).checked = q.get(name) === '1';
    else field(name).value = q.get(name) || '';
  }
  $('more-filters').open = $('more-filters').open || fields.slice(2).some(value);
  load(false);
}

// reload loads the list again, for example after the language was changed.
export function reload() {
  if (!shown) return;
  showOptions();
  load(false);
}

export function setUp(notice, onChange) {
  notify = notice;
  for (const [name, accept] of [['retry-shown', false], ['accept-shown', true]]) {
    $(name).addEventListener('click', async () => {
      await retry($(name), accept);
      onChange();
    });
  }
  let typing = 0;
  const changed = () => { updateAddress(); load(false); };
  $('filters').addEventListener('submit', async e => {
    e.preventDefault();
    clearTimeout(typing);
    updateAddress();
    await load(false);
    if (rows.length === 1 && value('q')) task.open(rows[0].id); // the only result
  });
  $('filters').addEventListener('input', e => {
    clearTimeout(typing);
    typing = setTimeout(changed, e.target.matches('[type=search], [type=text]') ? 300 : 0);
  });
  $('filters').addEventListener('reset', () => setTimeout(changed));
  $('more').addEventListener('click', () => load(true));
  for (const kind of ['csv', 'json']) {
    $(`save-${kind}`).addEventListener('click', async e => {
      if (isBusy(e.target)) return;
      busy(e.target, true);
      const q = query();
      if (kind === 'csv') q.set('format', 'csv');
      await save(`tasks?${q}`, `sessions.${kind}`).catch(x => notice(x.message));
      busy(e.target, false);
    });
  }
}
