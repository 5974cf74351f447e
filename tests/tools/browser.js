// SPDX-License-Identifier: MIT
// Pictures of GLB files out of a real browser: headless Chromium with WebGL in
// software, three.js from FOLDER/node_modules, files over loopback.
// usage: node browser.js BROWSER FOLDER PAGE.html SIZE { FILE.glb SIDE plain|clay OUT.png }...
const fs = require('fs');
const http = require('http');
const path = require('path');
const { withBrowser, visit, screenshot } = require('./chromium.js');

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

async function main() {
  const server = http.createServer(answer);
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  try {
    await withBrowser(browser, Number(size), Number(size), async (remote) => {
      await remote.send('Emulation.setDefaultBackgroundColorOverride', { color: { r: 0, g: 0, b: 0, a: 0 } });
      await visit(remote, `http://127.0.0.1:${server.address().port}/`);
      await remote.evaluate('new Promise ((done) => { const look = () => window.ready ? done () : setTimeout (look, 20); look (); })');
      for (const [i, shot] of shots.entries()) {
        const facts = await remote.evaluate(`show ("/${i}.glb", ${shot.side}, ${shot.clay})`);
        await screenshot(remote, shot.out);
        console.log(`${path.basename(shot.out)} normal-maps=${facts.maps} tangents=${facts.tangents}`);
      }
    });
  } finally {
    server.close();
  }
}

main().then(() => process.exit(0), (error) => {
  console.error(error.message);
  process.exit(1);
});
