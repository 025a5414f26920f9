// The scripts as the runner starts them, against a file server of this machine. The binary is a stand-in, a shell script:
// test/platforms/native_test.go has the same with the program itself and an API server.
'use strict';
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { createHash } = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { describe, test } = require('node:test');

const system = { linux: 'linux', darwin: 'darwin' }[process.platform];
const name = `kubemint_1.2.3_${system}_${{ x64: 'amd64', arm64: 'arm64' }[process.arch]}`;
const standIn = Buffer.from('#!/bin/sh\necho "kubemint $*"\neval "$DO"\n');
const other = Buffer.from('#!/bin/sh\necho "something else"\n');
const sha256 = (content) => createHash('sha256').update(content).digest('hex');

// runner is a runner's directories, with the action checked out there, and a server that has the release.
async function runner(t, { checksums = `${sha256(standIn)}  ${name}\n`, serve = (_, response) => response.end(standIn) } = {}) {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'a 100% runner '));
  t.after(() => fs.rmSync(root, { recursive: true }));
  const action = path.join(root, '_actions', 'kube mint');
  const [cache, temp] = [path.join(root, 'tool cache'), path.join(root, '_temp')];
  for (const directory of [action, cache, temp]) fs.mkdirSync(directory, { recursive: true });
  for (const script of ['binary.js', 'main.js', 'post.js']) fs.copyFileSync(path.join(__dirname, script), path.join(action, script));
  fs.writeFileSync(path.join(action, 'checksums.txt'), checksums);
  const asked = [];
  const server = http.createServer((request, response) => {
    asked.push(request.url);
    serve(request, response, asked.length);
  });
  t.after(() => { server.close(); server.closeAllConnections(); });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${server.address().port}`;
  const file = path.join(cache, 'kubemint', '1.2.3', process.arch, 'kubemint');
  const self = { root, action, cache, temp, file, url, asked };
  self.start = (script, env = {}, preload = '') => {
    let flags = [];
    if (preload) {
      fs.writeFileSync(path.join(root, 'preload.js'), preload);
      flags = ['--require', path.join(root, 'preload.js')];
    }
    const child = spawn(process.execPath, [...flags, path.join(action, script)], {
      cwd: temp, stdio: ['ignore', 'pipe', 'pipe'], detached: true,
      env: { PATH: process.env.PATH, RUNNER_TOOL_CACHE: cache, RUNNER_TEMP: temp, KUBEMINT_DOWNLOAD_URL: url, ...env },
    });
    child.said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr']) child[stream].on('data', (data) => { child.said[stream] += data; });
    const tooLong = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), 30_000); // and what it started
    child.ended = once(child, 'close').then(([code, signal]) => {
      clearTimeout(tooLong);
      return { code, signal, ...child.said };
    });
    return child;
  };
  self.run = (...args) => self.start(...args).ended;
  self.cached = (content) => {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content, { mode: 0o755 });
  };
  // left are the files of the tool cache and of temp.
  self.left = () => [cache, temp].flatMap((directory) => fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory()).map((entry) => entry.name)).sort();
  return self;
}

// fails demands an error in the shape of the program's, as text and as an annotation, and that nothing was run.
function fails(result, message) {
  assert.equal(result.code, 1, result.stderr);
  const error = /^error: (.*)$/m.exec(result.stderr)?.[1] ?? '';
  assert.match(error, message);
  const annotation = result.stdout.split('\n').filter((line) => line.startsWith('::error::'));
  assert.equal(annotation.length, 1);
  assert.ok(annotation[0].startsWith(`::error::${error.replaceAll('%', '%25')}`), annotation[0]);
  for (const [, hint] of result.stderr.matchAll(/^hint: (.*)$/gm)) assert.ok(annotation[0].includes(`%0A${hint}`), hint);
  assert.doesNotMatch(result.stdout, /^(kubemint|something else)/m);
}

// until waits for something that the child says.
async function until(child, text) {
  while (!child.said.stdout.includes(text)) {
    assert.equal(child.exitCode, null, child.said.stderr);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('the native action', { concurrency: 4 }, () => {
  test('downloads the release of its own version, runs it, and keeps it', async (t) => {
    const r = await runner(t);
    const first = await r.run('main.js');
    assert.deepEqual([first.code, first.stdout], [0, 'kubemint mint\n'], first.stderr);
    assert.deepEqual(r.asked, [`/v1.2.3/${name}`]);
    assert.equal(fs.statSync(r.file).mode & 0o777, 0o755);
    assert.deepEqual(r.left(), ['kubemint', `${process.arch}.complete`].sort());
    const second = await r.run('main.js');
    assert.deepEqual([second.code, second.stdout, r.asked.length], [0, 'kubemint mint\n', 1]);
  });

  test('hands on the environment, but not its own variable', async (t) => {
    const r = await runner(t);
    const result = await r.run('main.js', { DO: 'env', INPUT_NAMESPACE: 'shop two', STATE_receipt: '{"a": 1}' });
    assert.match(result.stdout, /^INPUT_NAMESPACE=shop two$/m);
    assert.match(result.stdout, /^STATE_receipt=\{"a": 1\}$/m);
    assert.match(result.stdout, /^RUNNER_TEMP=/m);
    assert.doesNotMatch(result.stdout, /KUBEMINT_DOWNLOAD_URL/);
  });

  for (const [what, DO, code] of [['its code', 'exit 5', 5], ['128+n', 'kill -9 $$', 137]]) {
    test(`ends as the program did: ${what}`, async (t) => {
      assert.equal((await (await runner(t)).run('main.js', { DO })).code, code);
    });
  }

  test('refuses a wrong checksum, and leaves nothing', async (t) => {
    const r = await runner(t, { serve: (_, response) => response.end(other) });
    const result = await r.run('main.js');
    fails(result, new RegExp(`^verify ${r.url}/v1\\.2\\.3/${name}: its SHA-256 is ${sha256(other)}, not ${sha256(standIn)} `));
    assert.deepEqual([r.left(), r.asked.length], [[], 1]);
    const post = await r.run('post.js');
    assert.deepEqual([post.code, post.stdout, r.asked.length], [0, '', 1]);
    assert.match(post.stderr, /^nothing to revoke: the main step made no credential/m);
  });

  test('does not believe the tool cache', async (t) => {
    const r = await runner(t);
    r.cached(other);
    const result = await r.run('main.js');
    assert.deepEqual([result.code, result.stdout, r.asked.length], [0, 'kubemint mint\n', 1]);
    assert.match(result.stderr, /^warning: .*kubemint is not the binary of this release, and is not used$/m);
    assert.deepEqual(fs.readFileSync(r.file), standIn);
  });

  test('runs nothing where neither the tool cache nor the server has the right one', async (t) => {
    const r = await runner(t, { serve: (_, response) => response.end(other) });
    r.cached(other);
    fails(await r.run('main.js'), /^verify /);
    fails(await r.run('post.js', { STATE_receipt: '{}' }), /^verify /);
    assert.equal((await r.run('post.js')).stdout, '');
  });

  test('takes a binary that was put into the tool cache, without a network', async (t) => {
    const r = await runner(t);
    r.cached(standIn);
    const result = await r.run('main.js', { KUBEMINT_DOWNLOAD_URL: 'http://127.0.0.1:1' });
    assert.deepEqual([result.code, result.stdout, r.asked.length], [0, 'kubemint mint\n', 0]);
  });

  test('refuses what is cut short', async (t) => {
    const half = standIn.subarray(0, standIn.length / 2);
    const r = await runner(t, { serve: (_, response) => response.end(half) });
    fails(await r.run('main.js'), new RegExp(`^verify .*${sha256(half)}`));
    assert.deepEqual(r.left(), []);
  });

  test('asks again where the connection ends, and then gives up', async (t) => {
    const r = await runner(t, { serve: (_, response) => {
      response.writeHead(200, { 'content-length': standIn.length });
      response.write(standIn.subarray(0, 10), () => response.destroy());
    } });
    const result = await r.run('main.js');
    fails(result, new RegExp(`^download ${r.url}/v1\\.2\\.3/${name}: `));
    assert.match(result.stderr, /^hint: .*NODE_USE_ENV_PROXY/m);
    assert.match(result.stderr, /^hint: .*KUBEMINT_DOWNLOAD_URL/m);
    assert.deepEqual([r.left(), r.asked.length], [[], 4]);
  });

  test('asks again after a fault of the server', async (t) => {
    const r = await runner(t, { serve: (_, response, count) => {
      response.statusCode = [500, 429, 200][count - 1];
      response.end(count === 3 ? standIn : 'please try later');
    } });
    const result = await r.run('main.js');
    assert.deepEqual([result.code, result.stdout, r.asked.length], [0, 'kubemint mint\n', 3], result.stderr);
  });

  test('does not ask again for what is not there', async (t) => {
    const r = await runner(t, { serve: (_, response) => { response.statusCode = 404; response.end(standIn); } });
    fails(await r.run('main.js'), new RegExp(`^download ${r.url}/v1\\.2\\.3/${name}: the server answers 404$`));
    assert.deepEqual([r.left(), r.asked.length], [[], 1]);
  });

  test('follows a redirect, as GitHub answers with one', async (t) => {
    const r = await runner(t, { serve: (request, response) => {
      if (request.url === '/storage?sig=1') return response.end(standIn);
      response.writeHead(302, { location: '/storage?sig=1' }).end();
    } });
    assert.equal((await r.run('main.js')).stdout, 'kubemint mint\n');
    assert.deepEqual(r.asked, [`/v1.2.3/${name}`, '/storage?sig=1']);
  });

  test('does not take in what has no end', async (t) => {
    let sent = 0;
    const r = await runner(t, { serve: (_, response) => {
      const more = () => { sent += 1 << 20; response.write(Buffer.alloc(1 << 20), (error) => { if (!error) more(); }); };
      more();
    } });
    fails(await r.run('main.js'), /^download .*: it has more than 67108864 bytes/);
    assert.deepEqual([r.left(), r.asked.length], [[], 1]);
    assert.ok(sent < 100 << 20, `${sent} bytes were sent`);
  });

  test('gives up on a server that never answers', async (t) => {
    const r = await runner(t, { serve: () => {} });
    const soon = 'const timeout = AbortSignal.timeout; AbortSignal.timeout = (ms) => timeout(ms / 100);';
    fails(await r.run('main.js', {}, soon), /^download .*: .*aborted/);
    assert.ok(r.asked.length > 0);
  });

  test('has no binary of an unknown platform', async (t) => {
    const r = await runner(t);
    for (const [property, value] of [['platform', 'freebsd'], ['arch', 'riscv64']]) {
      const preload = `Object.defineProperty(process, '${property}', { value: '${value}' });`;
      const result = await r.run('main.js', {}, preload);
      fails(result, new RegExp(`^run on .*${value}.*: kubemint is built for linux, darwin and windows`));
      assert.match(result.stderr, /^hint: use another runner/m);
      assert.equal((await r.run('post.js', {}, preload)).code, 0);
    }
    assert.deepEqual([r.left(), r.asked.length], [[], 0]);
  });

  test('asks GitHub, for each platform by the name of its asset', async (t) => {
    const all = ['linux_amd64', 'linux_arm64', 'darwin_amd64', 'darwin_arm64', 'windows_amd64.exe', 'windows_arm64.exe'];
    const checksums = `# kubemint_1.2.3_linux_amd64\n${all.map((suffix) => `${sha256(standIn)}  kubemint_1.2.3_${suffix}\n`).join('')}`;
    const r = await runner(t, { checksums });
    for (const suffix of all) {
      const [, goos, goarch] = /^(\w+)_(amd64|arm64)/.exec(suffix);
      const [platform, arch] = [{ windows: 'win32' }[goos] ?? goos, { amd64: 'x64' }[goarch] ?? goarch];
      const result = await r.run('main.js', { KUBEMINT_DOWNLOAD_URL: '' }, `
        Object.defineProperty(process, 'platform', { value: '${platform}' });
        Object.defineProperty(process, 'arch', { value: '${arch}' });
        globalThis.fetch = async (url) => { throw Object.assign(new Error('asked for ' + url), { hints: [] }); };`);
      fails(result, new RegExp(`^asked for https://github\\.com/kubemint/kubemint/releases/download/v1\\.2\\.3/kubemint_1\\.2\\.3_${suffix}$`));
    }
  });

  test('says that a commit without checksums is no release', async (t) => {
    const r = await runner(t, { checksums: `# nothing\n${sha256(standIn)}  kubemint_1.2.3_plan9_amd64\n${sha256(standIn)} ${name}\n` });
    const result = await r.run('main.js');
    fails(result, /^find the binary for .*: checksums\.txt of this commit of the action names none$/);
    assert.match(result.stderr, /^hint: .*the commit that a release tag points to$/m);
    assert.deepEqual([r.left(), r.asked.length], [[], 0]);
    assert.equal((await r.run('post.js')).code, 0);
  });

  test('refuses an address with a password, and does not repeat it', async (t) => {
    const r = await runner(t);
    for (const address of ['http://me:hunter2@127.0.0.1:1', 'file:///srv/hunter2', 'hunter2', 'https://mirror/hunter2 \n::set-env']) {
      const result = await r.run('main.js', { KUBEMINT_DOWNLOAD_URL: address });
      fails(result, /^read KUBEMINT_DOWNLOAD_URL: /);
      assert.doesNotMatch(result.stdout + result.stderr, /hunter2/);
    }
    assert.equal((await r.run('main.js', { KUBEMINT_DOWNLOAD_URL: `${r.url}/a/mirror/` })).code, 0);
    assert.deepEqual(r.asked, [`/a/mirror/v1.2.3/${name}`]);
  });

  test('says where it cannot write, and where no runner is', async (t) => {
    const r = await runner(t);
    fs.writeFileSync(path.join(r.cache, 'kubemint'), 'a file');
    const result = await r.run('main.js');
    fails(result, /^write to the tool cache: /);
    assert.match(result.stderr, /^hint: let the user of the runner write/m);
    assert.deepEqual(r.left(), ['kubemint']);
    fs.rmSync(path.join(r.cache, 'kubemint'));
    fails(await r.run('main.js', {}, "require('fs').renameSync = () => { throw new Error('it is in use'); };"),
      /^write to the tool cache: it is in use$/);
    assert.deepEqual(r.left(), []);
    fails(await r.run('main.js', { RUNNER_TOOL_CACHE: '' }), /^find the tool cache: RUNNER_TOOL_CACHE is not set$/);
  });

  test('says where the binary cannot be started', async (t) => {
    const r = await runner(t);
    r.cached(standIn);
    fs.chmodSync(r.file, 0o644);
    fails(await r.run('main.js'), /^start kubemint: .*EACCES/);
  });

  for (const [signal, number] of [['SIGINT', 2], ['SIGTERM', 15]]) {
    test(`${signal} is the program's, which decides when to end`, async (t) => {
      const r = await runner(t);
      const DO = 'trap "echo heard; sleep 0.3; echo done; exit 42" INT TERM; echo ready; while :; do sleep 0.05; done';
      const child = r.start('main.js', { DO });
      await until(child, 'ready');
      child.kill(signal);
      const { code, stdout } = await child.ended;
      assert.deepEqual([code, stdout], [42, 'kubemint mint\nready\nheard\ndone\n']);
    });

    test(`${signal} ends a program that does not heed it, and is told`, async (t) => {
      const r = await runner(t);
      const child = r.start('main.js', { DO: 'echo ready; exec sleep 60' });
      await until(child, 'ready');
      child.kill(signal);
      assert.equal((await child.ended).code, 128 + number);
    });

    test(`${signal} ends a download`, async (t) => {
      let child;
      const r = await runner(t, { serve: () => child.kill(signal) });
      child = r.start('main.js');
      const { code, stdout } = await child.ended;
      assert.deepEqual([code, stdout, r.left()], [128 + number, '', []]);
    });
  }

  test('post revokes with the same binary', async (t) => {
    const r = await runner(t);
    assert.equal((await r.run('main.js')).code, 0);
    const post = await r.run('post.js', { STATE_receipt: '{}', DO: 'echo "$STATE_receipt"; exit 7' });
    assert.deepEqual([post.code, post.stdout, r.asked.length], [7, 'kubemint revoke\n{}\n', 1]);
  });

  test('post revokes where the binary is gone, or is another one', async (t) => {
    const r = await runner(t);
    assert.equal((await r.run('post.js', { STATE_receipt: '{}' })).stdout, 'kubemint revoke\n');
    fs.writeFileSync(r.file, other);
    assert.equal((await r.run('post.js', { STATE_receipt: '{}' })).stdout, 'kubemint revoke\n');
    assert.equal(r.asked.length, 2);
  });

  test('post revokes without a step state too, by the receipt beside the kubeconfig, where there is a binary', async (t) => {
    const r = await runner(t);
    r.cached(standIn);
    assert.equal((await r.run('post.js')).stdout, 'kubemint revoke\n');
  });

  test('post says so where it cannot revoke', async (t) => {
    const r = await runner(t, { serve: (_, response) => { response.statusCode = 404; response.end(); } });
    const result = await r.run('post.js', { STATE_receipt: '{}' });
    fails(result, /^download /);
    assert.match(result.stderr, /^hint: the credential of this job lives until it expires/m);
  });

  test('an auditor reads it in minutes', () => {
    const scripts = ['binary.js', 'main.js', 'post.js'].map((script) => fs.readFileSync(path.join(__dirname, script), 'utf8'));
    const lines = scripts.join('').split('\n').length - 1;
    assert.ok(lines < 165, `${lines} lines`);
    const required = scripts.join('').matchAll(/(?:require\(|import\b)\s*'?([^')]*)/g);
    for (const [, module] of required) assert.match(module, /^(node:\w+(\/\w+)?|\.\/(main|binary)\.js)$/);
  });

  test('checksums.txt names every platform of one version, or none', () => {
    const lines = fs.readFileSync(path.join(__dirname, 'checksums.txt'), 'utf8').split('\n').filter((line) => line && !line.startsWith('#'));
    const assets = lines.map((line) => /^[0-9a-f]{64}  kubemint_([0-9][0-9A-Za-z.+-]*)_(\w+?)_(\w+)(\.exe)?$/.exec(line) ?? assert.fail(line));
    if (lines.length === 0) return;
    assert.equal(new Set(assets.map(([, version]) => version)).size, 1);
    assert.deepEqual(assets.map(([, , ...rest]) => rest.join(' ').trim()).sort(),
      ['darwin amd64', 'darwin arm64', 'linux amd64', 'linux arm64', 'windows amd64 .exe', 'windows arm64 .exe']);
  });
});
