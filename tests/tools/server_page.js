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

async function use(remote) {
  await visit(remote, url);
  await choose(remote, process.argv[1]); // no photo
  await remote.evaluate('document.getElementById ("make").click ()');
  await remote.evaluate(until(`${text('problem')} !== ""`));
  await check(remote, `${text('problem')}.includes ("JPEG")`, 'a text taken for a photo');
  await choose(remote, photo);
  await remote.evaluate('document.getElementById ("make").focus ()');
  await remote.send('Input.dispatchKeyEvent', { type: 'keyDown', key: 'Enter', code: 'Enter', text: '\r', windowsVirtualKeyCode: 13 });
  await remote.send('Input.dispatchKeyEvent', { type: 'keyUp', key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13 });
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
  await remote.evaluate('document.getElementById ("viewer").scrollIntoView ()');
  await new Promise((done) => setTimeout(done, viewer ? 3000 : 100));
  await screenshot(remote, out);
  console.log(`${size} bytes, ${viewer ? 'shown' : 'no viewer was built in'}`);
}

withBrowser(browser, 1000, 800, use).then(() => process.exit(0), (error) => {
  console.error(error.message);
  process.exit(1);
});
