// A Socket.IO server that knows nothing of OpenHands.
//
//   node plain.js PORT
const http = require('http');
const { Server } = require('socket.io');

const web = http.createServer((req, res) => { res.statusCode = 404; res.end('Not found'); });
const io = new Server(web);
io.on('connection', socket => {
  socket.emit('news', { n: 1 });
  // Bytes that want an ack, and news of it once it has come.
  socket.timeout(60000).emitWithAck('photo', Buffer.from('jpeg')).then(() => socket.emit('news', { n: 2 }), () => {});
});
web.listen(Number(process.argv[2]), '127.0.0.1');
