// A server of OpenHands V0's shape on npm socket.io: it replays inside the connect handler, before the connect ack, and
// publishes live events only to those who joined after it. What it published is in the log file, one event a line, and
// outlives kill -9.
//
//   node v0.js PORT LOG EVERY_MS [KEY]
const fs = require('fs');
const http = require('http');
const { Server } = require('socket.io');

const [port, log, every, key] = process.argv.slice(2);
const events = fs.existsSync(log) ? fs.readFileSync(log, 'utf8').split('\n').filter(l => l.endsWith('}')).map(l => JSON.parse(l)) : [];
let last = events.length ? events[events.length - 1].id : -1;
const sleep = ms => new Promise(done => setTimeout(done, ms));

const web = http.createServer((req, res) => {
  const url = new URL(req.url, 'http://x');
  const json = body => { res.setHeader('content-type', 'application/json'); res.end(JSON.stringify(body)); };
  if (key && req.headers['x-session-api-key'] !== key && url.pathname !== '/api/options/config') { res.statusCode = 401; return json({ error: 'unauthorized' }); }
  if (url.pathname === '/api/options/config') return json({ APP_MODE: 'oss' });
  if (url.pathname === '/api/conversations/c1') return json({ conversation_id: 'c1', title: 'A talk', status: 'RUNNING', runtime_status: 'STATUS$READY', conversation_version: 'V0' });
  if (url.pathname === '/api/conversations') return json({ results: [{ conversation_id: 'c1', title: 'A talk', status: 'RUNNING', runtime_status: 'STATUS$READY', conversation_version: 'V0', last_updated_at: '2026-01-01T00:00:00' }], next_page_id: null });
  if (url.pathname === '/api/conversations/c1/events') {
    const number = (name, otherwise) => Number(url.searchParams.get(name) || otherwise);
    const start = number('start_id', 0), end = number('end_id', Infinity), limit = number('limit', 20);
    const found = events.filter(e => e.id >= start && e.id <= end);
    if (url.searchParams.get('reverse') === 'true') found.reverse();
    return json({ events: found.slice(0, limit), has_more: found.length > limit });
  }
  if (url.pathname.startsWith('/api/conversations/')) return json(null);
  res.setHeader('content-type', 'text/html');
  res.end('<!doctype html><title>app</title>');
});

const io = new Server(web, { maxHttpBufferSize: 4 << 20 });
io.use(async (socket, next) => {
  const q = socket.handshake.query;
  if (!q.conversation_id) return next(new Error('No conversation_id in query params'));
  if (key && q.session_api_key !== key) return next(new Error('invalid_session_api_key'));
  const after = /^-?\d+$/.test(q.latest_event_id) ? Number(q.latest_event_id) : -1;
  let state;
  for (const e of events.filter(e => e.id > after)) {
    if (e.observation === 'agent_state_changed') { state = e; continue; }
    socket.emit('oh_event', e);
  }
  if (state) socket.emit('oh_event', state);
  await sleep(30); // what is published now reaches nobody on this socket: only history has it
  socket.join('c1');
  next();
});
io.on('connection', socket => socket.on('oh_user_action', action => publish({ source: 'user', action: 'message', args: action.args })));

function publish(fields) {
  const e = { id: ++last, timestamp: new Date().toISOString().slice(0, -1), source: 'agent', message: '', ...fields };
  events.push(e);
  fs.appendFileSync(log, JSON.stringify(e) + '\n');
  io.to('c1').emit('oh_event', e);
}

let n = 0;
if (Number(every) > 0) setInterval(() => {
  if (++n % 10 === 0) publish({ observation: 'agent_state_changed', content: '', extras: { agent_state: n % 20 ? 'running' : 'awaiting_user_input', reason: '' } });
  else publish({ action: 'message', args: { content: 'event ' + n, wait_for_response: false } });
}, Number(every));
web.listen(Number(port), '127.0.0.1');
