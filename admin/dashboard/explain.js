// The explainer: one decision, why it fell so, and what came back.
import { ago, colourOf, dollars, dot, el, fixed, get, percent, Refused, when, whole } from './api.js';
import { bar } from './chart.js';

function weights(title, list) {
  if (list.length === 0) return null;
  return [el('h2', {}, title), [...list].sort((a, b) => b.weight - a.weight).map((item) => el('div', { class: 'share' }, el('span', { class: 'name', title: item.name }, item.name || `number ${item.number}`),
    bar(item.weight, 'var(--accent)'), el('span', { class: 'num' }, percent(item.weight, 0))))];
}

function story(e) {
  const how = e.observed ? `the caller’s own choice, which was only observed: the router would have played ${e.advised}` : e.audit ? 'a random audit: drawn mostly among the models that may be the best, so that every one stays testable' : e.followed ? 'the incumbent: under the rollout it is followed' : e.forced ? 'forced: no model was eligible' : 'the policy’s choice';
  return el('p', {}, el('b', {}, e.chosen), ` answered; this was ${how}. It was drawn with probability ${fixed(e.propensity, 4)}. Its predicted quality was `
    + `${fixed(e.predicted_quality)} ± ${fixed(e.predicted_deviation)}, where the prior said ${fixed(e.prior)}.`
    + (e.gold_wanted ? ' A gold label was asked for.' : ''));
}

function show(e) {
  return el('div', { class: 'grid two' },
    el('div', { class: 'stack' },
      el('section', { class: 'card' }, el('h2', {}, `Decision ${e.decision.slice(0, 12)}…`), story(e),
        el('p', { class: 'note' }, `Event ${whole(e.sequence)}, ${when(e.decided_at_us)} (${ago(e.decided_at_us)}), generation ${e.generation}; ${e.open ? 'feedback is still taken' : 'the time for feedback is over'}.`)),
      el('section', { class: 'card scroll' }, el('h2', {}, 'Candidates'), el('table', {},
        el('thead', {}, el('tr', {}, el('th', {}, 'Model'), el('th', {}, 'Quality'), el('th', { class: 'num' }, ''), el('th', { class: 'num' }, 'Cost'), el('th', { class: 'num' }, 'Utility'), el('th', { class: 'num' }, 'Probability'))),
        el('tbody', {}, e.candidates.map((c) => el('tr', { 'aria-selected': String(c.model === e.chosen) }, el('td', {}, dot(c.model), c.model),
          el('td', {}, bar(c.quality, colourOf(c.model))), el('td', { class: 'num' }, fixed(c.quality)), el('td', { class: 'num' }, dollars(c.cost_usd)),
          el('td', { class: 'num' }, fixed(c.utility, 4)), el('td', { class: 'num' }, fixed(c.probability, 4)))))))),
    el('div', { class: 'stack' },
      el('section', { class: 'card' }, weights('Clusters it fell into', e.clusters), weights('Task types', e.tasks)),
      el('section', { class: 'card' }, el('h2', {}, 'What came back'), e.outcome_known
        ? el('p', {}, e.failed ? el('span', { class: 'tag off' }, 'failed') : null, ` ${whole(e.tokens_out)} tokens in ${fixed(e.latency_ms, 0)} ms`) : el('p', { class: 'label' }, 'No outcome yet.'),
      e.channels.length === 0 ? el('p', { class: 'label' }, 'No rating and no gold yet.') : el('table', {}, el('tbody', {}, e.channels.map((c) => el('tr', {},
        el('td', {}, c.source), el('td', { class: 'num' }, c.retracted ? 'retracted' : fixed(c.value, 2)), el('td', { class: 'num label' }, c.revision ? `revision ${c.revision}` : ''))))))));
}

export function make(main) {
  const input = el('input', { class: 'wide mono', id: 'explain-input', placeholder: 'd1_… or 32 hexadecimal digits', 'aria-label': 'Token or decision', autocomplete: 'off', spellcheck: 'false' });
  const result = el('div', { id: 'explain-result' });
  let asked = '';
  main.replaceChildren(
    el('div', { class: 'title' }, el('h1', {}, 'Explain a decision'), el('p', {}, 'by the token that the route request returned')),
    el('section', { class: 'card' }, el('div', { class: 'row grow' }, input, el('button', { class: 'primary', type: 'button', id: 'explain-ask', onclick: () => look(input.value.trim()) }, 'Explain'))),
    el('br'), result);
  input.addEventListener('keydown', (e) => { if (e.key === 'Enter') look(input.value.trim()); });
  async function look(text) {
    if (!text) return;
    asked = text;
    try {
      result.replaceChildren(show(await get(`/v1/explain/${encodeURIComponent(text)}`)));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      result.replaceChildren(el('section', { class: 'card' }, el('p', { class: 'bad' }, error.message)));
    }
  }
  return {
    go(rest) { if (rest[0]) { input.value = rest[0]; asked = rest[0]; } else input.focus(); },
    async show() { if (asked) await look(asked); },
  };
}
