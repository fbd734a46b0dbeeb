// Small charts in SVG, in the colours of the page.
import { el } from './api.js';

// Columns over time with a title on each: points [{at, value, title}].
export function columns(points, colour = 'var(--accent)', height = 90) {
  const width = 480;
  const most = Math.max(...points.map((p) => p.value), 1e-12);
  const step = width / Math.max(points.length, 1);
  return el('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img' },
    points.map((p, i) => el('rect', {
      x: i * step + 1, width: Math.max(step - 2, 1), y: height - (height - 6) * p.value / most,
      height: (height - 6) * p.value / most, rx: 2, fill: colour,
    }, el('title', { svg: true }, p.title))),
    el('line', { class: 'axis', x1: 0, x2: width, y1: height - .5, y2: height - .5 }));
}

// A line over time; points without a value are left out.
export function line(points, format, colour = 'var(--accent)', height = 90) {
  const width = 480;
  const seen = points.filter((p) => p.value !== null);
  if (seen.length === 0) return el('p', { class: 'empty' }, 'no decisions yet');
  let low = Math.min(...seen.map((p) => p.value));
  let high = Math.max(...seen.map((p) => p.value));
  const gap = Math.max((high - low) * .15, Math.abs(high) * .02, 1e-9);
  low = Math.max(low - gap, 0); high += gap;
  const at = (p) => [points.indexOf(p) / Math.max(points.length - 1, 1) * (width - 8) + 4,
    height - 14 - (height - 26) * (p.value - low) / (high - low)];
  const places = seen.map(at);
  const path = places.map(([x, y], i) => `${i ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
  const [first, last] = [places[0], places[places.length - 1]];
  return el('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img' },
    el('path', { d: `${path}L${last[0]} ${height - 2}L${first[0]} ${height - 2}Z`, fill: colour, 'fill-opacity': .1 }),
    el('path', { d: path, fill: 'none', stroke: colour, 'stroke-width': 2, 'stroke-linejoin': 'round' }),
    el('circle', { cx: last[0], cy: last[1], r: 3.5, fill: colour }),
    el('text', { x: 2, y: 10 }, format(high)), el('text', { x: 2, y: height - 4 }, format(low)));
}

export function bar(share, colour) {
  return el('div', { class: 'bar' }, el('i', { 'width%': Math.max(0, Math.min(1, share)) * 100, colour }));
}

// A mean with two standard errors to both sides, and the prior as a tick, on [0,1].
export function interval(mean, deviation, prior, colour) {
  const x = (v) => 4 + 292 * Math.max(0, Math.min(1, v));
  return el('svg', { viewBox: '0 0 300 22', role: 'img', 'aria-label': `${mean.toFixed(3)} plus or minus ${(2 * deviation).toFixed(3)}` },
    el('line', { x1: 4, x2: 296, y1: 11, y2: 11, stroke: 'var(--track)', 'stroke-width': 6, 'stroke-linecap': 'round' }),
    el('line', { x1: x(mean - 2 * deviation), x2: x(mean + 2 * deviation), y1: 11, y2: 11, stroke: colour, 'stroke-width': 6, 'stroke-opacity': .4, 'stroke-linecap': 'round' }),
    prior === null ? null : el('line', { x1: x(prior), x2: x(prior), y1: 2, y2: 20, stroke: 'var(--soft)', 'stroke-width': 2 }, el('title', { svg: true }, `prior ${prior.toFixed(3)}`)),
    el('circle', { cx: x(mean), cy: 11, r: 5, fill: colour }));
}

// A value around zero with two standard errors, on [-range, range].
export function around(value, deviation, range, colour) {
  const x = (v) => 150 + 146 * Math.max(-1, Math.min(1, v / range));
  return el('svg', { viewBox: '0 0 300 22', role: 'img', 'aria-label': `${value.toFixed(3)} plus or minus ${(2 * deviation).toFixed(3)}` },
    el('line', { x1: 4, x2: 296, y1: 11, y2: 11, stroke: 'var(--track)', 'stroke-width': 6, 'stroke-linecap': 'round' }),
    el('line', { x1: 150, x2: 150, y1: 2, y2: 20, stroke: 'var(--soft)', 'stroke-width': 1.5 }),
    el('line', { x1: x(value - 2 * deviation), x2: x(value + 2 * deviation), y1: 11, y2: 11, stroke: colour, 'stroke-width': 6, 'stroke-opacity': .4, 'stroke-linecap': 'round' }),
    el('circle', { cx: x(value), cy: 11, r: 5, fill: colour }));
}
