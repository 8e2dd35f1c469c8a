// The status page: polls the agent's status and shows it.

import { Refused, call, setToken, token } from './api.js';
import { $, el, text } from './dom.js';
import { lang, langs, moment, t, use } from './i18n.js';
import { overview } from './overview.js';
import * as report from './report.js';
import * as steering from './steering.js';
import * as sessions from './sessions.js';
import * as task from './task.js';

const every = 2000; // ms between two polls; a hidden page polls less often
const hiddenEvery = 30000;
let timer = 0;
let last = null;
let asking = false; // the sign-in form is shown, and nothing else
let card = 'state-card'; // explains the state of the agent

async function look() {
  clearTimeout(timer);
  const asked = token();
  const late = () => asking || token() !== asked; // a change of the token polls again
  try {
    const status = await call('status');
    if (late()) return;
    if (!status.token_set) setToken(''); // the agent no longer has a token
    last = status;
    show(status);
  } catch (e) {
    if (late()) return;
    if (e instanceof Refused) return askToken(token() ? 'page.token_wrong' : '');
    health('bad', t('page.no_answer'));
    notice(t('page.retrying', { error: e.message }));
  }
  timer = setTimeout(look, document.hidden ? hiddenEvery : every);
}

function askToken(error) {
  asking = true;
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
  const stands = overview(s, now, { notice, look });
  health(stands.kind, stands.message);
  card = stands.card;
  sessions.setUpFor(s.may_act);
  sessions.setReasons((s.reasons || []).map(r => r.class));
  if (first) route();
}

// route shows the view in the address.
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
  asking = false;
  look();
});

$('sign').addEventListener('click', () => askToken(''));

$('language').append(...Object.entries(langs).map(([code, name]) => el('option', { value: code, lang: code }, name)));
$('language').addEventListener('change', async e => {
  await use(e.target.value);
  if (last) show(last);
  if (asking) health('', t('page.signed_out'));
  sessions.again();
  report.again();
});

document.addEventListener('visibilitychange', () => { if (!document.hidden && !asking) look(); });
addEventListener('resize', () => { if (last && !$('data').hidden) show(last); });
addEventListener('hashchange', route);

await use().catch(() => {}); // without strings, keys are shown
$('language').value = lang;
health('', t('page.connecting'));
task.setUp(look);
sessions.setUp(notice, look);
steering.setUp({ notice, look });
report.setUp(notice);
$('page').hidden = false;
look();
