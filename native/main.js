// Runs the kubemint binary of this action's own release on the runner itself. docs/native.md has more.
'use strict';
const { spawn } = require('node:child_process');
const { constants } = require('node:os');
const { problem, provide, report } = require('./binary.js');

// run returns the exit code. The runner sends SIGINT to this process alone, and SIGTERM 7.5 s later; on Windows every process
// of the console gets the event, and kill would end the child at once.
async function run(command) {
  let child;
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      if (!child) process.exit(128 + constants.signals[signal]);
      if (process.platform !== 'win32') child.kill(signal);
    });
  }
  const file = await provide(command === 'mint' || process.env.STATE_receipt);
  const { KUBEMINT_DOWNLOAD_URL, ...env } = process.env; // not an input of kubemint, which would warn about it
  return new Promise((resolve, reject) => {
    child = spawn(file, [command], { stdio: 'inherit', env });
    child.on('error', (error) => reject(problem(`start kubemint: ${error.message}`)));
    child.on('exit', (code, signal) => resolve(signal ? 128 + constants.signals[signal] : code));
  });
}

exports.step = async (command) => {
  try {
    process.exitCode = await run(command);
  } catch (error) {
    const hints = error.hints ?? [];
    if (command === 'revoke' && !process.env.STATE_receipt) { // which main saves before it makes anything
      console.error(`nothing to revoke: the main step made no credential (${error.message})`);
      return;
    }
    if (command === 'revoke') hints.push('the credential of this job lives until it expires, or until its lease is deleted');
    report(error.message, hints);
  }
};

if (require.main === module) exports.step('mint');
