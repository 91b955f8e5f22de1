// BullMQ as a side of bench.py, which says what is asked of a side. BullMQ and ioredis lie in $BENCH_HOME/node.
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';

const require = createRequire(`${process.env.BENCH_HOME}/node/`);
const { FlowProducer, Queue, Worker } = require('bullmq');

const QUEUE = 'bench';
const BULK = 1000;
const url = new URL(process.env.REDIS_URL);
const connection = { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null };
// What BullMQ's documentation advises: a bounded tail of what is finished.
const options = { removeOnComplete: { count: 1000 }, removeOnFail: { count: 5000 } };
const now = () => performance.timeOrigin + performance.now();
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const child = (name, children = []) => ({ name, queueName: QUEUE, data: {}, opts: options, children });
// A tree is all that a flow can be: the first job adds what follows it.
const rest = () => ({ ...child('last'), children: Array.from({ length: 8 }, () => child('middle')) });

async function worker() {
  const flow = new FlowProducer({ connection });
  const done = { jobs: 0, dags: 0 };
  const work = {
    noop: () => {},
    stamp: (data) => say({ event: 'started', wait_ms: now() - data.at_ms }),
    first: () => flow.add(rest()),
    middle: () => 1,
    last: () => {},
  };
  const concurrency = Number(process.env.CONCURRENCY);
  const bull = new Worker(QUEUE, async (job) => { await work[job.name](job.data); }, { connection, concurrency });
  bull.on('error', (error) => console.error(error.message));
  bull.on('completed', (job) => {
    done.jobs += 1;
    if (job.name === 'last') done.dags += 1;
  });
  await Promise.all([bull.waitUntilReady(), flow.waitUntilReady()]);
  say({ event: 'ready' });
  let told = -1;
  setInterval(() => {
    if (done.jobs !== told) say({ event: 'settled', ...done, at_ms: now() });
    told = done.jobs;
  }, 20);
  process.on('SIGTERM', () => process.exit(0));
}

async function enqueue(what, count, gap) {
  const queue = new Queue(QUEUE, { connection, defaultJobOptions: options });
  await queue.waitUntilReady();
  const name = { noop: 'noop', dag: 'first' }[what];
  if (what === 'stamp') {
    for (let i = 0; i < count; i += 1) {
      await queue.add('stamp', { at_ms: now() });
      await sleep(gap);
    }
  } else {
    for (let i = 0; i < count; i += BULK) {
      const size = Math.min(BULK, count - i);
      await queue.addBulk(Array.from({ length: size }, (_, n) => ({ name, data: { i: i + n } })));
    }
  }
  say({ event: 'enqueued', n: count });
  process.exit(0);
}

const [role, what, count, gap] = process.argv.slice(2);
if (role === 'worker') await worker();
else await enqueue(what, Number(count), Number(gap));
