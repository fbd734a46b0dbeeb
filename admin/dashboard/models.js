// Models: prices, what was learnt about each, and the changes an operator may make.
import { ask, change, colourOf, dollars, dot, el, fixed, get, post, put, whole } from './api.js';
import { around, bar } from './chart.js';

const kTones = { active: 'on', draining: 'mid', retired: 'off', new: 'mid', probation: 'mid' };

async function setPrice(model) {
  const values = await ask(`Price of ${model.name}`, 'Dollars per million tokens. Counts for the next route.', {
    input: { label: 'Input', value: model.price.input_usd_per_million, type: 'number' },
    output: { label: 'Output', value: model.price.output_usd_per_million, type: 'number' },
  }, 'Set price');
  if (!values) return;
  await change(() => post(`/v1/models/${encodeURIComponent(model.name)}/price`, {
    input_usd_per_million: Number(values.input), output_usd_per_million: Number(values.output),
  }), () => `${model.name} has its new price.`);
  document.dispatchEvent(new Event('refresh'));
}

async function setState(model, state) {
  const what = { draining: 'It gets no new requests; feedback still counts.', active: 'It gets requests like every other; a trial ends.' }[state];
  if (!(await ask(`Make ${model.name} ${state}?`, what, {}, `Make ${state}`))) return;
  await change(() => post(`/v1/models/${encodeURIComponent(model.name)}/state`, { state }), () => `${model.name} is ${state}.`);
  document.dispatchEvent(new Event('refresh'));
}

function trial({ trial: t }) {
  if (!t) return null;
  return el('p', { class: 'note', title: 'Utility given up for it against the best guess, and what may be given up' },
    `${whole(t.reports)} reports, spent ${fixed(t.spent, 1)} of ${fixed(t.allowance, 1)}`);
}

function row(model, total) {
  const worst = [...model.biases].sort((a, b) => Math.abs(b.bias) - Math.abs(a.bias))[0];
  const every = model.biases.map((b) => `${b.source} ${b.bias >= 0 ? '+' : ''}${fixed(b.bias, 2)} ± ${fixed(b.deviation, 2)}`);
  return el('tr', {},
    el('td', { class: 'nowrap' }, dot(model.name), el('b', {}, model.name), model.epoch > 1 ? ` (epoch ${model.epoch})` : ''),
    el('td', {}, el('span', { class: `tag ${kTones[model.state] || ''}` }, model.state), trial(model)),
    el('td', { class: 'num' }, `${dollars(model.price.input_usd_per_million)} / ${dollars(model.price.output_usd_per_million)}`),
    el('td', { class: 'num' }, fixed(model.prior_quality)),
    el('td', { class: 'num' }, `${model.level >= 0 ? '+' : ''}${fixed(model.level)} ± ${fixed(model.level_deviation)}`),
    el('td', {}, bar(total ? model.decisions / total : 0, colourOf(model.name)), el('p', { class: 'note' }, whole(model.decisions))),
    el('td', { class: 'num' }, whole(model.ratings)), el('td', { class: 'num' }, whole(model.gold)),
    el('td', { class: 'num' }, model.failures > 0 ? el('span', { class: 'bad' }, whole(model.failures)) : '0'),
    el('td', {}, worst ? [around(worst.bias, worst.deviation, .5, colourOf(model.name)),
      el('p', { class: 'note' }, every.join(', '))] : '–'),
    el('td', {}, model.state === 'retired' ? null : el('div', { class: 'row tight' },
      el('button', { class: 'small', type: 'button', onclick: () => setPrice(model) }, 'Price'),
      model.state === 'draining' ? null
        : el('button', { class: 'small', type: 'button', onclick: () => setState(model, 'draining') }, 'Drain'),
      model.state === 'active' ? null
        : el('button', { class: 'small', type: 'button', onclick: () => setState(model, 'active') }, 'Activate'))));
}

export function make(main) {
  return {
    async show() {
      const { models } = await get('/v1/models');
      const total = models.reduce((sum, m) => sum + Number(m.decisions), 0);
      models.sort((a, b) => b.decisions - a.decisions);
      put(main,
        el('div', { class: 'title' }, el('h1', {}, 'Models'), el('p', {}, `${models.filter((m) => m.state === 'active').length} active of ${models.length}`)),
        el('section', { class: 'card scroll' }, models.length === 0
          ? el('p', { class: 'empty' }, 'The pool is empty. ', el('code', {}, 'pointsman models add NAME --input-price 0.15 --output-price 0.60'))
          : el('table', {},
            el('thead', {}, el('tr', {}, el('th', {}, 'Model'), el('th', {}, 'State'), el('th', { class: 'num' }, '$ / M in, out'),
              el('th', { class: 'num', title: 'Mean expected quality over the bootstrap queries' }, 'Prior'),
              el('th', { class: 'num', title: 'What gold and ratings added to the prior' }, 'Learnt'), el('th', {}, 'Decisions'),
              el('th', { class: 'num' }, 'Ratings'), el('th', { class: 'num' }, 'Gold'), el('th', { class: 'num' }, 'Failures'),
              el('th', { title: 'Rating less gold: above zero, users over-rate it' }, 'Bias of ratings'), el('th', {}, el('span', { class: 'label' }, 'Change')))),
            el('tbody', {}, models.map((m) => row(m, total))))));
    },
  };
}
