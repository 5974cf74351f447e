// SPDX-License-Identifier: MIT
// The server's page as somebody uses it: a photo is chosen, the button pressed,
// progress and views appear, and at the end a model or the downloads.
// usage: node server_page.js BROWSER URL PHOTO OUT.png
const { withBrowser, visit, screenshot } = require('./chromium.js');

const [browser, url, photo, out] = process.argv.slice(2);

const until = (what) => `new Promise ((done) => { const look = () => (${what}) ? done (true) : setTimeout (look, 50); look (); })`;
const text = (id) => `document.getElementById ("${id}").textContent`;

async function check(remote, what, why) {
  if (!await remote.evaluate(what))
    throw new Error(`${why}: status "${await remote.evaluate(text('status'))}", problem "${await remote.evaluate(text('problem'))}"`);
}

async function choose(remote, file) {
  const { root } = await remote.send('DOM.getDocument');
  const { nodeId } = await remote.send('DOM.querySelector', { nodeId: root.nodeId, selector: '#photo' });
  await remote.send('DOM.setFileInputFiles', { nodeId, files: [file] });
}

async function press(remote, key, code, text) {
  const k = { key, code: key, windowsVirtualKeyCode: code };
  await remote.send('Input.dispatchKeyEvent', { type: 'keyDown', text, ...k });
  await remote.send('Input.dispatchKeyEvent', { type: 'keyUp', ...k });
}

// The focus goes through what there is to use, in the order that one sees.
async function tabs(remote, order) {
  for (const what of order) {
    await press(remote, 'Tab', 9);
    await check(remote, `document.activeElement.matches ("${what}")`, `Tab does not lead to ${what}`);
  }
}

// Every field has a label, every picture a text, every text a contrast of 4.5
// (WCAG 2.1), and nothing is wider than a telephone.
async function look(remote) {
  await check(remote, '[...document.querySelectorAll ("input")].every ((e) => e.labels.length)', 'a field without a label');
  await check(remote, '[...document.images].every ((e) => e.alt)', 'a picture without a text');
  const weak = await remote.evaluate(`(() => {
    const rgb = (c) => c.match (/[\\d.]+/g).map (Number);
    const light = (c) => { const [r, g, b] = rgb (c).map ((v) => v / 255).map ((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle (e).backgroundColor; if (rgb (c)[3] !== 0) return c; } return 'rgb(255, 255, 255)'; };
    return [...document.querySelectorAll ('h1, p, label, summary, a, button.main')].filter ((e) => {
      const a = light (getComputedStyle (e).color), b = light (behind (e));
      return (Math.max (a, b) + 0.05) / (Math.min (a, b) + 0.05) < 4.5;
    }).map ((e) => e.outerHTML.slice (0, 60)).join ();
  })()`);
  if (weak)
    throw new Error(`too little contrast: ${weak}`);
}

async function use(remote) {
  await visit(remote, url);
  for (const scheme of ['dark', 'light']) {
    await remote.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
    await look(remote);
  }
  await remote.send('Emulation.setDeviceMetricsOverride', { width: 320, height: 640, deviceScaleFactor: 1, mobile: false });
  await check(remote, 'document.documentElement.scrollWidth <= 320', 'wider than a telephone');
  await remote.send('Emulation.setDeviceMetricsOverride', { width: 1000, height: 800, deviceScaleFactor: 1, mobile: false });
  await tabs(remote, ['#photo', 'summary', '#make', 'footer a', 'footer a']);
  await choose(remote, process.argv[1]); // no photo
  await remote.evaluate('document.getElementById ("make").click ()');
  await remote.evaluate(until(`${text('problem')} !== ""`));
  await check(remote, `${text('problem')}.includes ("JPEG")`, 'a text taken for a photo');
  await choose(remote, photo);
  await remote.evaluate('document.getElementById ("make").focus ()');
  await press(remote, 'Enter', 13, '\r');
  await remote.evaluate(until(`!document.getElementById ("result").hidden || ${text('problem')} !== ""`));
  await check(remote, '!document.getElementById ("result").hidden', 'no result');
  await check(remote, '!document.getElementById ("preview").hidden', 'no preview');
  await check(remote, 'document.activeElement.id === "result-title"', 'the result has no focus');
  await remote.evaluate(until(`${text('status')}.startsWith ("Done")`));
  const size = await remote.evaluate('fetch (document.getElementById ("glb").href).then ((a) => a.blob ()).then ((b) => b.size)');
  if (size < 1000)
    throw new Error(`a GLB file of ${size} bytes`);
  const viewer = await remote.evaluate('!!customElements.get ("model-viewer")');
  if (viewer)
    await remote.evaluate(until('document.body.dataset.shown === "true"'));
  await tabs(remote, [...(viewer ? ['model-viewer'] : []), '#glb', '#zip']);
  await remote.evaluate('window.scrollTo (0, 0)');
  await remote.send('Emulation.setDeviceMetricsOverride', { width: 1000, height: 1240, deviceScaleFactor: 1, mobile: false });
  await new Promise((done) => setTimeout(done, viewer ? 3000 : 100));
  await screenshot(remote, out);
  // a stream that is cut is asked for again
  await remote.evaluate(`{
    const real = fetch;
    window.cut = 0;
    window.fetch = (path, options) => path.endsWith ('/events') && !window.cut++
      ? Promise.resolve (new Response ('event: state\\ndata: {"status":"running"}\\n\\n')) : real (path, options);
  }`);
  await remote.evaluate('document.getElementById ("make").click ()');
  await remote.evaluate(until(`${text('status')}.startsWith ("The connection is lost")`));
  await remote.evaluate(until(`${text('status')}.startsWith ("Done") || ${text('problem')} !== ""`));
  await check(remote, '!document.getElementById ("result").hidden', 'no result after a lost stream');
  console.log(`${size} bytes, ${viewer ? 'shown' : 'no viewer was built in'}`);
}

withBrowser(browser, 1000, 800, use).then(() => process.exit(0), (error) => {
  console.error(error.message);
  process.exit(1);
});
