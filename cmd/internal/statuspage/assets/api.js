// Calls to the agent. Addresses are relative to the page. The token lives in
// the tab's session storage and travels as a header, never as a cookie.

const name = 'jumpserver-video-token';

export const token = () => sessionStorage.getItem(name) || '';

export function setToken(value) {
  if (value) sessionStorage.setItem(name, value);
  else sessionStorage.removeItem(name);
}

export class Refused extends Error {}

export async function call(path, method = 'GET') {
  const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
  let answer;
  try {
    answer = await fetch(`api/${path}`, { method, headers, cache: 'no-store', credentials: 'same-origin', signal: AbortSignal.timeout(20000) });
  } catch {
    throw new Error('The agent does not answer.');
  }
  if (answer.ok) {
    return (answer.headers.get('Content-Type') || '').startsWith('application/json') ? answer.json() : answer.text();
  }
  const problem = await answer.json().catch(() => ({}));
  const message = problem.error || `${answer.status} ${answer.statusText}`;
  throw answer.status === 401 ? new Refused(message) : new Error(message);
}
