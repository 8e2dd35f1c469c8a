// The dialog of one session: its facts and its log.

import { call } from './api.js';
import { $, busy, el, isBusy, text } from './dom.js';
import { bytes, decimal, minute, moment, percent, span, t } from './i18n.js';
import { length, measured, reason, state } from './text.js';

let shown = '';
let hashBefore = ''; // the address's fragment before the dialog was opened
let withoutLog = ''; // id and state of a task without a log on this agent: the log is not requested again
const actions = ['retry', 'next', 'accept', 'restore']; // as in the ids of their buttons
let mayAct = false;
let jumpserver = ''; // JumpServer's address for browsers

export function setUpFor(may, address) {
  mayAct = may;
  jumpserver = address;
}

export const link = (id, label) => el('button', { class: 'link', type: 'button', onclick: () => open(id) }, label);

// replayURL returns the address at which JumpServer plays a session; '' if unknown.
const replayURL = id => (jumpserver ? `${jumpserver}/luna/replay/${id}` : '');

// open shows the session with this id, or with an id that begins with it. The id is also in
// the page's address, so that users can share it.
export async function open(id) {
  if (!shown) hashBefore = /^#[0-9a-f]{4}[0-9a-f-]*$/i.test(location.hash) ? '' : location.hash;
  shown = id.toLowerCase();
  withoutLog = '';
  history.replaceState(null, '', `#${shown}`);
  text($('task-id'), shown);
  text($('task-said'), '');
  text($('task-log'), '');
  $('task-facts').replaceChildren();
  for (const name of actions) $(`task-${name}`).hidden = true;
  $('task-play').hidden = true;
  if (!$('task').open) $('task').showModal();
  await refresh();
}

async function refresh() {
  const id = shown;
  if (!id) return; // the dialog was closed meanwhile
  const path = `tasks/${encodeURIComponent(id)}`;
  let now = id;
  try {
    const v = await call(path);
    if (id !== shown) return;
    facts(v);
    now = `${id} ${v.state}`;
    if (now === withoutLog) return;
    const log = await call(`${path}/log`);
    if (id === shown) showLog(log);
  } catch (e) {
    if (id !== shown) return;
    withoutLog = now;
    showLog(e.message);
  }
}

function showLog(log) {
  const pre = $('task-log');
  const atEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8;
  text(pre, log);
  if (atEnd) pre.scrollTop = pre.scrollHeight;
}

function facts(v) {
  const s = v.session || {};
  text($('task-id'), v.id);
  const rows = [
    ['user', s.user], ['asset', s.asset], ['account', s.account], ['protocol', s.protocol],
    ['started', s.start && minute(s.start)],
    ['length', length(s) && span(length(s))],
    ['state', measured(v) ? `${state(v.state)}, ${percent(100 * v.progress)}` : state(v.state)],
    ['reason', v.reason && reason(v.reason)],
    ['todo', v.reason && t(`hint.${v.reason}`)],
    ['error', v.error],
    ['recording', v.path && `${v.path}, ${bytes(v.bytes_before)}`],
    ['mp4', v.bytes_after && t('page.mp4', { size: { bytes: v.bytes_after }, saved: percent(v.saved_percent || 0), width: String(v.width), height: String(v.height), length: { seconds: v.duration_ms / 1000 }, frames: v.frames })],
    ['incomplete', v.incomplete && v.incomplete.join('; ')],
    ['speed', v.speed && t('page.real_time', { speed: decimal(v.speed, 1) })],
    ['attempts', v.attempt > 1 && String(v.attempt)],
    ['next_try', v.next && moment(v.next)],
    ['originals', v.originals && v.originals.join(', ')],
    ['warnings', v.warnings && v.warnings.join('; ')],
    ['found', moment(v.created)],
    ['changed', moment(v.updated)],
  ];
  $('task-facts').replaceChildren(...rows.filter(([, value]) => value).flatMap(([k, value]) => [el('dt', {}, t(`page.fact_${k}`)), el('dd', {}, el('bdi', {}, value))]));
  const may = {
    retry: ['failed', 'skipped', 'retrying', 'settling', 'done'].includes(v.state),
    next: ['queued', 'failed', 'retrying', 'settling'].includes(v.state),
    accept: v.reason === 'incomplete' && v.state !== 'done',
    restore: v.state === 'done' && Boolean(v.originals),
  };
  for (const name of actions) $(`task-${name}`).hidden = !(mayAct && may[name]);
  const play = replayURL(v.id);
  $('task-play').hidden = !play;
  if (play) $('task-play').href = play;
}

export function setUp(onChange) {
  $('task').addEventListener('close', () => {
    shown = '';
    history.replaceState(null, '', location.pathname + location.search + hashBefore);
  });
  const calls = { retry: id => `tasks/${id}/retry`, next: id => `tasks/${id}/next`, accept: id => `tasks/${id}/retry?accept=incomplete`, restore: id => `trash/${id}/restore` };
  const messages = { retry: 'page.is_retried', next: 'page.is_next', accept: 'page.is_retried', restore: 'page.is_restored' };
  for (const name of actions) {
    const button = $(`task-${name}`);
    button.addEventListener('click', async () => {
      if (isBusy(button)) return;
      busy(button, true);
      try {
        await call(calls[name](encodeURIComponent(shown)), { method: 'POST', timeout: 600000 });
        await refresh();
        text($('task-said'), t(messages[name]));
        onChange();
      } catch (e) {
        text($('task-said'), e.message);
      }
      busy(button, false);
    });
  }
  setInterval(() => { if (shown && !document.hidden && $('task').open) refresh(); }, 3000);
}
