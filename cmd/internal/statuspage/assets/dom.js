// Small helpers over the DOM. Text is always set as text, never as markup.

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

// keep brings parent's children in step with items: those that stay keep
// their element, and with it focus and transitions.
export function keep(parent, items, key, make, update) {
  const have = new Map([...parent.children].map(c => [c.dataset.key, c]));
  let at = parent.firstElementChild;
  for (const item of items || []) {
    const k = String(key(item));
    let node = have.get(k);
    if (!node) {
      node = make(item);
      node.dataset.key = k;
    }
    have.delete(k);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
    update(node, item);
  }
  for (const node of have.values()) node.remove();
}
