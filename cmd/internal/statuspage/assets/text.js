// Texts about tasks and their sessions.

import { t } from './i18n.js';

// short returns the first group of a session's id, which is enough to distinguish sessions.
export const short = id => id.slice(0, 8);

export const state = s => t(`state.${s}`);

export const reason = class_ => t(`reason.${class_}`);

// measured reports whether the progress of a task in its current state is known.
export const measured = v => v.state === 'rendering' && v.progress > 0 || v.state === 'uploading' && v.progress > 0;

// who returns a session's user and asset, if they are known.
export const who = v => (v.session ? [v.session.user, v.session.asset].filter(Boolean).join(' → ') : '');

// length returns how long a session lasted, in seconds; 0 if unknown.
export const length = s => (s && s.end ? Math.max(0, (Date.parse(s.end) - Date.parse(s.start)) / 1000) : 0);
