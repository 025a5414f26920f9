// Puts the kubemint of this action's own release on PATH for the steps that follow. It is downloaded, verified and cached
// as the native action does it; docs/setup.md has more.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { asset, problem, provide, report, sha256 } = require('../native/binary.js');

// command gives the path of one of the runner's command files.
function command(name) {
  const file = process.env[name];
  if (!file) throw problem(`find the runner's command file: ${name} is not set`, 'run this as a step of GitHub Actions');
  return file;
}

async function setup() {
  const { sum, version } = asset();
  const [searchPath, outputs, temp] = ['GITHUB_PATH', 'GITHUB_OUTPUT', 'RUNNER_TEMP'].map(command);
  const cached = await provide(true);
  // The steps that follow run a copy of this job's own: on a self-hosted runner other jobs can write to the tool cache.
  const content = fs.readFileSync(cached);
  if (sha256(content) !== sum) throw problem(`verify ${cached}: it changed while it was read`, 'run the job again');
  const directory = fs.mkdtempSync(path.join(temp, 'kubemint-'));
  const file = path.join(directory, path.basename(cached));
  fs.writeFileSync(file, content, { mode: 0o700, flag: 'wx' });
  fs.appendFileSync(searchPath, `${directory}\n`);
  fs.appendFileSync(outputs, `version=${version}\npath=${file}\n`);
  console.log(`kubemint ${version} is on PATH for the steps that follow: ${file}`);
}

setup().catch((error) => report(error.message, error.hints));
