// What an operator changes while the agent runs: pause, CPU target, workers.

import { call } from './api.js';
import { $, busy, isBusy, text } from './dom.js';
import { minute, percent, t } from './i18n.js';

let callbacks = { notice: () => {}, poll: () => {} };
let pending = false; // a request is in progress

// steering shows the current settings, and the controls to change them if this is permitted.
export function steering(s) {
  const now = s.steering;
  const may = s.may_act && Boolean(now);
  const paused = now && now.paused;
  $('pause').hidden = !may;
  text($('pause'), t(paused ? 'page.resume' : 'page.pause'));
  $('pause').dataset.paused = paused ? '0' : '1';
  $('paused').hidden = !paused;
  if (paused) text($('paused'), t('page.paused', { since: minute(paused.since), by: paused.by }));
  $('limits').hidden = !may;
  $('limits-now').hidden = !now;
  if (!now) return;
  const target = now.cpu_target || now.configured_cpu_target;
  const workers = now.workers || now.configured_workers;
  const set = now.cpu_target || now.workers;
  text($('limits-now'), `${t('page.limits', { target: percent(target), n: workers })}${set ? ` ${t('page.limits_set', { target: percent(now.configured_cpu_target), workers: String(now.configured_workers) })}` : ''}`);
  $('limits-default').hidden = !set;
  $('limit-workers').max = now.max_workers;
  // Do not overwrite what the user is typing.
  if ($('limits').contains(document.activeElement) || pending) return;
  $('limit-cpu').value = target;
  $('limit-workers').value = workers;
}

// change sends new settings to the agent, shows an error if there is one, and polls the status.
async function change(query) {
  pending = true;
  try {
    await call(`steering?${new URLSearchParams(query)}`, { method: 'POST' });
    callbacks.notice('');
  } catch (e) {
    callbacks.notice(e.message);
  }
  pending = false;
  callbacks.poll();
}

export function setUp(functions) {
  callbacks = functions;
  $('pause').addEventListener('click', async e => {
    if (isBusy(e.target)) return;
    busy(e.target, true);
    await change({ paused: e.target.dataset.paused });
    busy(e.target, false);
  });
  $('limits').addEventListener('submit', async e => {
    e.preventDefault();
    document.activeElement.blur();
    await change({ cpu_target: $('limit-cpu').value, workers: $('limit-workers').value });
  });
  $('limits-default').addEventListener('click', () => change({ cpu_target: 0, workers: 0 }));
}
