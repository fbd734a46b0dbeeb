// Overview: traffic, quality, cost, savings, what ratings and gold say, warnings.
import { colourOf, dollars, dot, el, fixed, get, percent, put, when, whole } from './api.js';
import { around, bar, columns, line } from './chart.js';

function figure(label, value, note, tone = '') {
  return el('section', { class: 'card' }, el('div', { class: 'label' }, label),
    el('div', { class: `figure ${tone}` }, value), el('p', { class: 'note' }, note));
}

function saving(alone, label) {
  if (!alone.model) return figure(label, '–', 'no decisions yet');
  const gained = alone.quality_gained >= 0 ? `+${fixed(alone.quality_gained)}` : fixed(alone.quality_gained);
  const cheaper = alone.saved_share >= 0;
  return figure(label, cheaper ? `${percent(alone.saved_share, 0)} less` : `${percent(-alone.saved_share, 0)} more`,
    `${dollars(1000 * Math.abs(alone.saved_usd))} ${cheaper ? 'saved' : 'spent more'} per 1,000 requests than ${alone.model} alone; quality ${gained}`,
    cheaper ? 'good' : 'warn');
}

function shares(traffic) {
  if (traffic.decisions === 0) return el('p', { class: 'empty' }, 'No decisions yet. Ask for one: ', el('code', {}, "pointsman route 'your question'"));
  return traffic.models.map((m) => el('div', { class: 'share' },
    el('span', { class: 'name', title: m.model }, dot(m.model), m.model),
    bar(m.decisions / traffic.decisions, colourOf(m.model)),
    el('span', { class: 'num' }, percent(m.decisions / traffic.decisions))));
}

function biases(status, traffic) {
  const mean = (name) => (traffic.channels.find((c) => c.source === name) || { mean: null, reports: 0 });
  const gold = mean('gold');
  const rows = status.sources.map((source) => el('div', { class: 'cell' }, el('span', {}, source.name),
    around(source.bias, source.bias_deviation, .5, 'var(--accent)'),
    el('p', { class: 'note' }, source.reports === 0 ? 'no reports yet' : `${source.bias >= 0 ? 'over' : 'under'}-rates by ${fixed(Math.abs(source.bias))} ± ${fixed(source.bias_deviation)}; `
      + `${whole(source.reports)} reports, mean ${fixed(mean(source.name).mean, 2)}`)));
  return [el('p', { class: 'label' }, `Gold: ${whole(status.gold)} label${status.gold === 1 ? '' : 's'}, mean ${fixed(gold.mean, 2)} in this window. `
    + 'Bias is rating less gold; the bar is two standard errors to each side.'), rows];
}

function calibration(status) {
  if (status.audited_gold === 0) return figure('Calibration', '–', 'no gold on random audits yet');
  const z = status.audited_z_squared;
  if (status.audited_gold < 20) return figure('Calibration z²', fixed(z, 2), `1 is honest; only ${whole(status.audited_gold)} audited gold labels yet, too few to tell`);
  const honest = z > .5 && z < 2;
  return figure('Calibration z²', fixed(z, 2), `1 is honest; ${whole(status.audited_gold)} audited gold labels, error ${fixed(status.audited_rmse, 2)}`, honest ? 'good' : 'warn');
}

function budgets(status) {
  if (status.budgets.length === 0) return null;
  return el('section', { class: 'card' }, el('h2', {}, 'Budgets'), el('div', { class: 'scroll' }, el('table', {},
    el('thead', {}, el('tr', {}, el('th', {}, 'Tenant'), ['Budget', 'Mean cost', 'Spent', 'λ'].map((t) => el('th', { class: 'num' }, t)))),
    el('tbody', {}, status.budgets.map((b) => el('tr', {}, el('td', {}, b.tenant || 'all others'),
      [b.usd_per_request, b.mean_cost_usd, b.spent_usd].map((v) => el('td', { class: 'num' }, dollars(v))),
      el('td', { class: 'num' }, fixed(b.lambda, 2))))))));
}

function rollout(r) {
  if (r.mode === 'full' && r.look.number === 0) return null;
  const all = r.routed + r.followed;
  const rest = r.incumbent || 'the incumbent that each request names';
  return el('section', { class: 'card', id: 'rollout' }, el('h2', {}, 'Rollout ', el('span', { class: `tag ${r.mode === 'full' ? 'on' : 'mid'}` }, r.mode)),
    r.mode === 'full' ? el('p', {}, 'Every decision is the router’s.') : [
      el('p', {}, `${percent(r.share, 0)} of the decisions follow the router, the rest ${rest}.`),
      el('div', { class: 'share' }, el('span', { class: 'name' }, 'router'), bar(all ? r.routed / all : 0, 'var(--accent)'), el('span', { class: 'num' }, whole(r.routed))),
      el('div', { class: 'share' }, el('span', { class: 'name', title: rest }, 'incumbent'), bar(all ? r.followed / all : 0, r.incumbent ? colourOf(r.incumbent) : 'var(--soft)'), el('span', { class: 'num' }, whole(r.followed)))],
    r.look.number > 0 ? el('p', {}, `Look ${r.look.number}, at ${whole(r.look.labels)} gold labels: ${r.look.verdict}`
      + (r.look.decisions > 0 ? `. Gain in utility ${fixed(r.look.gain)} ± ${fixed(r.look.gain_error)}.` : '')) : null,
    r.mode === 'apprentice' ? el('p', { class: 'note' }, `The router takes over when its choices are known to be better; next look at ${whole(r.next_look_labels)} gold labels, ${whole(r.labels)} so far.`) : null,
    el('p', { class: 'note' }, r.since_sequence ? `Since ${when(r.since_us)}, set by ${r.set_by}: ${r.reason}` : ''));
}

function observed(o) {
  if (o.decisions === 0) return null;
  return el('section', { class: 'card', id: 'observed' }, el('h2', {}, 'Observed'),
    el('p', {}, `In ${whole(o.decisions)} decisions the callers chose. The router would have played the same in ${percent(o.agreed / o.decisions, 0)}.`),
    el('p', { class: 'note' }, `Predicted: quality ${fixed(o.advised_quality)} at ${dollars(1000 * o.advised_cost_usd)} per 1,000 by the router, ${fixed(o.quality)} at ${dollars(1000 * o.cost_usd)} as played.`));
}

export function make(main) {
  return {
    async show(status) {
      const traffic = await get('/v1/traffic');
      const over = (pick) => traffic.points.map((p) => ({ at: p.at_us, value: p.decisions ? pick(p) : null }));
      put(main,
        el('div', { class: 'title' }, el('h1', {}, 'Overview'), el('p', {}, traffic.decisions
          ? `${whole(traffic.decisions)} decisions from ${when(traffic.from_us)} to ${when(traffic.to_us)}` : 'waiting for the first decision')),
        ...status.warnings.map((text) => el('div', { class: 'warning' }, text)),
        el('div', { class: 'grid cards' },
          figure('Decisions', whole(traffic.decisions), `${whole(traffic.audits)} random audits, ${whole(traffic.forced)} forced; ${whole(status.decisions)} in all`),
          figure('Predicted quality', traffic.decisions ? fixed(traffic.quality) : '–', 'mean expected gold of the chosen model'),
          figure('Cost per 1,000', traffic.decisions ? dollars(1000 * traffic.cost_usd) : '–', 'expected, at the list prices'),
          saving(traffic.dearest, 'Against the dearest'), saving(traffic.best, 'Against the best one'), calibration(status)),
        el('div', { class: 'grid three' },
          el('section', { class: 'card' }, el('h2', {}, 'Traffic'), columns(traffic.points.map((p) => ({ value: p.decisions, title: `${when(p.at_us)}: ${p.decisions}` })))),
          el('section', { class: 'card' }, el('h2', {}, 'Predicted quality'), line(over((p) => p.quality), (v) => v.toFixed(2), 'var(--good)')),
          el('section', { class: 'card' }, el('h2', {}, 'Cost per request'), line(over((p) => p.cost_usd), dollars, 'var(--warn)'))),
        el('div', { class: 'grid two' },
          el('div', { class: 'stack' }, el('section', { class: 'card' }, el('h2', {}, 'Who answers'), shares(traffic)),
            rollout(status.rollout), observed(traffic.observed)),
          el('div', { class: 'stack' },
            el('section', { class: 'card' }, el('h2', {}, 'What ratings are worth'), biases(status, traffic)), budgets(status))));
    },
  };
}
