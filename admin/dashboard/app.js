// The frame: pages by address, refresh, keys, and what to say when the daemon is away.
import { ask, change, duration, el, get, knowModels, post, put, Refused, whole } from './api.js';
import * as overview from './overview.js';
import * as map from './map.js';
import * as models from './models.js';
import * as gold from './gold.js';
import * as generations from './generations.js';
import * as explain from './explain.js';

const kPages = [
  ['overview', 'Overview', overview], ['map', 'Cluster map', map], ['models', 'Models', models],
  ['gold', 'Gold queue', gold], ['generations', 'Generations', generations], ['explain', 'Explain', explain],
];
const kRefreshMs = 5000;
const main = document.getElementById('main');
const banner = document.getElementById('banner');
const live = document.getElementById('live');
let current = null;
let view = null;
let busy = false;
let again = false;  // somebody asked while busy

function address() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, '').split('/');
  const page = kPages.find(([key]) => key === name) || kPages[0];
  return { page, rest: rest.map(decodeURIComponent) };
}

async function open() {
  const { page, rest } = address();
  if (current !== page) {
    current = page;
    document.title = `${page[1]} · Pointsman`;
    put(document.getElementById('nav'), ...kPages.map(([key, title], i) => el('a', {
      href: `#/${key}`, 'aria-current': key === page[0] ? 'page' : null, title: `key ${i + 1}`,
    }, title)));
    // A place of its own: what an older page still fetches lands in its old place.
    const place = el('div');
    main.replaceChildren(place);
    view = page[2].make(place);
  }
  if (view.go) view.go(rest);
  await refresh();
}

// Leaves the page as it is when the daemon does not answer: the next round mends it.
async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  const shown = view;
  try {
    const status = await get('/status');
    knowModels((await get('/v1/models')).models.map((m) => m.name));
    if (shown === view) await shown.show(status);
    banner.hidden = true;
    live.className = 'live';
    live.textContent = status.frozen ? 'learning frozen' : 'serving';
    document.getElementById('foot').textContent =
      `pointsmand ${status.version} · generation ${status.generation} · ${whole(status.last_sequence)} events · up ${duration(status.uptime_seconds)}`;
  } catch (error) {
    const away = !(error instanceof Refused);
    live.className = away ? 'live off' : 'live';
    live.textContent = away ? 'not reachable' : 'serving';
    banner.hidden = false;
    banner.textContent = away
      ? 'The daemon does not answer. What you see is the last it said; this page tries again every five seconds.'
      : `The daemon refused: ${error.message}`;
    if (away && !(error instanceof TypeError)) throw error;
  } finally {
    busy = false;
    if (again) { again = false; refresh(); }
  }
}

async function undo() {
  if (!(await ask('Undo the last change?', 'Reverses the last change an operator made. It is logged, and can itself be undone.', {}, 'Undo'))) return;
  await change(() => post('/v1/undo'), (done) => `Undone: ${done.undone}. Now ${done.now}.`);
  await refresh();
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  localStorage.setItem('theme', root.dataset.theme);
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.getElementById('dialog').open) return;
  if (event.target.matches('input, select, textarea')) {
    if (event.key === 'Escape') event.target.blur();  // so that the keys of the pages work again
    return;
  }
  if (view.key && view.key(event)) return event.preventDefault();
  const page = kPages[Number(event.key) - 1];
  if (page) location.hash = `#/${page[0]}`;
  else if (event.key === 'r') refresh();
  else if (event.key === 't') theme();
  else if (event.key === 'u') undo();
});
document.getElementById('undo').addEventListener('click', undo);
document.getElementById('theme').addEventListener('click', theme);
document.addEventListener('refresh', refresh);
window.addEventListener('hashchange', open);
if (localStorage.getItem('theme')) document.documentElement.dataset.theme = localStorage.getItem('theme');
open();
setInterval(() => { if (!document.hidden) refresh(); }, kRefreshMs);
