/**
 * The dashboard over made-up figures, to look at: `node test/tui/demo.ts [harts]`. With DEMO_REPORT=1
 * it measures itself for 10 seconds and prints what it cost.
 */
import { HART_STATE } from '../../src/machine/probe.ts';
import { startView } from '../../src/tui/start.ts';
import { FakeSource } from './fake-source.ts';

const harts = Number(process.argv[2] ?? 8);
const reports = process.env['DEMO_REPORT'] === '1';
const source = new FakeSource(harts);

let step = 0;
let lastMs = performance.now();
const drive = setInterval(() => {
  const now = performance.now();
  const seconds = (now - lastMs) / 1000;
  lastMs = now;
  step++;
  source.run(seconds);
  for (const sample of source.samples) {
    const wave = Math.sin(step / 20 + sample.id) ** 2;
    sample.instructions += Math.floor(2e7 * wave * seconds);
    sample.state = wave < 0.02 ? HART_STATE.PARKED : HART_STATE.RUNNING;
    sample.mode = [0, 1, 3, 1][(step + sample.id) % 4] as number;
    sample.domain = (step + sample.id) % source.domainList.length;
  }
  if (step % 12 === 0) source.happen('denial', 'load from vfs.private at 0xffffffff80213008');
  if (step % 30 === 0) source.happen('restart', `generation ${step / 30}`);
  if (step % 5 === 0) source.print(`\x1b[32m[${step}]\x1b[m the guest says hello 日本\n`);
}, 50);
source.sendInput = (text) => source.print(text.replaceAll('\r', '\n'));

const cpu = process.cpuUsage();
const running = startView(source, {
  showSummary: !reports,
  ...(process.argv.includes('--no-color') ? { color: false } : {}),
  ...(process.argv.includes('--plain') ? { plain: true } : {}),
});
if (reports) setTimeout(running.close, 10_000);
const reason = await running.done;
clearInterval(drive);
if (reports) {
  const { user, system } = process.cpuUsage(cpu);
  console.log(`${harts} harts: ${((user + system) / 1e5).toFixed(1)} % of a core`);
}
console.log(`ended: ${reason}`);
process.exitCode = reason.startsWith('SIG') ? 1 : 0;
