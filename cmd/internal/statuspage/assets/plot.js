// The page's two plots, drawn as SVG. Lengths are in px.

import { bytes, day, percent, t } from './i18n.js';

const svgNS = 'http://www.w3.org/2000/svg';
const height = 180;
const left = 44;
const bottom = 22;
const top = 8;

function shape(name, attributes, content) {
  const e = document.createElementNS(svgNS, name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (content !== undefined) e.textContent = content;
  return e;
}

// canvas replaces a plot by an empty drawing with a label for screen readers. It returns
// the drawing and its width.
function canvas(parent, label) {
  const width = Math.max(260, Math.round(parent.clientWidth));
  const svg = shape('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label });
  parent.replaceChildren(svg);
  return { svg, width };
}

function axis(svg, width, values, y, format) {
  for (const v of values) {
    svg.append(shape('line', { class: 'grid', x1: left, x2: width, y1: y(v), y2: y(v) }));
    svg.append(shape('text', { x: left - 8, y: y(v) + 4, 'text-anchor': 'end' }, format(v)));
  }
}

// line returns the SVG path through points. from is its first command: M moves, L draws.
const line = (points, from = 'M') => points.map(([x, y], i) => `${i ? 'L' : from}${x.toFixed(1)} ${y.toFixed(1)}`).join('');

// area returns the SVG path of the area between two lines of points.
const area = (upper, lower) => `${line(upper)}${line([...lower].reverse(), 'L')}Z`;

// cpuPlot draws the CPU use of the last hour, in percent: that of the agent, above it that
// of other processes, and the agent's budget and target. now is in ms.
export function cpuPlot(parent, cpu, now) {
  const points = cpu.history || [];
  const mean = k => points.length ? points.reduce((sum, p) => sum + p[k], 0) / points.length : 0;
  const label = points.length
    ? t('page.cpu_plot', { ours: percent(mean('ours')), others: percent(mean('others')), target: percent(cpu.target) })
    : t('page.cpu_plot_none');
  const { svg, width } = canvas(parent, label);
  const hour = 3600e3;
  const x = at => left + (width - left) * Math.min(1, Math.max(0, 1 - (now - at) / hour));
  const y = v => top + (height - top - bottom) * (1 - Math.min(100, v) / 100);
  axis(svg, width, [0, 50, 100], y, percent);
  for (const [minutes, anchor] of [[60, 'start'], [30, 'middle'], [0, 'end']]) {
    svg.append(shape('text', { x: x(now - minutes * 60e3), y: height - 4, 'text-anchor': anchor }, minutes ? t('page.ago', { span: { seconds: 60 * minutes } }) : t('page.now')));
  }
  if (points.length > 1) {
    const at = points.map(p => x(Date.parse(p.at)));
    const zero = at.map(v => [v, y(0)]);
    const ours = points.map((p, i) => [at[i], y(p.ours)]);
    const all = points.map((p, i) => [at[i], y(p.ours + p.others)]);
    svg.append(shape('path', { class: 'ours', d: area(ours, zero) }));
    svg.append(shape('path', { class: 'others', d: area(all, ours) }));
    svg.append(shape('path', { class: 'budget', d: line(points.map((p, i) => [at[i], y(p.budget)])) }));
  }
  svg.append(shape('line', { class: 'target', x1: left, x2: width, y1: y(cpu.target), y2: y(cpu.target) }));
}

// roundUp returns the smallest number of at least v that is 1, 2 or 5 times a power of ten.
function roundUp(v) {
  const power = 10 ** Math.floor(Math.log10(v));
  return [1, 2, 5, 10].map(f => f * power).find(f => f >= v);
}

// daysPlot draws the space saved on each day.
export function daysPlot(parent, days) {
  const saved = days.map(d => Math.max(0, d.bytes_before - d.bytes_after));
  const sum = saved.reduce((a, b) => a + b, 0);
  const recordings = days.reduce((n, d) => n + d.recordings, 0);
  const { svg, width } = canvas(parent, t('page.days_plot', { days: days.length, saved: { bytes: sum }, n: recordings }));
  const scaleEnd = roundUp(Math.max(1000, ...saved));
  const y = v => top + (height - top - bottom) * (1 - v / scaleEnd);
  axis(svg, width, [0, scaleEnd / 2, scaleEnd], y, v => (v ? bytes(v) : '0'));
  const step = (width - left) / days.length;
  const barWidth = Math.max(2, Math.min(22, step * .68));
  days.forEach((d, i) => {
    const barHeight = saved[i] ? Math.max(2, y(0) - y(saved[i])) : 2;
    const rect = shape('rect', {
      class: saved[i] ? 'day' : 'day none', x: left + step * (i + .5) - barWidth / 2, y: y(0) - barHeight, width: barWidth, height: barHeight, rx: Math.min(3, barWidth / 2),
    });
    rect.append(shape('title', {}, t('page.day_plot', { day: day(d.date), saved: { bytes: saved[i] }, n: d.recordings })));
    svg.append(rect);
  });
  for (const [i, anchor] of [[0, 'start'], [days.length - 1, 'end']]) {
    if (days[i]) svg.append(shape('text', { x: i ? width : left, y: height - 4, 'text-anchor': anchor }, i ? t('page.today') : day(days[i].date)));
  }
}
