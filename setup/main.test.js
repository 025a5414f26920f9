// The script as the runner starts it, against a file server of this machine. The binary is a stand-in, a shell script.
'use strict';
const assert = require('node:assert/strict');
const { spawn, execFileSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { describe, test } = require('node:test');

const system = { linux: 'linux', darwin: 'darwin' }[process.platform];
const name = `kubemint_1.2.3_${system}_${{ x64: 'amd64', arm64: 'arm64' }[process.arch]}`;
const standIn = Buffer.from('#!/bin/sh\necho "kubemint $*"\n');
const other = Buffer.from('#!/bin/sh\necho "something else"\n');
const sha256 = (content) => createHash('sha256').update(content).digest('hex');

// runner is a runner's directories, with this repository checked out there, and a mirror of the release.
async function runner(t, { checksums = `${sha256(standIn)}  ${name}\n`, content = standIn } = {}) {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'a runner '));
  t.after(() => fs.rmSync(root, { recursive: true }));
  const at = (...parts) => path.join(root, ...parts);
  for (const script of ['native/binary.js', 'setup/main.js']) {
    fs.mkdirSync(path.dirname(at('action', script)), { recursive: true });
    fs.copyFileSync(path.join(__dirname, '..', script), at('action', script));
  }
  fs.writeFileSync(at('action', 'native', 'checksums.txt'), checksums);
  for (const directory of ['cache', 'temp']) fs.mkdirSync(at(directory));
  const asked = [];
  const server = http.createServer((request, response) => { asked.push(request.url); response.end(content); });
  t.after(() => { server.close(); server.closeAllConnections(); });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const commands = { GITHUB_PATH: at('path'), GITHUB_OUTPUT: at('output') };
  const run = async (env = {}) => {
    for (const file of Object.values(commands)) fs.writeFileSync(file, '');
    const child = spawn(process.execPath, [at('action', 'setup', 'main.js')], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH, RUNNER_TOOL_CACHE: at('cache'), RUNNER_TEMP: at('temp'), ...commands,
        KUBEMINT_DOWNLOAD_URL: `http://127.0.0.1:${server.address().port}`, ...env,
      },
    });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr']) child[stream].on('data', (data) => { said[stream] += data; });
    const [code] = await once(child, 'close');
    const read = (file) => fs.readFileSync(file, 'utf8');
    return { code, ...said, path: read(commands.GITHUB_PATH), output: read(commands.GITHUB_OUTPUT) };
  };
  const cached = at('cache', 'kubemint', '1.2.3', process.arch, 'kubemint');
  return { run, asked, cached, temp: at('temp') };
}

// fails demands an error, and that nothing came onto PATH.
function fails(r, result, message) {
  assert.equal(result.code, 1, result.stderr);
  assert.match(/^error: (.*)$/m.exec(result.stderr)?.[1] ?? '', message);
  assert.match(result.stdout, /^::error::/m);
  assert.deepEqual([result.path, result.output, fs.readdirSync(r.temp)], ['', '', []]);
}

describe('the setup action', { concurrency: 4 }, () => {
  test('puts the verified binary on PATH, in a directory of the job', async (t) => {
    const r = await runner(t);
    const result = await r.run();
    assert.equal(result.code, 0, result.stderr);
    const directory = result.path.trim();
    const file = path.join(directory, 'kubemint');
    assert.equal(result.output, `version=1.2.3\npath=${file}\n`);
    assert.equal(path.dirname(directory), r.temp);
    assert.equal(fs.statSync(directory).mode & 0o077, 0);
    const said = execFileSync('sh', ['-c', 'kubemint plan'], { env: { PATH: `${directory}:${process.env.PATH}` } });
    assert.equal(said.toString(), 'kubemint plan\n');
  });

  test('takes what an earlier job has cached', async (t) => {
    const r = await runner(t);
    await r.run();
    assert.equal((await r.run()).code, 0);
    assert.deepEqual(r.asked, [`/v1.2.3/${name}`]);
  });

  test('is not moved by what another job writes to the tool cache afterwards', async (t) => {
    const r = await runner(t);
    const file = path.join((await r.run()).path.trim(), 'kubemint');
    fs.writeFileSync(r.cached, other);
    assert.deepEqual(fs.readFileSync(file), standIn);
    const again = await r.run(); // downloads it anew, with a warning
    assert.match(again.stderr, /^warning: .* is not the binary of this release/m);
    assert.deepEqual(fs.readFileSync(path.join(again.path.trim(), 'kubemint')), standIn);
  });

  test('refuses a wrong checksum', async (t) => {
    const r = await runner(t, { content: other });
    fails(r, await r.run(), /^verify .*: its SHA-256 is /);
  });

  test('refuses a commit without checksums', async (t) => {
    const r = await runner(t, { checksums: '' });
    fails(r, await r.run(), /^find the binary for .*: checksums\.txt of this commit of the action names none$/);
  });

  for (const variable of ['GITHUB_PATH', 'GITHUB_OUTPUT', 'RUNNER_TEMP', 'RUNNER_TOOL_CACHE']) {
    test(`refuses to run without ${variable}`, async (t) => {
      const r = await runner(t);
      fails(r, await r.run({ [variable]: '' }), new RegExp(`: ${variable} is not set$`));
      assert.deepEqual(r.asked, []);
    });
  }
});
