// SPDX-License-Identifier: MIT
// Headless Chromium, driven over its own protocol; WebGL in software, no other
// machine is asked.
const fs = require('fs');
const os = require('os');
const path = require('path');
const { spawn } = require('child_process');

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

// A new page of the size, before it shows anything.
async function open(remote, width, height) {
  const { targetId } = await remote.send('Target.createTarget', { url: 'about:blank' });
  remote.session = (await remote.send('Target.attachToTarget', { targetId, flatten: true })).sessionId;
  await remote.send('Page.enable');
  await remote.send('Runtime.enable');
  await remote.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
}

async function visit(remote, url) {
  const loaded = remote.event('Page.loadEventFired');
  await remote.send('Page.navigate', { url });
  await loaded;
}

async function screenshot(remote, file) {
  const { data } = await remote.send('Page.captureScreenshot', { format: 'png' });
  fs.writeFileSync(file, Buffer.from(data, 'base64'));
}

// Calls work(remote) with a page of the size, and ends the browser.
async function withBrowser(browser, width, height, work) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'browser-'));
  const child = spawn(browser, ['--headless', '--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
    '--disable-dev-shm-usage', '--disable-background-networking', '--no-first-run', '--hide-scrollbars',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', `--user-data-dir=${home}`,
    '--remote-debugging-pipe', 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const gone = new Promise((_, reject) => child.on('exit', (code) => reject(new Error(`the browser ended (${code})`))));
  const remote = new Remote(child);
  try {
    await Promise.race([open(remote, width, height).then(() => work(remote)), gone]);
  } finally {
    gone.catch(() => {});
    child.kill('SIGKILL');
    fs.rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

module.exports = { withBrowser, visit, screenshot };
