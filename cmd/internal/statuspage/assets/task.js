// The dialogue with one session: its facts and its log.

import { call } from './api.js';
import { $, el, text } from './dom.js';
import { bytes, count, measured, moment, span, state } from './text.js';

let shown = '';
let logless = ''; // session and state without a log here: it is not asked for again
let mayAct = false;

export function setMayAct(may) {
  mayAct = may;
}

export const link = (id, label) => el('button', { class: 'link', type: 'button', onclick: () => open(id) }, label);

// open shows a session. Its id stays in the address, so that it can be passed on.
export async function open(id) {
  shown = id;
  logless = '';
  history.replaceState(null, '', `#${id}`);
  text($('task-id'), id);
  text($('task-said'), '');
  text($('task-log'), '');
  $('task-facts').replaceChildren();
  $('task-retry').hidden = true;
  if (!$('task').open) $('task').showModal();
  await refresh();
}

async function refresh() {
  const id = shown;
  const path = `tasks/${encodeURIComponent(id)}`;
  let now = id;
  try {
    const v = await call(path);
    if (id !== shown) return;
    facts(v);
    now = `${id} ${v.state}`;
    if (now === logless) return;
    const log = await call(`${path}/log`);
    if (id === shown) showLog(log);
  } catch (e) {
    if (id !== shown) return;
    logless = now;
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
  const rows = [
    ['State', measured(v) ? `${state(v.state)}, ${Math.round(100 * v.progress)} %` : state(v.state)],
    ['Reason', v.error && `${v.error}`],
    ['Recording', v.path && `${v.path}, ${bytes(v.bytes_before)}`],
    ['MP4', v.bytes_after && `${bytes(v.bytes_after)} (${Math.round(v.saved_percent || 0)} % smaller), ${v.width} × ${v.height}, ${span(v.duration_ms / 1000)}, ${count(v.frames)} frames`],
    ['Speed', v.speed && `${v.speed.toFixed(1)} × real time`],
    ['Attempts', v.attempt > 1 && String(v.attempt)],
    ['Next try', v.next && moment(v.next)],
    ['Originals', v.originals && v.originals.join(', ')],
    ['Warnings', v.warnings && v.warnings.join('; ')],
    ['Found', moment(v.created)],
    ['Last change', moment(v.updated)],
  ];
  $('task-facts').replaceChildren(...rows.filter(([, value]) => value).flatMap(([k, value]) => [el('dt', {}, k), el('dd', {}, value)]));
  $('task-retry').hidden = !mayAct || !['failed', 'skipped', 'retrying', 'settling', 'done'].includes(v.state);
}

export function setUp(onChange) {
  $('task').addEventListener('close', () => {
    shown = '';
    history.replaceState(null, '', location.pathname + location.search);
  });
  $('task-retry').addEventListener('click', async () => {
    $('task-retry').disabled = true;
    try {
      await call(`tasks/${encodeURIComponent(shown)}/retry`, 'POST');
      await refresh();
      text($('task-said'), 'It is tried again.');
      onChange();
    } catch (e) {
      text($('task-said'), e.message);
    }
    $('task-retry').disabled = false;
  });
  setInterval(() => { if (shown && !document.hidden && $('task').open) refresh(); }, 3000);
}
