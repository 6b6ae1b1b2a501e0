// Times eventsource-parser on a file: `node eventsource.mjs NODE_MODULES FILE READ_BYTES`. One line of JSON: CPU seconds of
// one pass (the median of as many as fill half a second), how many events there were and the data of the last one.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modules, file, size] = process.argv.slice(2);
const { createParser } = await import(pathToFileURL(`${modules}/eventsource-parser/dist/index.js`).href);
const body = readFileSync(file);
const reads = [];
for (let at = 0; at < body.length; at += Number(size)) {
  reads.push(body.subarray(at, at + Number(size)));
}

function pass() {
  let count = 0;
  let last = "";
  let type;
  const text = new TextDecoder();
  const parser = createParser({
    onEvent(event) {
      type = event.event;
      last = event.data;
      count += 1;
    },
  });
  for (const piece of reads) parser.feed(text.decode(piece, { stream: true }));
  return { count, last, type };
}

function seconds() {
  const used = process.cpuUsage();
  return (used.user + used.system) / 1e6;
}

const started = seconds();
const { count, last } = pass();
const passes = [];
let spent = seconds() - started;
while (spent < 0.5 || passes.length < 3) {
  const begun = seconds();
  pass();
  passes.push(seconds() - begun);
  spent += passes.at(-1);
}
passes.sort((one, other) => one - other);
console.log(JSON.stringify({ seconds: passes[Math.floor(passes.length / 2)], count, last }));
