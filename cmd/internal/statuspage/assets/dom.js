// Small helpers for the DOM. Text is always set as text, never as markup.

export const $ = id => document.getElementById(id);

export function el(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attributes)) {
    if (k === 'class') e.className = v;
    else if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v);
  }
  e.append(...children);
  return e;
}

export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

// isBusy reports whether a button's request is in progress.
export const isBusy = button => button.getAttribute('aria-disabled') === 'true';

// busy marks a button while its request is in progress. The button is not disabled,
// because a disabled button loses the focus.
export function busy(button, now) {
  if (now) button.setAttribute('aria-disabled', 'true');
  else button.removeAttribute('aria-disabled');
}

// updateChildren makes parent's children match items. key returns an item's key, make
// returns a new element for it, and update shows an item in its element. Items with the
// same key reuse their element, which keeps its focus and transitions.
export function updateChildren(parent, items, key, make, update) {
  const existing = new Map([...parent.children].map(c => [c.dataset.key, c]));
  let at = parent.firstElementChild;
  for (const item of items || []) {
    const k = String(key(item));
    let node = existing.get(k);
    if (!node) {
      node = make(item);
      node.dataset.key = k;
    }
    existing.delete(k);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
    update(node, item);
  }
  for (const node of existing.values()) node.remove();
}
