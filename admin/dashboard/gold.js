// The gold queue: decisions whose trusted label teaches most, with a form for it.
import { ago, change, dot, el, fixed, get, post, put, whole } from './api.js';
import { bar } from './chart.js';

const kValues = [[0, 'wrong'], [.25, 'poor'], [.5, 'half right'], [.75, 'good'], [1, 'right']];

// What the token of a decision begins with: base32 of the 16 bytes, as far as they go.
export function tokenStart(hex) {
  const bits = [...hex].map((digit) => parseInt(digit, 16).toString(2).padStart(4, '0')).join('');
  const letters = 'abcdefghijklmnopqrstuvwxyz234567';
  let text = 'd1_';
  for (let at = 0; at + 5 <= bits.length; at += 5) text += letters[parseInt(bits.slice(at, at + 5), 2)];
  return text;
}

export function make(main) {
  let queue = [];
  let at = 0;
  let value = null;
  let typing = false;

  function pick(index) {
    at = Math.max(0, Math.min(queue.length - 1, index));
    value = null;
    draw();
  }
  async function send() {
    const task = queue[at];
    if (!task || value === null) return;
    const stored = await change(() => post('/v1/gold', { decision: task.decision, value }),
      (ack) => (ack.code === 'OK' ? `Stored as event ${ack.sequence}.` : 'Had been stored before.'));
    if (!stored) return;
    queue.splice(at, 1);
    pick(at);
  }
  function list() {
    const most = Math.max(...queue.map((task) => task.worth), 1e-300);
    return el('table', {}, el('thead', {}, el('tr', {}, ['Decision', 'Model', 'About', 'Why'].map((t) => el('th', {}, t)), el('th', { title: 'Utility that a label is expected to gain, against the most in this list' }, 'Worth'), el('th', { class: 'num' }, 'Predicted'))),
      el('tbody', {}, queue.map((task, i) => el('tr', { class: 'pick', 'aria-selected': String(i === at), onclick: () => pick(i) },
        el('td', {}, el('code', {}, task.decision.slice(0, 12)), el('p', { class: 'note' }, ago(task.decided_at_us))),
        el('td', {}, dot(task.model), task.model),
        el('td', {}, task.clusters.length ? task.clusters.reduce((a, b) => (a.weight > b.weight ? a : b)).name : '–'),
        el('td', {}, task.audit ? el('span', { class: 'tag on', title: 'Drawn at random: keeps the estimates testable' }, 'audit') : el('span', { class: 'tag', title: `Asked with probability ${fixed(task.gold_probability, 4)}` }, 'asked')),
        el('td', { title: `${task.worth.toPrecision(2)} of utility` }, bar(task.worth / most, 'var(--accent)')),
        el('td', { class: 'num' }, `${fixed(task.predicted_quality, 2)} ± ${fixed(task.predicted_deviation, 2)}`)))));
  }
  function form() {
    const task = queue[at];
    if (!task) return el('p', { class: 'empty' }, 'Nothing waits for a label.');
    const choose = (v) => { value = v; draw(); };
    return [el('h2', {}, 'Label this decision'),
      el('dl', {}, el('dt', {}, 'Decision'), el('dd', { class: 'mono' }, task.decision), el('dt', {}, 'Token'), el('dd', { class: 'mono', id: 'gold-token' }, `${tokenStart(task.decision)}…`),
        el('dt', {}, 'Model'), el('dd', {}, dot(task.model), task.model),
        el('dt', {}, 'Tenant'), el('dd', {}, task.tenant || '–'), el('dt', {}, 'Clusters'), el('dd', {}, [...task.clusters].sort((a, b) => b.weight - a.weight).map((c) => `${c.name} (${Math.round(100 * c.weight)} %)`).join('; '))),
      el('p', { class: 'note' }, 'Query and answer are not stored here. Look the answer up in the log of the service that asked, by the token it kept. ',
        el('a', { href: `#/explain/${task.decision}` }, 'Explain it')),
      el('div', { class: 'scale', role: 'group', 'aria-label': 'How good was the answer' }, kValues.map(([v, word]) =>
        el('button', { type: 'button', 'aria-pressed': String(value === v), onclick: () => choose(v) }, `${v}`, el('br'), el('small', {}, word)))),
      el('label', { class: 'field' }, el('span', {}, 'Or exactly, from 0 to 1'),
        el('input', { type: 'number', min: 0, max: 1, step: 'any', value: value === null ? '' : value, id: 'gold-exact',
          onfocus: () => { typing = true; }, onblur: () => { typing = false; },
          onchange: (e) => { const v = Number(e.target.value); if (e.target.value !== '' && v >= 0 && v <= 1) choose(v); } })),
      el('div', { class: 'row' }, el('button', { class: 'primary', type: 'button', id: 'gold-send', disabled: value === null, onclick: send }, 'Store label'),
        el('button', { type: 'button', onclick: () => pick(at + 1) }, 'Skip')),
      el('p', { class: 'note' }, 'Keys: ', el('kbd', {}, 'j'), ' ', el('kbd', {}, 'k'), ' next and previous, ', el('kbd', {}, 'w'), ' wrong, ', el('kbd', {}, 'h'), ' half, ', el('kbd', {}, 'g'), ' right, ', el('kbd', {}, 'Enter'), ' store')];
  }
  function draw() {
    put(main,
      el('div', { class: 'title' }, el('h1', {}, 'Gold queue'), el('p', {}, `${whole(queue.length)} wait; label from the top: the order is drawn, so that what is left undone is left by chance`)),
      el('div', { class: 'grid two' }, el('section', { class: 'card scroll' }, queue.length ? list() : el('p', { class: 'empty' }, 'Nothing waits for a label. Decisions that ask for gold come in with traffic; ', el('code', {}, 'learning.gold_rate'), ' says how many.')),
        el('section', { class: 'card' }, form())));
  }
  return {
    async show() {
      const { decisions } = await get('/v1/gold/next');
      // Not while somebody labels: the row under the pointer must not change.
      if (queue.length && (value !== null || typing)) return;
      const kept = queue[at] ? queue[at].decision : null;
      queue = decisions;
      at = Math.max(0, queue.findIndex((task) => task.decision === kept));
      draw();
    },
    key(event) {
      if (event.key === 'j') pick(at + 1);
      else if (event.key === 'k') pick(at - 1);
      else if (event.key === 'w') { value = 0; draw(); }
      else if (event.key === 'h') { value = .5; draw(); }
      else if (event.key === 'g') { value = 1; draw(); }
      else if (event.key === 'Enter' && event.target === document.body) send();
      else return false;
      return true;
    },
  };
}
