// Calls to the agent. Addresses are relative to the page. The token is kept in the
// tab's session storage and sent as a header, never as a cookie.

import { has, t } from './i18n.js';

const name = 'jumpserver-video-token';

export const token = () => sessionStorage.getItem(name) || '';

export function setToken(value) {
  if (value) sessionStorage.setItem(name, value);
  else sessionStorage.removeItem(name);
}

export class Refused extends Error {}

// ask makes a call and returns the response if it is a success.
export async function ask(path, { method = 'GET', patience = 20000 } = {}) {
  const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
  let answer;
  try {
    answer = await fetch(`api/${path}`, { method, headers, cache: 'no-store', credentials: 'same-origin', signal: AbortSignal.timeout(patience) });
  } catch {
    throw new Error(t('page.no_answer_long'));
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  const known = `problem.${problem.code}`;
  const message = has(known) ? t(known) : problem.error || `${answer.status} ${answer.statusText}`;
  throw answer.status === 401 ? new Refused(message) : new Error(message);
}

export async function call(path, how) {
  const answer = await ask(path, how);
  return (answer.headers.get('Content-Type') || '').startsWith('application/json') ? answer.json() : answer.text();
}

// save makes the browser save a response as a file. A link would not work, because
// links send no token.
export async function save(path, name) {
  const answer = await ask(path, { patience: 600000 });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
