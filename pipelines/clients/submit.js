#!/usr/bin/env node
// Submits a run to Reelmill with nothing but an ordinary Redis client.
//
//     submit.js PIPELINE [NAME=VALUE ...]          e.g. submit.js topic_to_video topic='How tides work' scenes=4
//
// PIPELINE is the name of a registered pipeline (`demo`, `demo@3`) or a YAML file. Values are JSON where they read as
// JSON, and text otherwise. REDIS_URL says where Redis is, REELMILL_ID names the request: the same id again is the same
// run, so a producer that is not sure sends its envelope once more. The form of an envelope:
// schemas/envelope.schema.json. Needs node-redis (`npm install redis`, or `apt install node-redis`).
'use strict';
const { randomUUID } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { createClient } = require('redis');

function value(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function envelope(pipeline, inputs) {
  const made = { version: 1, id: process.env.REELMILL_ID || randomUUID(), inputs };
  if (/\.ya?ml$/.test(pipeline)) made.yaml = readFileSync(pipeline, 'utf8');
  else made.pipeline = pipeline;
  return made;
}

async function main() {
  const [pipeline, ...words] = process.argv.slice(2);
  if (!pipeline || words.some((word) => !word.includes('='))) {
    throw new Error('usage: submit.js PIPELINE [NAME=VALUE ...]');
  }
  const pair = (word) => [word.slice(0, word.indexOf('=')), value(word.slice(word.indexOf('=') + 1))];
  const request = envelope(pipeline, Object.fromEntries(words.map(pair)));
  const server = createClient({ url: process.env.REDIS_URL || 'redis://127.0.0.1:6379/0' });
  server.on('error', (error) => { throw error; });
  await server.connect();
  await server.xAdd('rm:inbox', '*', { envelope: JSON.stringify(request) });
  await server.quit();
  console.log(request.id);
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
