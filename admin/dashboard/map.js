// The cluster map: where the models differ. Size is traffic, colour the leading model.
import { colourOf, dot, el, fixed, get, percent, put, whole } from './api.js';
import { interval } from './chart.js';

const kWidth = 760;
const kHeight = 520;

// Pushes circles apart that lie on one another, so that each can be clicked.
function spread(circles) {
  for (let round = 0; round < 80; ++round) {
    for (let i = 0; i < circles.length; ++i) {
      for (let j = i + 1; j < circles.length; ++j) {
        const [a, b] = [circles[i], circles[j]];
        const [dx, dy] = [b.x - a.x || .01 * (j - i), b.y - a.y || .013];
        const apart = Math.hypot(dx, dy);
        const wanted = a.r + b.r + 3;
        if (apart >= wanted) continue;
        const push = (wanted - apart) / 2 / apart;
        a.x -= dx * push; a.y -= dy * push; b.x += dx * push; b.y += dy * push;
      }
    }
    for (const c of circles) {
      c.x = Math.max(c.r + 4, Math.min(kWidth - c.r - 4, c.x));
      c.y = Math.max(c.r + 4, Math.min(kHeight - c.r - 16, c.y));
    }
  }
}

// As many of the terms as a circle of radius `r` has room for.
function labelOf(name, r) {
  const room = Math.floor(r / 3.1);
  const terms = name.split(', ');
  while (terms.length > 1 && terms.join(', ').length > room) terms.pop();
  const text = terms.join(', ');
  return text.length > room ? `${text.slice(0, Math.max(3, room - 1))}…` : text;
}

function draw(clusters, traffic, picked, pick) {
  const counts = new Map(traffic.clusters.map((c) => [c.number, c.decisions]));
  const weight = (c) => Math.max(counts.get(c.number) || 0, .3);
  const shown = clusters.filter((c) => c.number !== 0);
  const total = shown.reduce((sum, c) => sum + weight(c), 0);
  const circles = shown.map((c) => ({
    c, x: kWidth / 2 + c.x * (kWidth / 2 - 80), y: kHeight / 2 - c.y * (kHeight / 2 - 70),
    r: Math.max(9, Math.min(70, Math.sqrt(weight(c) / total * kWidth * kHeight * .28 / Math.PI))),
  }));
  spread(circles);
  circles.sort((a, b) => b.r - a.r);
  return el('svg', { viewBox: `0 0 ${kWidth} ${kHeight}`, class: 'map', role: 'group', 'aria-label': 'Map of clusters' },
    circles.map(({ c, x, y, r }) => el('circle', {
      class: 'cluster', cx: x, cy: y, r, fill: colourOf(c.leader), tabindex: 0, role: 'button', 'data-cluster': c.number,
      'aria-pressed': String(c.number === picked), 'aria-label': `Cluster ${c.number}, ${c.name}, led by ${c.leader}`,
      onclick: () => pick(c.number),
      onkeydown: (e) => { if (e.key === 'Enter' || e.key === ' ') { e.preventDefault(); pick(c.number); } },
    }, el('title', { svg: true }, `${c.name}: ${c.leader} leads with ${fixed(c.leader_quality)}; ${whole(Math.round(counts.get(c.number) || 0))} decisions lately`))),
    circles.filter(({ r }) => r > 20).map(({ c, x, y, r }) => el('text', { class: 'name', x, y: y + 4, 'font-size': Math.min(13, 8 + r / 9) },
      labelOf(c.name, r))));
}

function legend(clusters) {
  const leads = new Map();
  clusters.forEach((c) => leads.set(c.leader, (leads.get(c.leader) || 0) + 1));
  return el('div', { class: 'legend' }, [...leads].sort((a, b) => b[1] - a[1]).map(([model, count]) =>
    el('span', {}, dot(model), `${model || 'nobody'} leads ${count}`)));
}

function panel(detail, traffic, models) {
  if (!detail) return el('p', { class: 'empty' }, 'Pick a circle, or press Tab and Enter.');
  const count = traffic.clusters.find((c) => c.number === detail.number);
  const share = count && traffic.decisions ? count.decisions / traffic.decisions : 0;
  return [
    el('h2', {}, `${detail.number}. ${detail.name}`),
    el('p', { class: 'label' }, `${percent(share)} of the traffic; ${whole(detail.size)} bootstrap queries. Terms that its queries share: `, el('b', {}, detail.name)),
    detail.cells.map((cell) => {
      const known = models.find((m) => m.name === cell.model);
      const bias = (known ? known.biases : []).map((b) => `${b.source} ${b.bias >= 0 ? '+' : ''}${fixed(b.bias, 2)} ± ${fixed(b.deviation, 2)}`);
      return el('div', { class: 'cell' }, el('span', { title: cell.model }, dot(cell.model), cell.model),
        interval(cell.quality, cell.quality_deviation, cell.prior, colourOf(cell.model)),
        el('p', { class: 'note' }, `${fixed(cell.quality)} ± ${fixed(cell.quality_deviation)}, prior ${fixed(cell.prior, 2)}; `
          + `evidence: gold ${fixed(cell.gold_weight, 1)}, ratings ${fixed(cell.rating_weight, 1)}`
          + (bias.length ? `; bias of its ratings: ${bias.join(', ')}` : '')
          + (cell.conflict ? '. Gold contradicts the ratings here.' : '')));
    }),
    el('p', { class: 'note' }, 'Dot: expected gold. Band: two standard errors. Tick: the prior. Evidence decays with age.')];
}

export function make(main) {
  let picked = null;
  const view = {
    go(rest) { if (rest[0]) picked = Number(rest[0]); },
    async show() {
      const [{ clusters }, traffic, { models }] = await Promise.all([get('/v1/clusters'), get('/v1/traffic'), get('/v1/models')]);
      if (picked !== null && !clusters.some((c) => c.number === picked)) picked = null;
      const niches = clusters.filter((c) => c.number !== 0);
      if (picked === null && niches.length) {
        const busiest = traffic.clusters.filter((c) => c.number !== 0).sort((a, b) => b.decisions - a.decisions)[0];
        picked = busiest && niches.some((c) => c.number === busiest.number) ? busiest.number : niches[0].number;
      }
      const detail = picked === null ? null : await get(`/v1/clusters/${picked}`);
      const pick = (number) => { picked = number; view.show(); };
      put(main,
        el('div', { class: 'title' }, el('h1', {}, 'Cluster map'), el('p', {}, niches.length ? `${niches.length} clusters; near ones ask for alike things` : '')),
        niches.length === 0
          ? el('section', { class: 'card' }, el('p', { class: 'empty' }, 'No bundle is live, so there are no clusters yet. ', el('code', {}, 'pointsman bootstrap run --table answers.jsonl.gz --wait')))
          : el('div', { class: 'grid two' },
            el('section', { class: 'card' }, draw(clusters, traffic, picked, pick), legend(niches)),
            el('section', { class: 'card', id: 'cell-panel', 'aria-live': 'polite' }, panel(detail, traffic, models))));
    },
  };
  return view;
}
