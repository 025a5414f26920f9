// Finds the kubemint binary of this action's own release, in the tool cache, or downloads it. It is used only if its SHA-256
// is the one in checksums.txt, a file of the same commit as this one.
'use strict';
const { createHash, randomUUID } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const systems = { linux: 'linux', darwin: 'darwin', win32: 'windows' };
const machines = { x64: 'amd64', arm64: 'arm64' };
const releases = 'https://github.com/kubemint/kubemint/releases/download';
const attempts = 4; // of a download, each of at most
const patience = 60_000; // ms
const mostBytes = 64 << 20; // a binary has about 15 MB

// problem is an error for a person: `verb object: cause`, and hints that say what to do.
const problem = (message, ...hints) => Object.assign(new Error(message), { hints });

// asset is this release's binary for this machine, by its line in checksums.txt: `SHA256  kubemint_VERSION_OS_ARCH`.
function asset() {
  const [system, machine] = [systems[process.platform], machines[process.arch]];
  if (!system || !machine) {
    throw problem(`run on ${process.platform}/${process.arch}: kubemint is built for linux, darwin and windows on x64 and arm64`,
      'use another runner, or build kubemint for this one with Go');
  }
  const lines = fs.readFileSync(path.join(__dirname, 'checksums.txt'), 'utf8');
  const line = new RegExp(`^([0-9a-f]{64})  (kubemint_([0-9][0-9A-Za-z.+-]*)_${system}_${machine}(?:\\.exe)?)$`, 'm').exec(lines);
  if (!line) {
    throw problem(`find the binary for ${system}/${machine}: checksums.txt of this commit of the action names none`,
      'only the commit of a release has it: use the commit that a release tag points to',
      'on Linux with Docker, uses: kubemint/kubemint works at any commit');
  }
  return { sum: line[1], name: line[2], version: line[3] };
}

const sha256 = (content) => createHash('sha256').update(content).digest('hex');

// provide returns the path of the binary, verified a moment ago. A self-hosted runner's tool cache outlives the job, and other
// jobs write to it, so a file there is trusted no more than a download.
async function provide(mayDownload) {
  const { sum, name, version } = asset();
  if (!process.env.RUNNER_TOOL_CACHE) {
    throw problem('find the tool cache: RUNNER_TOOL_CACHE is not set', 'run this as a step of GitHub Actions');
  }
  const directory = path.join(process.env.RUNNER_TOOL_CACHE, 'kubemint', version, process.arch); // the layout of @actions/tool-cache
  const file = path.join(directory, `kubemint${path.extname(name) === '.exe' ? '.exe' : ''}`);
  if (fs.existsSync(file)) {
    if (sha256(fs.readFileSync(file)) === sum) return file;
    console.error(`warning: ${file} is not the binary of this release, and is not used`);
  }
  if (!mayDownload) throw problem(`find ${file}: it is not there`);
  const base = process.env.KUBEMINT_DOWNLOAD_URL || releases;
  if (!/^https?:\/\/[^@\s]+$/.test(base)) { // the message does not repeat it: it may contain a password
    throw problem('read KUBEMINT_DOWNLOAD_URL: it is not a URL like https://HOST/PATH without a user or password');
  }
  const url = `${base.replace(/\/+$/, '')}/v${version}/${name}`;
  const content = await download(url);
  if (sha256(content) !== sum) {
    throw problem(`verify ${url}: its SHA-256 is ${sha256(content)}, not ${sum} as checksums.txt of this action says`,
      'it was neither kept nor run: something between here and the release has changed it, or the release itself was changed');
  }
  install(content, directory, file);
  return file;
}

// install renames a complete file: nobody sees a partial one. Both are in one directory, since a rename cannot cross file systems.
function install(content, directory, file) {
  const temporary = `${file}.${randomUUID()}`;
  try {
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(temporary, content, { mode: 0o600, flag: 'wx' });
    fs.chmodSync(temporary, 0o755);
    fs.renameSync(temporary, file);
    fs.writeFileSync(`${directory}.complete`, '');
  } catch (error) {
    if (fs.existsSync(temporary)) fs.rmSync(temporary);
    throw problem(`write to the tool cache: ${error.message}`, 'let the user of the runner write to $RUNNER_TOOL_CACHE');
  }
}

async function download(url) {
  let cause;
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (attempt) await sleep(250 * 4 ** (attempt - 1));
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(patience) });
      const chunks = [];
      let size = 0;
      for await (const chunk of response.ok ? response.body : []) {
        size += chunk.length;
        if (size > mostBytes) throw problem(`download ${url}: it has more than ${mostBytes} bytes, so it is not kubemint`);
        chunks.push(chunk);
      }
      if (response.ok) return Buffer.concat(chunks);
      await response.body?.cancel();
      cause = `the server answers ${response.status}`;
      if (response.status < 500 && response.status !== 429) break;
    } catch (error) {
      if (error.hints) throw error;
      cause = error.cause?.message || error.cause?.code || error.message;
    }
  }
  throw problem(`download ${url}: ${cause}`,
    'behind a proxy, set NODE_USE_ENV_PROXY: 1 and HTTPS_PROXY in the env of the step',
    'without access to GitHub, set KUBEMINT_DOWNLOAD_URL to a mirror, or put the binary into the tool cache: see docs/native.md');
}

// report says what failed, in the log and as an annotation, and fails the step.
function report(message, hints = []) {
  const text = [message, ...hints].join('\n');
  console.log(`::error::${text.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A')}`);
  console.error([`error: ${message}`, ...hints.map((hint) => `hint: ${hint}`)].join('\n'));
  process.exitCode = 1;
}

module.exports = { asset, problem, provide, report, sha256 };
