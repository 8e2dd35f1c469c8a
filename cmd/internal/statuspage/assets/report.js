// The report: which sessions of a period have a video.

import { call, save } from './api.js';
import { $, busy, el, isBusy, text, updateChildren } from './dom.js';
import { bytes, count, percent, t } from './i18n.js';
import { row, showSession, showSizes } from './sessions.js';
import { reason } from './text.js';

const maxRows = 200;
let result = null;

const isoDate = d => `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, '0')}-${String(d.getDate()).padStart(2, '0')}`;

// month returns the first and the last day of a month: 0 is this month, whose last day is
// today, and 1 the month before.
function month(before) {
  const now = new Date();
  return [isoDate(new Date(now.getFullYear(), now.getMonth() - before, 1)), isoDate(before ? new Date(now.getFullYear(), now.getMonth() - before + 1, 0) : now)];
}

function setPeriod([from, to]) {
  $('report-from').value = from;
  $('report-to').value = to;
}

// query returns the period as parameters of the request: from the start of the first day to
// the end of the last day, in the browser's time zone.
function query() {
  const [from, to] = ['report-from', 'report-to'].map(id => $(id).value.split('-').map(Number));
  return new URLSearchParams({ from: new Date(from[0], from[1] - 1, from[2]).toISOString(), to: new Date(to[0], to[1] - 1, to[2] + 1).toISOString() });
}

export function open() {
  if (!$('report-from').value) setPeriod(month(0));
}

function show() {
  const r = result;
  $('report-result').hidden = !r;
  if (!r) return;
  $('report-source').hidden = r.source === 'core';
  text($('report-source'), r.source === 'core' ? '' : t('report.of_tasks', { error: r.problem || '' }));
  text($('report-sessions'), count(r.sessions));
  text($('report-sessions-more'), [r.active && t('report.active', { n: r.active }), r.text && t('report.text', { n: r.text })].filter(Boolean).join(' '));
  text($('report-video'), count(r.video));
  text($('report-video-more'), r.sessions ? percent(Math.floor(100 * r.video / r.sessions)) : '');
  text($('report-without'), count(r.without));
  text($('report-without-more'), t(r.without ? 'report.without_more' : 'report.without_none'));
  text($('report-saved'), bytes(r.bytes_before - r.bytes_after));
  text($('report-saved-more'), `${bytes(r.bytes_before)} → ${bytes(r.bytes_after)}`);
  text($('report-incomplete'), r.incomplete ? t('report.incomplete', { n: r.incomplete }) : '');
  updateChildren($('report-why'), r.why, w => w.reason, () => el('li', {}, el('span'), el('span', { class: 'how' })), (node, w) => {
    text(node.firstElementChild, reason(w.reason));
    text(node.lastElementChild, count(w.count));
  });
  const list = r.rows.filter(x => !x.video || x.incomplete);
  $('report-table').hidden = !list.length;
  text($('report-rows-more'), r.without + r.incomplete > list.length ? t('report.first', { shown: list.length, n: r.without + r.incomplete }) : '');
  updateChildren($('report-rows'), list, x => x.id, row, (node, x) => {
    const tag = node.querySelector('.tag');
    tag.className = `tag ${x.video ? 'settling' : 'failed'}`;
    text(tag, t(x.video ? 'report.row_incomplete' : 'report.row_without'));
    text(node.querySelector('.why'), x.reason ? reason(x.reason) : '');
    showSession(node, x);
    showSizes(node, x);
  });
}

// redraw shows the report again, after the language was changed.
export const redraw = show;

export function setUp(notice) {
  $('report-form').addEventListener('submit', async e => {
    e.preventDefault();
    const button = $('report-make');
    if (isBusy(button)) return;
    busy(button, true);
    text($('report-said'), t('report.asking'));
    try {
      const q = query();
      q.set('limit', maxRows);
      result = await call(`report?${q}`, { timeout: 600000 });
      text($('report-said'), '');
      show();
    } catch (x) {
      text($('report-said'), x.message);
    }
    busy(button, false);
  });
  for (const [id, before] of [['report-this', 0], ['report-last', 1]]) $(id).addEventListener('click', () => setPeriod(month(before)));
  for (const kind of ['csv', 'json']) {
    $(`report-${kind}`).addEventListener('click', async e => {
      if (isBusy(e.target)) return;
      busy(e.target, true);
      const q = query();
      if (kind === 'csv') q.set('format', 'csv');
      await save(`report?${q}`, `report-${$('report-from').value}-${$('report-to').value}.${kind}`).catch(x => notice(x.message));
      busy(e.target, false);
    });
  }
}
