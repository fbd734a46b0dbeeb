// Talking to the daemon, and the small tools that every page uses.

export class Refused extends Error {
  constructor(problem, status) {
    super(problem.detail || `status ${status}`);
    this.problem = problem;
    this.status = status;
  }
}

async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.headers['Idempotency-Key'] = crypto.getRandomValues(new Uint32Array(4)).join('-');
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  let value = null;
  try { value = await answer.json(); } catch { value = {}; }
  if (!answer.ok) {
    // A gateway's word for "nobody is behind me".
    if (answer.status === 502) throw new TypeError('unreachable');
    throw new Refused(value, answer.status);
  }
  return value;
}
export const get = (path) => call('GET', path);
export const post = (path, body = {}) => call('POST', path, body);

// An element: el('p', {class: 'x', onclick: f}, 'text', child, [children]).
const kSvg = new Set(['svg', 'g', 'path', 'line', 'rect', 'circle', 'text', 'polyline', 'title']);
export function el(name, attributes = {}, ...children) {
  const node = kSvg.has(name) && !(name === 'title' && !attributes.svg)
    ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false || key === 'svg') continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'width%') node.style.width = `${value}%`;
    else if (key === 'colour') node.style.background = value;
    else node.setAttribute(key, value === true ? '' : value);
  }
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(child));
  }
  return node;
}

// Fills a place anew, which a page does every few seconds, and leaves the keyboard's focus on
// what stands where it was.
export function put(place, ...children) {
  const stops = () => [...place.querySelectorAll('a, button, input, [tabindex]')];
  const label = (e) => (e ? [e.tagName, e.id, e.getAttribute('aria-label'), e.textContent].join(' ') : '');
  const before = stops();
  const at = before.indexOf(document.activeElement);
  const what = label(before[at]);
  place.replaceChildren(...children);
  if (at < 0) return;
  const now = stops();
  const again = label(now[at]) === what ? now[at] : now.find((e) => label(e) === what) || now[at];
  if (again) again.focus({ preventScroll: true });
}

export const fixed = (x, digits = 3) => (x === null || x === undefined || !Number.isFinite(+x) ? '–' : (+x).toFixed(digits));
export const percent = (x, digits = 1) => (x === null || !Number.isFinite(+x) ? '–' : `${(100 * x).toFixed(digits)} %`);
export const whole = (x) => (x === null || x === undefined ? '–' : Number(x).toLocaleString('en-GB'));
export function dollars(x) {
  if (x === null || x === undefined || !Number.isFinite(+x)) return '–';
  const size = Math.abs(x);
  if (size === 0) return '$0';
  if (size >= .1) return `$${(+x).toFixed(2)}`;
  return `$${(+x).toPrecision(3).replace(/\.?0+$/, '')}`.replace(/e-(\d+)/, '·10⁻$1');
}
export function when(micros) {
  if (!micros) return '–';
  return new Date(micros / 1000).toISOString().replace('T', ' ').slice(0, 16) + 'Z';
}
export function ago(micros) {
  const seconds = Date.now() / 1000 - micros / 1e6;
  if (seconds < 90) return 'just now';
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}
export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${(seconds / 86400).toFixed(1)} days`;
}

// One colour a model, by its place among all names: the same on every page.
const kColours = ['#3f7cf4', '#e8743b', '#19a979', '#945ecf', '#d6a31b', '#e04f7f', '#13a4b4', '#6b8e23', '#b5651d', '#7f8fa9'];
let names = [];
export function knowModels(list) { names = [...new Set([...names, ...list])].sort(); }
export const colourOf = (model) => kColours[Math.max(names.indexOf(model), 0) % kColours.length];
export const dot = (model) => el('span', { class: 'dot', colour: colourOf(model), 'aria-hidden': 'true' });

export function toast(text, bad = false) {
  document.querySelectorAll('.toast').forEach((old) => old.remove());
  const note = el('div', { class: bad ? 'toast bad' : 'toast', role: 'status' }, text);
  document.body.append(note);
  setTimeout(() => note.remove(), 6000);
}

// Asks before a change. `fields`: {name: {label, value, type}}; resolves to the
// values, or to null when the person says no.
export function ask(title, text, fields = {}, ok = 'OK') {
  const dialog = document.getElementById('dialog');
  document.getElementById('dialog-title').textContent = title;
  document.getElementById('dialog-text').textContent = text;
  document.getElementById('dialog-ok').textContent = ok;
  const holder = document.getElementById('dialog-fields');
  holder.replaceChildren(...Object.entries(fields).map(([name, field]) => el('label', { class: 'field' },
    el('span', {}, field.label),
    el('input', { name, type: field.type || 'text', step: 'any', value: field.value, required: true }))));
  return new Promise((resolve) => {
    dialog.returnValue = 'cancel';
    dialog.onclose = () => {
      if (dialog.returnValue !== 'ok') return resolve(null);
      const values = {};
      holder.querySelectorAll('input').forEach((input) => { values[input.name] = input.value; });
      resolve(values);
    };
    dialog.showModal();
  });
}

// Runs a change and says how it ended.
export async function change(what, done) {
  try {
    const answer = await what();
    toast(done(answer));
    return answer;
  } catch (error) {
    toast(error instanceof Refused ? `${error.message} (${error.problem.reason || error.status})` : 'The daemon does not answer; try again shortly.', true);
    return null;
  }
}
