// The status page: polls the agent's status and shows it.

import { Unauthorized, call, setToken, token } from './api.js';
import { $, el, text } from './dom.js';
import { lang, langs, moment, setLanguage, t } from './i18n.js';
import { overview } from './overview.js';
import * as report from './report.js';
import * as steering from './steering.js';
import * as sessions from './sessions.js';
import * as task from './task.js';

const pollInterval = 2000; // ms from a response to the next request
const hiddenPollInterval = 30000; // the same while the page is hidden
let timer = 0;
let last = null;
let signingIn = false; // the page shows only the sign-in form
let card = 'state-card'; // id of the card that explains the state of the agent

async function poll() {
  clearTimeout(timer);
  const used = token();
  const outdated = () => signingIn || token() !== used; // a new token is used by another poll
  try {
    const status = await call('status');
    if (outdated()) return;
    if (!status.token_set) setToken(''); // the agent no longer has a token
    last = status;
    show(status);
  } catch (e) {
    if (outdated()) return;
    if (e instanceof Unauthorized) return showSignIn(token() ? 'page.token_wrong' : '');
    health('bad', t('page.no_answer'));
    notice(t('page.retrying', { error: e.message }));
  }
  timer = setTimeout(poll, document.hidden ? hiddenPollInterval : pollInterval);
}

function showSignIn(error) {
  signingIn = true;
  clearTimeout(timer);
  last = null;
  setToken('');
  $('data').hidden = true;
  $('tabs').hidden = true;
  $('login').hidden = false;
  $('sign').hidden = true;
  text($('login-error'), error ? t(error) : '');
  health('', t('page.signed_out'));
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
  const first = $('data').hidden;
  $('login').hidden = true;
  $('data').hidden = false;
  $('tabs').hidden = false;
  notice(s.queue.error ? t('page.queue_trouble', { error: s.queue.error }) : '');
  task.setUpFor(s.may_act, s.jumpserver || '');
  $('sign').hidden = !s.token_set;
  text($('name'), s.core.name || t('page.no_name'));
  text($('version'), s.version);
  text($('updated'), t('page.as_of', { time: moment(s.now) }));
  const overall = overview(s, now, { notice, poll });
  health(overall.kind, overall.message);
  card = overall.card;
  sessions.setUpFor(s.may_act);
  sessions.setReasons((s.reasons || []).map(r => r.class));
  if (first) route();
}

// route shows the view or the session that the address's fragment selects.
function route() {
  const [view, query] = location.hash.slice(1).split('?');
  if (/^[0-9a-f]{4}[0-9a-f-]{0,32}$/i.test(view)) {
    if ($('login').hidden && last) task.open(view);
    return;
  }
  const now = ['sessions', 'report'].includes(view) ? view : 'overview';
  for (const name of ['overview', 'sessions', 'report']) {
    $(`view-${name}`).hidden = name !== now;
    const tab = $(`tab-${name}`);
    if (name === now) tab.setAttribute('aria-current', 'page');
    else tab.removeAttribute('aria-current');
  }
  sessions.setShown(now === 'sessions' && last, query);
  if (now === 'report') report.open();
  if (now === 'overview' && last) show(last);
}

$('health').addEventListener('click', () => {
  if (!last) return;
  location.hash = '#overview';
  route();
  $(card).scrollIntoView({ block: 'start' });
  $(card).focus({ preventScroll: true });
});

$('login-form').addEventListener('submit', e => {
  e.preventDefault();
  setToken($('token').value.trim());
  $('token').value = '';
  signingIn = false;
  poll();
});

$('sign').addEventListener('click', () => showSignIn(''));

$('language').append(...Object.entries(langs).map(([code, name]) => el('option', { value: code, lang: code }, name)));
$('language').addEventListener('change', async e => {
  await setLanguage(e.target.value);
  if (last) show(last);
  if (signingIn) health('', t('page.signed_out'));
  sessions.reload();
  report.redraw();
});

document.addEventListener('visibilitychange', () => { if (!document.hidden && !signingIn) poll(); });
addEventListener('resize', () => { if (last && !$('data').hidden) show(last); });
addEventListener('hashchange', route);

await setLanguage().catch(() => {}); // without strings, keys are shown
$('language').value = lang;
health('', t('page.connecting'));
task.setUp(poll);
sessions.setUp(notice, poll);
steering.setUp({ notice, poll });
report.setUp(notice);
$('page').hidden = false;
poll();
