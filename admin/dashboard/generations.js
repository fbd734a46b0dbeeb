// Generations: what was live when, what differs, activation and rollback; the job
// that makes the next one.
import { ask, change, dot, el, fixed, get, percent, post, put, Refused, when, whole } from './api.js';
import { bar } from './chart.js';

const kDiff = [['bundle', 'Bundle'], ['made_from', 'Made from'], ['labels', 'Labels'], ['clusters', 'Clusters'], ['models', 'Models'], ['rows', 'Rows']];

async function activate(generation) {
  if (!(await ask(`Make generation ${generation.number}'s bundle live?`, 'It gets the next number. All evidence is folded again into its clusters; routing goes on meanwhile.', {}, 'Activate'))) return;
  await change(() => post('/v1/generations/activate', { target: generation.bundle }), (g) => `Generation ${g.number} is live.`);
  document.dispatchEvent(new Event('refresh'));
}
async function rollback() {
  if (!(await ask('Roll back?', 'The bundle that was live before gets the next number. Nothing that was learnt is lost.', {}, 'Roll back'))) return;
  await change(() => post('/v1/generations/rollback'), (g) => `Generation ${g.number} is live.`);
  document.dispatchEvent(new Event('refresh'));
}

function difference(chosen, live) {
  if (!chosen || !live) return el('p', { class: 'empty' }, 'Pick a generation to compare it with the live one.');
  return [el('h2', {}, chosen === live ? `Generation ${live.number}, live` : `Generation ${chosen.number} against ${live.number}, the live one`),
    el('table', {}, el('thead', {}, el('tr', {}, el('th', {}, ''), el('th', {}, `${chosen.number}`), chosen === live ? null : el('th', {}, `${live.number} (live)`))),
      el('tbody', {}, kDiff.map(([key, title]) => {
        const same = chosen[key] === live[key];
        const text = (g) => (key === 'bundle' ? el('code', { title: g[key] }, g[key].slice(0, 12)) : String(g[key] || '–'));
        return el('tr', {}, el('td', { class: 'label' }, title), el('td', {}, text(chosen)), chosen === live ? null : el('td', { class: same ? '' : 'warn' }, same ? 'the same' : text(live)));
      })))];
}

// What the daemon says about two bundles; null where it cannot compare them.
async function compare(chosen, live) {
  if (!chosen || !live || chosen === live) return null;
  try {
    return await get(`/v1/generation-diffs/${chosen.number}..${live.number}`);
  } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
}

function comparison(diff) {
  if (!diff) return null;
  const kinds = new Map();
  (diff.clusters || []).forEach((c) => kinds.set(c.kind, (kinds.get(c.kind) || 0) + 1));
  const before = (x) => (x === null || x < 0 ? '–' : fixed(x));
  return el('section', { class: 'card scroll' }, el('h2', {}, 'What differs'),
    el('p', {}, [...kinds].map(([kind, count]) => `${count} clusters ${kind}`).join(', ')),
    el('table', {}, el('thead', {}, el('tr', {}, el('th', {}, 'Model'), ['Prior', 'live', 'Share', 'live'].map((t) => el('th', { class: 'num' }, t)))),
      el('tbody', {}, (diff.models || []).map((m) => el('tr', {}, el('td', {}, dot(m.name), m.name),
        el('td', { class: 'num' }, before(m.prior_from)), el('td', { class: 'num' }, before(m.prior_to)),
        el('td', { class: 'num' }, percent(m.share_from, 0)), el('td', { class: 'num' }, percent(m.share_to, 0)))))),
    (diff.clusters || []).some((c) => c.kind !== 'same') ? el('table', {}, el('tbody', {}, diff.clusters.filter((c) => c.kind !== 'same').slice(0, 30).map((c) =>
      el('tr', {}, el('td', {}, el('span', { class: 'tag' }, c.kind)), el('td', {}, c.name), el('td', { class: 'label' }, (c.from || []).join('; ')))))) : null);
}

function job(report) {
  if (report.state === 'none') return el('p', { class: 'empty' }, 'No job has run since the start. ', el('code', {}, 'pointsman bootstrap run --table FILE'));
  const tone = { running: 'mid', done: 'on', failed: 'off', cancelled: 'off' }[report.state] || '';
  return [el('div', { class: 'row' }, el('span', { class: `tag ${tone}` }, report.state), el('span', {}, report.stage),
    report.state === 'running' ? el('button', { class: 'small', type: 'button', onclick: () => change(() => post('/v1/bootstrap/cancel'), () => 'The job is cancelled.') }, 'Cancel') : null),
  report.state === 'running' ? [bar(report.progress, 'var(--accent)'), el('p', { class: 'note' }, percent(report.progress, 0))] : null,
  el('p', { class: 'note' }, report.message), el('p', { class: 'note' }, `${when(report.started_at_us)} to ${when(report.ended_at_us)}`)];
}

export function make(main) {
  let chosen = null;
  const view = {
    async show() {
      const [{ generations }, report] = await Promise.all([get('/v1/generations'), get('/v1/bootstrap')]);
      const live = generations.find((g) => g.live);
      const current = generations.find((g) => g.number === chosen) || live;
      const diff = await compare(current, live);
      const choose = (number) => { chosen = number; view.show(); };
      put(main,
        el('div', { class: 'title' }, el('h1', {}, 'Generations'),
          el('button', { type: 'button', id: 'rollback', onclick: rollback, disabled: new Set(generations.map((g) => g.bundle)).size < 2 }, 'Roll back')),
        el('div', { class: 'grid two' },
          el('section', { class: 'card scroll' }, generations.length === 0 ? el('p', { class: 'empty' }, 'None yet: the daemon started cold.') : el('table', {},
            el('thead', {}, el('tr', {}, el('th', {}, 'No.'), el('th', {}, 'Since'), el('th', {}, 'Why'), el('th', { class: 'num' }, 'Clusters'), el('th', { class: 'num' }, 'Rows'), el('th', {}, ''))),
            el('tbody', {}, [...generations].reverse().map((g) => el('tr', { class: 'pick', 'aria-selected': String(current && g.number === current.number), tabindex: 0,
              onclick: () => choose(g.number), onkeydown: (e) => { if (e.key === 'Enter') choose(g.number); } },
            el('td', {}, `${g.number} `, g.live ? el('span', { class: 'tag on' }, 'live') : null), el('td', {}, when(g.activated_at_us)), el('td', {}, g.reason),
            el('td', { class: 'num' }, whole(g.clusters)), el('td', { class: 'num' }, whole(g.rows)),
            el('td', {}, g.live ? null : el('button', { class: 'small', type: 'button', onclick: (e) => { e.stopPropagation(); activate(g); } }, 'Activate'))))))),
          el('div', { class: 'stack' }, el('section', { class: 'card' }, difference(current, live)), comparison(diff),
            el('section', { class: 'card' }, el('h2', {}, 'Bootstrap job'), job(report)))));
    },
  };
  return view;
}
