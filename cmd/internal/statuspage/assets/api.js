// Requests to the agent. Their URLs are relative to the page. The token is kept in the
// tab's session storage and sent as a header, never as a cookie.

import { has, t } from './i18n.js';

const tokenKey = 'jumpserver-video-token';

export const token = () => sessionStorage.getItem(tokenKey) || '';

export function setToken(value) {
  if (value) sessionStorage.setItem(tokenKey, value);
  else sessionStorage.removeItem(tokenKey);
}

// Unauthorized is the error of a request without a valid token (status 401).
export class Unauthorized extends Error {}

// request sends a request and returns the response. It throws Unauthorized for status
// 401, and Error for every other failure. The message is in the page's language if the
// agent's response has a code that the page knows. timeout is in ms.
export async function request(path, { method = 'GET', timeout = 20000 } = {}) {
  const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
  const response = await received(
    fetch(`api/${path}`, { method, headers, cache: 'no-store', credentials: 'same-origin', signal: AbortSignal.timeout(timeout) }),
  );
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const known = `problem.${problem.code}`;
  const message = has(known) ? t(known) : problem.error || `${response.status} ${response.statusText}`;
  throw response.status === 401 ? new Unauthorized(message) : new Error(message);
}

// received waits for a response or its body, and throws an Error in the page's language
// if the connection ends or the time is over.
export async function received(promise) {
  try {
    return await promise;
  } catch {
    throw new Error(t('page.no_answer_long'));
  }
}

// call sends a request and returns the body: parsed if it is JSON, or else as text.
export async function call(path, options) {
  const response = await request(path, options);
  const isJSON = (response.headers.get('Content-Type') || '').startsWith('application/json');
  return received(isJSON ? response.json() : response.text());
}

// save makes the browser save a response as a file. A link would not work, because
// links send no token.
export async function save(path, name) {
  const response = await request(path, { timeout: 600000 });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await received(response.blob()));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
