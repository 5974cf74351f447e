// SPDX-License-Identifier: MIT
// The Khronos validator on GLB files; exit status 1 where it has anything to
// say above "info".  usage: node validate.js FOLDER_WITH_NODE_MODULES FILE...
const fs = require('fs');
const path = require('path');
const [folder, ...files] = process.argv.slice(2);
const validator = require(path.join(path.resolve(folder), 'node_modules', 'gltf-validator'));

(async () => {
  let bad = files.length === 0;
  for (const file of files) {
    const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(file)));
    const loud = report.issues.messages.filter((m) => m.severity < 2);
    console.log(`${file}: ${report.issues.numErrors} errors, ${report.issues.numWarnings} warnings`);
    for (const m of loud) console.log(`  ${m.code} ${m.pointer || ''}: ${m.message}`);
    bad = bad || loud.length > 0;
  }
  process.exit(bad ? 1 : 0);
})();
