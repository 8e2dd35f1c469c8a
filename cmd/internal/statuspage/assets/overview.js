// The overview of what the agent does now: figures, queue, reasons, and recently ended
// tasks.

import { call } from './api.js';
import { $, busy, el, isBusy, text, updateChildren } from './dom.js';
import { ago, bytes, day, decimal, percent, span, t, translate } from './i18n.js';
import { cpuPlot, daysPlot } from './plot.js';
import { agentState } from './standing.js';
import { steering } from './steering.js';
import * as task from './task.js';
import { length, measured, reason, short, state, who } from './text.js';

// overview shows a status, and returns the state of the agent as a whole. now is in ms.
// callbacks are the functions notice, which shows a message, and poll.
export function overview(s, now, callbacks) {
  tiles(s);
  queue(s, now);
  steering(s);
  const overall = agentState(s, now);
  reasons(s, now, callbacks);
  recent(s, now);
  const history = s.cpu.history || [];
  plot($('cpu-plot'), `${history.length} ${history.at(-1)?.at}`, parent => cpuPlot(parent, s.cpu, now));
  plot($('days-plot'), JSON.stringify(s.savings.days), parent => daysPlot(parent, s.savings.days));
  text($('keep'), translate(s.savings.keep));
  return overall;
}

// plot calls draw only if the data, the width or the language has changed, so that tooltips
// under the pointer stay.
function plot(parent, version, draw) {
  const key = `${version} ${parent.clientWidth} ${document.documentElement.lang}`;
  if (parent.dataset.drawn === key || !parent.clientWidth) return;
  parent.dataset.drawn = key;
  draw(parent);
}

function tiles(s) {
  const { bytes_before: before, bytes_after: after, recordings, since } = s.savings;
  text($('saved'), bytes(before - after));
  text($('saved-more'), recordings ? t('page.saved_more', { percent: percent(100 * (before - after) / before), before: { bytes: before }, n: recordings, since: day(since) }) : t('page.saved_none'));
  const q = s.queue;
  text($('todo'), q.open ? t('page.recordings', { n: q.open }) : t('page.nothing'));
  let more = t('page.todo_none');
  if (q.open) more = s.rate.eta === null ? bytes(q.bytes) : t('page.todo_more', { size: { bytes: q.bytes }, eta: { seconds: s.rate.eta } });
  if (q.active) more += ` ${t('page.active', { n: q.active })}`;
  text($('todo-more'), more);
  text($('speed'), s.rate.speed ? `${decimal(s.rate.speed, 1)} ×` : '–');
  const delay = s.rate.delay === null ? '' : ` ${t('page.delay', { span: { seconds: s.rate.delay } })}`;
  text($('speed-more'), (s.rate.tasks ? t('page.speed_more', { rate: { bytes: s.rate.bytes }, n: s.rate.tasks }) : t('page.speed_none')) + delay);
  text($('cpu'), percent(s.cpu.ours));
  text($('cpu-more'), t('page.cpu_more', { others: percent(s.cpu.others), budget: percent(s.cpu.budget) }));
}

// waitsForCPU reports whether a task waits only for CPU time.
function waitsForCPU(v, cpu) {
  return !cpu.paused && (v.state === 'queued' || (v.state === 'rendering' && !v.progress)) && (cpu.speed < .15 || cpu.budget < 3);
}

function queue(s, now) {
  const q = s.queue;
  const waiting = q.open - (q.working || []).length;
  const held = s.cpu.inside ? '' : t(s.cpu.outside === 'pause' ? 'page.hours_pause' : 'page.hours_trickle', { hours: s.cpu.hours });
  $('held').hidden = !held;
  text($('held'), held);
  text($('queue-more'), q.oldest ? t('page.queue_more', { n: waiting, span: { seconds: (now - Date.parse(q.oldest)) / 1000 } }) : '');
  updateChildren($('working'), q.working, v => v.id, v => el('li', {},
    el('div', { class: 'line' }, el('span', { class: 'what' }, task.link(v.id, short(v.id)), el('bdi', { class: 'muted' })), el('span', { class: 'how' })),
    el('div', { class: 'bar', role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': 100 }, el('span')),
  ), (node, v) => {
    const known = measured(v);
    const part = Math.round(1000 * v.progress) / 10;
    const doing = s.cpu.paused ? t('page.is_paused') : waitsForCPU(v, s.cpu) ? t('page.waits_for_cpu') : state(v.state);
    text(node.querySelector('bdi'), [bytes(v.bytes_before), who(v), v.owner].filter(Boolean).map(p => ` · ${p}`).join(''));
    text(node.querySelector('.how'), known ? `${doing} · ${percent(part)}` : doing);
    const bar = node.querySelector('.bar');
    bar.classList.toggle('unknown', !known);
    bar.firstElementChild.style.width = known ? `${part}%` : '';
    bar.setAttribute('aria-label', t('page.session', { id: v.id }));
    if (known) bar.setAttribute('aria-valuenow', Math.round(part));
    else bar.removeAttribute('aria-valuenow');
    bar.setAttribute('aria-valuetext', known ? percent(part) : doing);
  });
  $('idle').hidden = (q.working || []).length > 0;
  text($('idle'), t(q.open ? 'page.idle_now' : 'page.idle'));
  const next = q.waiting || [];
  $('waiting-title').hidden = !next.length;
  text($('waiting-title'), waiting > next.length ? t('page.next_of', { shown: next.length, total: waiting }) : t('page.next'));
  updateChildren($('waiting'), next, v => `${v.id} ${v.state}`, v => el('li', {}, el('span', {}, task.link(v.id, short(v.id)), el('bdi', { class: 'muted' })), el('span', { class: 'how' })),
    (node, v) => {
      text(node.querySelector('bdi'), [bytes(v.bytes_before), who(v) || v.path.slice(0, 10)].map(p => ` · ${p}`).join(''));
      const due = v.next ? Math.max(0, (Date.parse(v.next) - now) / 1000) : 0;
      text(node.querySelector('.how'), v.state !== 'queued' && due ? t('page.state_in', { state: state(v.state), span: { seconds: due } }) : state(v.state));
    });
}

const kinds = ['failed', 'retrying', 'waiting', 'skipped', 'done'];

// reasons shows the reasons that may need attention. A separate list has those for which
// tasks were only skipped, because these may be many.
function reasons(s, now, callbacks) {
  const list = s.reasons || [];
  const skippedOnly = list.filter(r => r.skipped && !(r.failed || r.retrying || r.waiting || r.done));
  const attention = list.filter(r => !skippedOnly.includes(r));
  $('reasons-card').hidden = !attention.length;
  const failed = list.reduce((n, r) => n + r.failed, 0);
  text($('reasons-more'), failed ? t('page.failed_more', { n: failed }) : t('page.failed_none'));
  reasonList($('reasons'), attention, s, now, callbacks);
  $('left-card').hidden = !skippedOnly.length;
  text($('left-more'), t('page.left_more', { n: skippedOnly.reduce((n, r) => n + r.skipped, 0) }));
  reasonList($('left'), skippedOnly, s, now, callbacks);
}

function reasonList(parent, list, s, now, callbacks) {
  updateChildren(parent, list, r => r.class, r => el('li', {},
    el('div', { class: 'title' }, el('span'), ...kinds.map(k => el('span', { class: `tag ${k === 'waiting' ? 'settling' : k}`, 'data-kind': k }))),
    el('p', { class: 'hint' }), el('p', { class: 'error' }), el('p', { class: 'who' }),
    el('div', { class: 'act' }, el('button', { class: 'quiet', type: 'button', onclick: e => retry(e.currentTarget, r.class, callbacks) }),
      el('a', { class: 'all', href: `#sessions?reason=${r.class}` })),
  ), (node, r) => {
    text(node.querySelector('.title span'), reason(r.class));
    for (const kind of kinds) {
      const tag = node.querySelector(`[data-kind=${kind}]`);
      tag.hidden = !r[kind];
      text(tag, t(`page.count_${kind}`, { n: r[kind] }));
    }
    const again = r.failed ? t('page.not_alone') : r.retried_alone ? t('page.alone') : '';
    text(node.querySelector('.hint'), [t(`hint.${r.class}`), again].filter(Boolean).join(' '));
    text(node.querySelector('.error'), t('page.last_error', { ago: ago(Date.parse(r.latest), now), error: r.error }));
    updateChildren(node.querySelector('.who'), r.sessions, id => id, id => task.link(id, short(id)), () => {});
    const all = node.querySelector('.all');
    text(all, t('page.show_all'));
    all.setAttribute('aria-label', t('page.show_all_of', { reason: reason(r.class) }));
    const button = node.querySelector('.act button');
    if (!isBusy(button)) text(button, t('page.retry_all'));
    button.setAttribute('aria-label', t('page.retry_all_of', { reason: reason(r.class) }));
    button.hidden = !s.may_act || r.done > 0 && !(r.failed || r.retrying || r.waiting || r.skipped);
  });
}

async function retry(button, class_, callbacks) {
  if (isBusy(button)) return;
  busy(button, true);
  try {
    const { retried } = await call(`retry?reason=${encodeURIComponent(class_)}`, { method: 'POST' });
    text(button, t('page.retried', { n: retried }));
  } catch (e) {
    callbacks.notice(e.message);
  }
  setTimeout(() => {
    busy(button, false);
    text(button, t('page.retry_all'));
  }, 4000);
  callbacks.poll();
}

function recent(s, now) {
  $('recent-empty').hidden = (s.recent || []).length > 0;
  updateChildren($('recent'), s.recent, v => v.id, v => el('tr', {},
    el('td', {}, task.link(v.id, short(v.id))), el('td', { class: 'wide' }, el('bdi')), el('td', {}, el('span', { class: 'tag' })),
    ...['before', 'after', 'saved', 'length', 'ended'].map(c => el('td', { class: `num ${c}` }))), (node, v) => {
    const tag = node.querySelector('.tag');
    tag.className = `tag ${v.state}`;
    text(tag, state(v.state));
    text(node.querySelector('bdi'), who(v));
    text(node.querySelector('.before'), bytes(v.bytes_before));
    text(node.querySelector('.after'), v.bytes_after ? bytes(v.bytes_after) : '');
    text(node.querySelector('.saved'), v.bytes_after ? percent(v.saved_percent || 0) : '');
    const seconds = length(v.session) || (v.duration_ms || 0) / 1000;
    text(node.querySelector('.length'), seconds ? span(seconds) : '');
    text(node.querySelector('.ended'), ago(Date.parse(v.updated), now));
  });
}
