// SPDX-License-Identifier: MIT
// Pictures of GLB files out of a real browser: headless Chromium with WebGL in
// software, three.js from FOLDER/node_modules, files over loopback.
// usage: node browser.js BROWSER FOLDER PAGE.html SIZE { FILE.glb SIDE plain|clay OUT.png }...
const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const { spawn } = require('child_process');

const [browser, folder, page, size, ...rest] = process.argv.slice(2);
const three = path.resolve(folder, 'node_modules', 'three');
const types = { '.html': 'text/html', '.js': 'text/javascript', '.glb': 'model/gltf-binary' };
const shots = [];
for (let i = 0; i + 3 < rest.length; i += 4)
  shots.push({ file: rest[i], side: Number(rest[i + 1]), clay: rest[i + 2] === 'clay', out: rest[i + 3] });

// The page, the library, and the files asked for; nothing else.
function answer(request, response) {
  const url = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
  let file = null;
  if (url === '/') file = page;
  else if (/^\/\d+\.glb$/.test(url)) file = shots[parseInt(url.slice(1), 10)]?.file;
  else if (url.startsWith('/three/')) file = path.join(three, path.normalize(url.slice(6)));
  fs.readFile(file ?? '', (error, data) => {
    response.writeHead(error ? 404 : 200, { 'Content-Type': types[path.extname(file ?? '')] ?? 'text/plain' });
    response.end(error ? '' : data);
  });
}

// The browser's own protocol: JSON between zero bytes, over two pipes.
class Remote {
  constructor(child) {
    this.to = child.stdio[3];
    this.calls = new Map();
    this.waits = [];
    this.next = 1;
    let text = '';
    child.stdio[4].on('data', (chunk) => {
      const parts = (text + chunk).split('\0');
      text = parts.pop();
      for (const part of parts) this.take(JSON.parse(part));
    });
  }

  take(message) {
    const call = this.calls.get(message.id);
    this.calls.delete(message.id);
    if (call && message.error) call.reject(new Error(message.error.message));
    else if (call) call.resolve(message.result);
    this.waits = this.waits.filter((w) => w.method !== message.method || w.resolve(message.params));
    if (message.method === 'Runtime.consoleAPICalled')
      console.error('page:', ...message.params.args.map((a) => a.value ?? a.description));
  }

  send(method, params = {}) {
    const id = this.next++;
    this.to.write(JSON.stringify({ id, method, params, sessionId: this.session }) + '\0');
    return new Promise((resolve, reject) => this.calls.set(id, { resolve, reject }));
  }

  event(method) {
    return new Promise((resolve) => this.waits.push({ method, resolve }));
  }

  async evaluate(expression) {
    const r = await this.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (r.exceptionDetails)
      throw new Error(r.exceptionDetails.exception?.description ?? r.exceptionDetails.text);
    return r.result.value;
  }
}

async function open(remote, url) {
  const { targetId } = await remote.send('Target.createTarget', { url: 'about:blank' });
  remote.session = (await remote.send('Target.attachToTarget', { targetId, flatten: true })).sessionId;
  await remote.send('Page.enable');
  await remote.send('Runtime.enable');
  await remote.send('Emulation.setDeviceMetricsOverride',
    { width: Number(size), height: Number(size), deviceScaleFactor: 1, mobile: false });
  await remote.send('Emulation.setDefaultBackgroundColorOverride', { color: { r: 0, g: 0, b: 0, a: 0 } });
  const loaded = remote.event('Page.loadEventFired');
  await remote.send('Page.navigate', { url });
  await loaded;
  await remote.evaluate('new Promise ((done) => { const look = () => window.ready ? done () : setTimeout (look, 20); look (); })');
}

async function main() {
  const server = http.createServer(answer);
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'browser-'));
  const child = spawn(browser, ['--headless', '--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
    '--disable-dev-shm-usage', '--disable-background-networking', '--no-first-run', '--hide-scrollbars',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', `--user-data-dir=${home}`,
    '--remote-debugging-pipe', 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const gone = new Promise((_, reject) => child.on('exit', (code) => reject(new Error(`the browser ended (${code})`))));
  const work = async () => {
    const remote = new Remote(child);
    await open(remote, `http://127.0.0.1:${server.address().port}/`);
    for (const [i, shot] of shots.entries()) {
      const facts = await remote.evaluate(`show ("/${i}.glb", ${shot.side}, ${shot.clay})`);
      const { data } = await remote.send('Page.captureScreenshot', { format: 'png' });
      fs.writeFileSync(shot.out, Buffer.from(data, 'base64'));
      console.log(`${path.basename(shot.out)} normal-maps=${facts.maps} tangents=${facts.tangents}`);
    }
  };
  try {
    await Promise.race([work(), gone]);
  } finally {
    gone.catch(() => {});
    child.kill('SIGKILL');
    server.close();
    fs.rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

main().then(() => process.exit(0), (error) => {
  console.error(error.message);
  process.exit(1);
});
