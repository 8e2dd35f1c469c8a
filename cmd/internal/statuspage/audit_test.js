// Returns a list of problems of the page for users with impaired vision, without a mouse, with
// a screen reader, or with a small screen.
(() => {
  const found = [];
  const visible = e => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && !e.closest('.unseen');
  const name = e => `${e.tagName.toLowerCase()}${e.id ? `#${e.id}` : ''}.${e.className} "${(e.textContent || '').trim().slice(0, 40)}"`;

  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  for (const id of ids.filter((id, i) => ids.indexOf(id) !== i)) found.push(`id ${id} twice`);
  if (!document.documentElement.lang) found.push('no language');
  if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
  if (document.querySelectorAll('main').length !== 1) found.push('not one main');
  for (const e of document.querySelectorAll('img:not([alt])')) found.push(`no alt: ${e.src}`);
  for (const e of document.querySelectorAll('svg')) if (!e.getAttribute('aria-label')) found.push('a picture without a label');
  for (const e of document.querySelectorAll('[aria-labelledby]')) {
    if (!document.getElementById(e.getAttribute('aria-labelledby'))) found.push(`${name(e)}: labelled by an element that does not exist`);
  }
  for (const e of document.querySelectorAll('[role=progressbar]')) {
    if (!e.getAttribute('aria-label') || !e.getAttribute('aria-valuetext')) found.push(`${name(e)}: progress without label or value`);
  }
  for (const e of document.querySelectorAll('input:not([hidden])')) if (!e.labels.length) found.push(`${name(e)}: no label`);
  for (const e of document.querySelectorAll('th')) if (!e.scope) found.push(`${name(e)}: no scope`);

  const modal = document.querySelector('dialog[open]');
  const controls = [...document.querySelectorAll('button, input, a[href]')].filter(e => visible(e) && (!modal || modal.contains(e)));
  for (const e of controls) {
    if (e.tagName === 'BUTTON' && !(e.getAttribute('aria-label') || e.textContent.trim())) found.push(`${name(e)}: no name`);
    if (e.tabIndex < 0) found.push(`${name(e)}: not reachable by keyboard`);
    const r = e.getBoundingClientRect();
    if (!e.matches('.link, .skip') && r.height < 24) found.push(`${name(e)}: only ${r.height} px high`);
  }
  for (const e of document.querySelectorAll('*')) {
    const scrolls = getComputedStyle(e).overflowX === 'auto' && e.scrollWidth > e.clientWidth + 1;
    if (visible(e) && scrolls && e.tabIndex < 0 && !e.querySelector('button, a')) found.push(`${name(e)}: scrolls, but not by keyboard`);
  }
  if (document.documentElement.scrollWidth > innerWidth) found.push(`the page is ${document.documentElement.scrollWidth} wide on ${innerWidth}`);

  // The contrast of all texts with their backgrounds, as WCAG 2 defines it: luminance returns
  // the relative luminance of a colour.
  const channels = c => (c.match(/[\d.]+/g) || []).map(Number);
  const luminance = c => {
    const [r, g, b] = channels(c).slice(0, 3).map(v => v / 255).map(v => (v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const backgroundOf = e => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      const v = channels(c);
      if (v.length === 3 || v[3] === 1) return c;
      if (v[3] > 0) return null; // transparent: not checked
    }
    return 'rgb(255, 255, 255)';
  };
  const walk = document.createTreeWalker(modal || document.body, NodeFilter.SHOW_TEXT);
  let checked = 0;
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !visible(e) || e.closest('script, style, title, noscript, :disabled')) continue;
    const style = getComputedStyle(e);
    const background = backgroundOf(e);
    if (!background) continue;
    checked++;
    const [a, b] = [luminance(e.closest('svg') ? style.fill : style.color), luminance(background)].sort((x, y) => y - x);
    const contrast = (a + .05) / (b + .05);
    const large = parseFloat(style.fontSize) >= 24;
    if (contrast < (large ? 3 : 4.5)) found.push(`${name(e)}: contrast ${contrast.toFixed(2)}`);
  }
  if (checked < 5) found.push(`only ${checked} texts were checked`);
  return found;
})()
